-- What a forecast starts from: the standards in force, and how many were issued in each of the last complete months, gross of those
-- that left.
with

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

window_months as (
    select
        {{ months_of(
            as_of_day() ~ " - interval '" ~ var('forecast_window_months') ~ "' month",
            as_of_day() ~ " - interval '1' month"
        ) }} as month_start
),

jurisdictions as (
    select distinct targets.jurisdiction_code
    from targets
),

monthly_issues as (
    select
        jurisdictions.jurisdiction_code,
        window_months.month_start,
        count(counted.standard_code) as issue_count
    from jurisdictions
    cross join window_months
    left join counted
        on
            jurisdictions.jurisdiction_code = counted.jurisdiction_code
            and window_months.month_start <= counted.issued_on
            and counted.issued_on < window_months.month_start + interval '1' month
    group by
        jurisdictions.jurisdiction_code,
        window_months.month_start
),

moments as (
    select
        monthly_issues.jurisdiction_code,
        {{ ordered_mean('cast(monthly_issues.issue_count as double)') }} as mean_issues,
        {{ ordered_stddev('cast(monthly_issues.issue_count as double)') }} as stddev_issues
    from monthly_issues
    group by monthly_issues.jurisdiction_code
),

in_force as (
    select
        jurisdictions.jurisdiction_code,
        count(counted.standard_code) as value
    from jurisdictions
    left join counted
        on
            jurisdictions.jurisdiction_code = counted.jurisdiction_code
            and counted.issued_on <= {{ as_of_day() }}
            and (counted.left_on is null or counted.left_on > {{ as_of_day() }})
    group by jurisdictions.jurisdiction_code
),

final as (
    select
        targets.document,
        targets.indicator,
        targets.jurisdiction_code,
        targets.target_year,
        in_force.value,
        targets.target_value,
        {{ months_left(as_of_day(), 'targets.target_year') }} as months_left,
        moments.mean_issues,
        moments.stddev_issues * moments.stddev_issues as variance_issues
    from targets
    inner join in_force
        on targets.jurisdiction_code = in_force.jurisdiction_code
    inner join moments
        on targets.jurisdiction_code = moments.jurisdiction_code
)

select * from final
