with

trades as (
    select * from {{ source('landing', 'market_trade') }}
),

final as (
    select
        trades.market,
        trades.trade_id,
        trades.instrument,
        trades.trade_method,
        trades.buyer_account,
        trades.seller_account,
        cast(trades.price_cny_per_t as decimal(28, 8)) as price_cny_per_t,
        cast(trades.volume_t as decimal(28, 8)) as volume_t,
        cast(trades.turnover_cny as decimal(28, 8)) as turnover_cny,
        {{ local_day('trades.traded_at') }} as trade_date,
        trades.traded_at,
        trades._delivery_id,
        trades._row_number,
        trades._received_at,
        trades._sequence
    from trades
)

select * from final
