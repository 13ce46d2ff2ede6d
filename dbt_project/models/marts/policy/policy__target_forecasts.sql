with

forecasts as (
    select * from {{ ref('int_policy__issues_forecasted') }}
),

final as (
    select
        forecasts.document,
        forecasts.indicator,
        forecasts.jurisdiction_code,
        forecasts.target_year,
        forecasts.value,
        forecasts.target_value,
        forecasts.months_left,
        forecasts.expected_value,
        forecasts.low_value,
        forecasts.high_value,
        forecasts.probability
    from forecasts
)

select * from final
