-- Where each forecast of a number of standards would have started at the end of every past month with a whole window of history behind it,
-- and what had become of it when the horizon was over. Dates of stages as they are known now: a stage told late counts from its day.
with

standards as (
    select * from {{ ref('stg_pcf_standards') }}
),

counted as (
    select * from {{ ref('int_policy__standards_counted') }}
),

policy_target as (
    select * from {{ ref('policy_target') }}
),

targets as (
    select policy_target.*
    from policy_target
    where policy_target.indicator = 'pcf_standards'
),

jurisdictions as (
    select distinct targets.jurisdiction_code
    from targets
),

spans as (
    select min(standards.stage_on) as first_on
    from standards
    having min(standards.stage_on) <= {{ as_of_day() }} - interval '1' month
),

months as (
    select {{ months_of('spans.first_on', as_of_day() ~ " - interval '1' month") }} as month_start
    from spans
),

monthly_issues as (
    select
        jurisdictions.jurisdiction_code,
        cast(months.month_start as date) as month_start,
        count(counted.standard_code) as issue_count
    from jurisdictions
    cross join months
    left join counted
        on
            jurisdictions.jurisdiction_code = counted.jurisdiction_code
            and months.month_start <= counted.issued_on
            and counted.issued_on < months.month_start + interval '1' month
    group by
        jurisdictions.jurisdiction_code,
        months.month_start
),

monthly_values as (
    select
        jurisdictions.jurisdiction_code,
        cast(months.month_start as date) as month_start,
        count(counted.standard_code) as value
    from jurisdictions
    cross join months
    left join counted
        on
            jurisdictions.jurisdiction_code = counted.jurisdiction_code
            and counted.issued_on < months.month_start + interval '1' month
            and (counted.left_on is null or counted.left_on >= months.month_start + interval '1' month)
    group by
        jurisdictions.jurisdiction_code,
        months.month_start
),

-- Counts are whole numbers, so their moments by sums of squares lose nothing.
windows as (
    select
        monthly_issues.jurisdiction_code,
        monthly_issues.month_start,
        count(*) over recent as month_count,
        cast(sum(monthly_issues.issue_count) over recent as double) as issue_sum,
        cast(sum(monthly_issues.issue_count * monthly_issues.issue_count) over recent as double) as square_sum
    from monthly_issues
    window recent as (
        partition by monthly_issues.jurisdiction_code
        order by monthly_issues.month_start asc
        rows between {{ (var('forecast_window_months') | int(1)) - 1 }} preceding and current row
    )
),

origins as (
    select
        windows.jurisdiction_code,
        windows.month_start,
        windows.issue_sum / windows.month_count as mean_issues,
        (windows.square_sum - windows.issue_sum * windows.issue_sum / windows.month_count) / (windows.month_count - 1) as variance_issues,
        first_values.value,
        last_values.value as actual_value
    from windows
    inner join monthly_values as first_values
        on
            windows.jurisdiction_code = first_values.jurisdiction_code
            and windows.month_start = first_values.month_start
    inner join monthly_values as last_values
        on
            windows.jurisdiction_code = last_values.jurisdiction_code
            and cast(windows.month_start + interval '{{ var("backtest_horizon_months") }}' month as date) = last_values.month_start
    where windows.month_count = {{ var('forecast_window_months') }}
),

dated as (
    select
        targets.document,
        targets.indicator,
        targets.jurisdiction_code,
        targets.target_year,
        targets.target_value,
        origins.month_start,
        origins.value,
        origins.actual_value,
        origins.mean_issues,
        origins.variance_issues,
        {{ months_left('origins.month_start', 'targets.target_year') }} as months_left
    from targets
    inner join origins
        on targets.jurisdiction_code = origins.jurisdiction_code
),

final as (
    select
        dated.document,
        dated.indicator,
        dated.jurisdiction_code,
        dated.target_year,
        dated.month_start as month,
        dated.value,
        -- The place on the straight line to the target that should be reached by the end of the horizon.
        case
            when dated.months_left >= {{ var('backtest_horizon_months') }}
                then dated.value
                    + (dated.target_value - dated.value) * {{ var('backtest_horizon_months') }} / cast(dated.months_left as double)
        end as milestone_value,
        dated.actual_value,
        dated.mean_issues,
        dated.variance_issues
    from dated
)

select * from final
