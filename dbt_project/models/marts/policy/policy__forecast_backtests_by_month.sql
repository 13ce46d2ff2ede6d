with

forecasts as (
    select * from {{ ref('int_policy__origins_forecasted') }}
),

final as (
    select
        forecasts.month,
        forecasts.document,
        forecasts.indicator,
        forecasts.jurisdiction_code,
        forecasts.target_year,
        forecasts.value,
        forecasts.expected_value,
        forecasts.low_value,
        forecasts.high_value,
        forecasts.actual_value,
        forecasts.milestone_value,
        forecasts.probability,
        pow(
            forecasts.probability - case when forecasts.actual_value >= forecasts.milestone_value then 1 else 0 end, 2
        ) as brier_score,
        forecasts.actual_value between forecasts.low_value and forecasts.high_value as is_in_interval,
        forecasts.actual_value >= forecasts.milestone_value as is_milestone_met
    from forecasts
)

select * from final
