with

activities as (
    select * from {{ ref('int_footprint__activities_priced') }}
),

summed as (
    select
        activities.disclosure_id,
        count(*) as line_count,
        count(activities.line_kg_co2e) as priced_line_count,
        count(activities.supplier_disclosure_id) as supplier_line_count,
        {{ ordered_sum('activities.line_kg_co2e') }} as recalculated_kg_co2e,
        count(activities.line_kg_co2e * activities.factor_uncertainty_pct) as uncertain_line_count,
        {{ ordered_sum(
            'pow(activities.line_kg_co2e * activities.factor_uncertainty_pct, 2)'
        ) }} as squared_uncertainty
    from activities
    group by activities.disclosure_id
),

final as (
    select
        summed.disclosure_id,
        case when summed.priced_line_count = summed.line_count then 'complete' else 'partial' end as recalculation_status,
        summed.line_count,
        summed.priced_line_count,
        summed.supplier_line_count,
        summed.recalculated_kg_co2e,
        -- Lines are independent; one whose uncertainty nobody states leaves the whole unknown.
        case
            when summed.uncertain_line_count = summed.line_count
                then sqrt(summed.squared_uncertainty) / nullif(abs(summed.recalculated_kg_co2e), 0)
        end as uncertainty_pct
    from summed
)

select * from final
