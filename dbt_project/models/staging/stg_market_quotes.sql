with

quotes as (
    select * from {{ source('landing', 'market_quote') }}
),

final as (
    select
        quotes.market,
        quotes.instrument,
        quotes.trade_method,
        cast(quotes.open_cny_per_t as decimal(28, 8)) as open_cny_per_t,
        cast(quotes.high_cny_per_t as decimal(28, 8)) as high_cny_per_t,
        cast(quotes.low_cny_per_t as decimal(28, 8)) as low_cny_per_t,
        cast(quotes.close_cny_per_t as decimal(28, 8)) as close_cny_per_t,
        cast(quotes.previous_close_cny_per_t as decimal(28, 8)) as previous_close_cny_per_t,
        cast(quotes.volume_t as decimal(28, 8)) as volume_t,
        cast(quotes.turnover_cny as decimal(28, 8)) as turnover_cny,
        quotes.trade_date,
        quotes._delivery_id,
        quotes._row_number,
        quotes._received_at,
        quotes._sequence
    from quotes
)

select * from final
