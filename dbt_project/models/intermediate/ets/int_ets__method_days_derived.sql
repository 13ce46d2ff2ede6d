{{ config(materialized='view') }}

with

quotes as (
    select * from {{ ref('stg_market_quotes') }}
),

final as (
    select
        quotes.market,
        quotes.instrument,
        quotes.trade_method,
        quotes.high_cny_per_t,
        quotes.low_cny_per_t,
        quotes.close_cny_per_t,
        quotes.volume_t,
        quotes.turnover_cny,
        false as is_from_trades,
        false as has_conflict,
        quotes.trade_date
    from quotes
)

select * from final
