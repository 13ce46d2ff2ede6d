with

quotes as (
    select * from {{ ref('stg_market_quotes') }}
),

trades as (
    select * from {{ ref('stg_market_trades') }}
),

-- The last trade is the latest instant, then the greatest number.
ranked_trades as (
    select
        trades.*,
        row_number() over (
            partition by trades.market, trades.instrument, trades.trade_method, trades.trade_date
            order by trades.traded_at desc, trades.trade_id desc
        ) as recency_rank
    from trades
),

traded as (
    select
        ranked_trades.market,
        ranked_trades.instrument,
        ranked_trades.trade_method,
        ranked_trades.trade_date,
        max(ranked_trades.price_cny_per_t) as high_cny_per_t,
        min(ranked_trades.price_cny_per_t) as low_cny_per_t,
        max(case when ranked_trades.recency_rank = 1 then ranked_trades.price_cny_per_t end) as close_cny_per_t,
        cast(sum(ranked_trades.volume_t) as decimal(28, 8)) as volume_t,
        cast(sum(ranked_trades.turnover_cny) as decimal(28, 8)) as turnover_cny
    from ranked_trades
    group by
        ranked_trades.market,
        ranked_trades.instrument,
        ranked_trades.trade_method,
        ranked_trades.trade_date
),

quoted_days as (
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
        -- Volumes agree exactly before the averages are compared, so that equal volumes cancel and turnovers are compared instead.
        coalesce(
            quotes.volume_t <> traded.volume_t
            or abs(cast(traded.turnover_cny as double) / cast(nullif(quotes.turnover_cny, 0) as double) - 1)
            > {{ var('quote_tolerance_ratio') }},
            false
        ) as has_conflict,
        quotes.trade_date
    from quotes
    left join traded
        on
            quotes.market = traded.market
            and quotes.instrument = traded.instrument
            and quotes.trade_method = traded.trade_method
            and quotes.trade_date = traded.trade_date
),

unquoted_days as (
    select
        traded.market,
        traded.instrument,
        traded.trade_method,
        traded.high_cny_per_t,
        traded.low_cny_per_t,
        traded.close_cny_per_t,
        traded.volume_t,
        traded.turnover_cny,
        true as is_from_trades,
        false as has_conflict,
        traded.trade_date
    from traded
    left join quotes
        on
            traded.market = quotes.market
            and traded.instrument = quotes.instrument
            and traded.trade_method = quotes.trade_method
            and traded.trade_date = quotes.trade_date
    where quotes.market is null
),

final as (
    select * from quoted_days
    union all
    select * from unquoted_days
)

select * from final
