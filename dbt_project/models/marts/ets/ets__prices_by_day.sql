with

days as (
    select * from {{ ref('int_ets__trading_days_filled') }}
),

returns as (
    select * from {{ ref('int_ets__returns_derived') }}
),

final as (
    select
        days.market,
        days.instrument,
        days.trade_date,
        days.close_cny_per_t,
        {{ price_per_tonne('days.turnover_cny', 'days.volume_t') }} as vwap_cny_per_t,
        {{ price_per_tonne('days.turnover_listed_cny', 'days.volume_listed_t') }} as vwap_listed_cny_per_t,
        {{ price_per_tonne('days.turnover_block_cny', 'days.volume_block_t') }} as vwap_block_cny_per_t,
        {{ price_per_tonne('days.turnover_auction_cny', 'days.volume_auction_t') }} as vwap_auction_cny_per_t,
        days.volume_t,
        days.turnover_cny,
        returns.log_return,
        returns.volatility_30d,
        days.is_carried,
        days.is_from_trades,
        days.has_conflict
    from days
    inner join returns
        on
            days.market = returns.market
            and days.instrument = returns.instrument
            and days.day_number = returns.day_number
)

select * from final
