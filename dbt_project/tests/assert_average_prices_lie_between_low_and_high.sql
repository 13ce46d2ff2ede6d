-- Bounds of the day hold for listed trades only; the slack is the 0.5 % that the contract of market_quote allows an average.
select
    quotes.market,
    quotes.instrument,
    quotes.trade_date
from {{ ref('int_ets__method_days_derived') }} as quotes
inner join {{ ref('ets__prices_by_day') }} as prices
    on
        quotes.market = prices.market
        and quotes.instrument = prices.instrument
        and quotes.trade_date = prices.trade_date
where
    quotes.trade_method = 'listed'
    and (
        prices.vwap_listed_cny_per_t < quotes.low_cny_per_t * 0.995
        or prices.vwap_listed_cny_per_t > quotes.high_cny_per_t * 1.005
    )
