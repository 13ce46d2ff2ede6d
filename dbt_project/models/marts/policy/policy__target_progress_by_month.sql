with

months as (
    select * from {{ ref('int_policy__months_listed') }}
),

indicator_values as (
    select * from {{ ref('int_policy__indicators_valued') }}
),

policy_target as (
    select * from {{ ref('policy_target') }}
),

compared as (
    select
        months.month,
        policy_target.document,
        policy_target.indicator,
        policy_target.jurisdiction_code,
        policy_target.target_year,
        indicator_values.value,
        policy_target.target_value,
        policy_target.target_value - indicator_values.value as gap,
        months.is_current,
        {{ months_left(as_of_day(), 'policy_target.target_year') }} as months_left
    from months
    cross join policy_target
    left join indicator_values
        on
            months.month = indicator_values.month
            and policy_target.indicator = indicator_values.indicator
            and policy_target.jurisdiction_code = indicator_values.jurisdiction_code
),

final as (
    select
        compared.month,
        compared.document,
        compared.indicator,
        compared.jurisdiction_code,
        compared.target_year,
        compared.value,
        compared.target_value,
        compared.gap,
        case
            when compared.is_current
                then case when compared.gap < 0 then 0 else compared.gap end / cast(nullif(compared.months_left, 0) as double)
        end as needed_per_month
    from compared
)

select * from final
