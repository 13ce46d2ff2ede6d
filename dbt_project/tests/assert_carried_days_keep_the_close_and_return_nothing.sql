-- A day without volume has the close of the trading day before and a return of zero (methods.md M6).
with

days as (
    select
        prices.*,
        lag(prices.close_cny_per_t) over (
            partition by prices.market, prices.instrument
            order by prices.trade_date asc
        ) as previous_close_cny_per_t
    from {{ ref('ets__prices_by_day') }} as prices
)

select
    days.market,
    days.instrument,
    days.trade_date
from days
where
    days.is_carried <> (days.volume_t = 0)
    or (
        days.is_carried
        and days.previous_close_cny_per_t is not null
        and (days.close_cny_per_t <> days.previous_close_cny_per_t or coalesce(days.log_return <> 0, true))
    )
