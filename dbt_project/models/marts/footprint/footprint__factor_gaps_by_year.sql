with

activities as (
    select * from {{ ref('int_footprint__activities_priced') }}
),

activity as (
    select * from {{ ref('activity') }}
),

lines as (
    select
        activities.activity_code,
        activities.geography_code,
        {{ year_of('activities.period_end') }} as reporting_year,
        activities.disclosure_id,
        activities.pricing_basis,
        activities.factor_geography_code
    from activities
    where activities.pricing_basis <> 'supplier'
),

open_lines as (
    select
        activities.disclosure_id,
        count(distinct concat(activities.activity_code, ' ', activities.geography_code)) as gap_count
    from activities
    where activities.pricing_basis = 'unpriced'
    group by activities.disclosure_id
),

counted as (
    select
        lines.activity_code,
        lines.geography_code,
        lines.reporting_year,
        count(*) as line_count,
        count(case when lines.pricing_basis = 'unpriced' then 1 end) as unpriced_line_count,
        count(case when lines.factor_geography_code <> lines.geography_code then 1 end) as borrowed_line_count,
        count(distinct case when lines.pricing_basis = 'unpriced' then lines.disclosure_id end) as waiting_disclosure_count,
        count(
            distinct case when lines.pricing_basis = 'unpriced' and open_lines.gap_count = 1 then lines.disclosure_id end
        ) as completable_disclosure_count,
        count(
            distinct case when lines.factor_geography_code <> lines.geography_code then lines.disclosure_id end
        ) as borrowing_disclosure_count
    from lines
    left join open_lines
        on lines.disclosure_id = open_lines.disclosure_id
    group by
        lines.activity_code,
        lines.geography_code,
        lines.reporting_year
),

final as (
    select
        counted.activity_code,
        counted.geography_code,
        counted.reporting_year,
        activity.name_zh as activity_name_zh,
        activity.name_en as activity_name_en,
        case when counted.unpriced_line_count > 0 then 'missing' else 'borrowed' end as gap_status,
        counted.line_count,
        counted.unpriced_line_count,
        counted.borrowed_line_count,
        counted.waiting_disclosure_count,
        counted.completable_disclosure_count,
        counted.borrowing_disclosure_count
    from counted
    left join activity
        on counted.activity_code = activity.activity_code
    where counted.unpriced_line_count + counted.borrowed_line_count > 0
)

select * from final
