-- A target is scored by its own past forecasts, and by all of them; with too few of them it says nothing but how many there were.
with

counted as (
    select
        months.document,
        months.indicator,
        months.jurisdiction_code,
        months.target_year,
        count(*) as origin_count,
        count(case when months.is_in_interval then 1 end) as hit_count
    from {{ ref('policy__forecast_backtests_by_month') }} as months
    group by
        months.document,
        months.indicator,
        months.jurisdiction_code,
        months.target_year
)

select
    backtests.document,
    backtests.jurisdiction_code,
    backtests.target_year
from {{ ref('policy__forecast_backtests') }} as backtests
left join counted
    on
        backtests.document = counted.document
        and backtests.indicator = counted.indicator
        and backtests.jurisdiction_code = counted.jurisdiction_code
        and backtests.target_year = counted.target_year
where
    backtests.origin_count <> coalesce(counted.origin_count, 0)
    or (backtests.backtest_status = 'scored') <> (backtests.interval_hit_share is not null)
    or abs(backtests.interval_hit_share * backtests.origin_count - counted.hit_count) > 1e-6
    or (backtests.backtest_status = 'too_little_history' and backtests.brier_score is not null)
