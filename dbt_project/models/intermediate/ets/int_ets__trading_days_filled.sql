with

method_days as (
    select * from {{ ref('int_ets__method_days_derived') }}
),

trading_day as (
    select * from {{ ref('trading_day') }}
),

traded_days as (
    select
        method_days.market,
        method_days.instrument,
        method_days.trade_date,
        max(case when method_days.trade_method = 'listed' and method_days.volume_t > 0 then method_days.close_cny_per_t end)
            as listed_close_cny_per_t,
        max(case when method_days.trade_method = 'listed' then method_days.close_cny_per_t end) as stated_close_cny_per_t,
        sum(method_days.volume_t) as volume_t,
        sum(method_days.turnover_cny) as turnover_cny,
        sum(case when method_days.trade_method = 'listed' then method_days.volume_t end) as volume_listed_t,
        sum(case when method_days.trade_method = 'listed' then method_days.turnover_cny end) as turnover_listed_cny,
        sum(case when method_days.trade_method = 'block' then method_days.volume_t end) as volume_block_t,
        sum(case when method_days.trade_method = 'block' then method_days.turnover_cny end) as turnover_block_cny,
        sum(case when method_days.trade_method = 'auction' then method_days.volume_t end) as volume_auction_t,
        sum(case when method_days.trade_method = 'auction' then method_days.turnover_cny end) as turnover_auction_cny,
        max(case when method_days.is_from_trades then 1 else 0 end) = 1 as is_from_trades,
        max(case when method_days.has_conflict then 1 else 0 end) = 1 as has_conflict
    from method_days
    group by
        method_days.market,
        method_days.instrument,
        method_days.trade_date
),

instrument_spans as (
    select
        traded_days.market,
        traded_days.instrument,
        min(traded_days.trade_date) as first_traded_on,
        max(traded_days.trade_date) as last_traded_on
    from traded_days
    group by
        traded_days.market,
        traded_days.instrument
),

-- A day with data stays even where a deployment's calendar ends before it: a traded price is never dropped.
instrument_days as (
    select
        instrument_spans.market,
        instrument_spans.instrument,
        trading_day.trade_date
    from instrument_spans
    inner join trading_day
        on trading_day.trade_date between instrument_spans.first_traded_on and instrument_spans.last_traded_on
    union
    select
        traded_days.market,
        traded_days.instrument,
        traded_days.trade_date
    from traded_days
),

numbered_days as (
    select
        instrument_days.market,
        instrument_days.instrument,
        instrument_days.trade_date,
        traded_days.listed_close_cny_per_t,
        traded_days.stated_close_cny_per_t,
        coalesce(traded_days.volume_t, 0) as volume_t,
        coalesce(traded_days.turnover_cny, 0) as turnover_cny,
        traded_days.volume_listed_t,
        traded_days.turnover_listed_cny,
        traded_days.volume_block_t,
        traded_days.turnover_block_cny,
        traded_days.volume_auction_t,
        traded_days.turnover_auction_cny,
        coalesce(traded_days.is_from_trades, false) as is_from_trades,
        coalesce(traded_days.has_conflict, false) as has_conflict,
        row_number() over (
            partition by instrument_days.market, instrument_days.instrument
            order by instrument_days.trade_date asc
        ) as day_number,
        -- Counts the listed closes so far: the days between two of them share the number, and so the close.
        count(traded_days.listed_close_cny_per_t) over (
            partition by instrument_days.market, instrument_days.instrument
            order by instrument_days.trade_date asc
            rows between unbounded preceding and current row
        ) as close_number
    from instrument_days
    left join traded_days
        on
            instrument_days.market = traded_days.market
            and instrument_days.instrument = traded_days.instrument
            and instrument_days.trade_date = traded_days.trade_date
),

-- Before the first listed trade there is nothing to carry: the close that a listed quote without volume states stands.
final as (
    select
        numbered_days.market,
        numbered_days.instrument,
        numbered_days.day_number,
        coalesce(
            max(numbered_days.listed_close_cny_per_t) over (
                partition by numbered_days.market, numbered_days.instrument, numbered_days.close_number
            ),
            numbered_days.stated_close_cny_per_t
        ) as close_cny_per_t,
        numbered_days.volume_t,
        numbered_days.turnover_cny,
        numbered_days.volume_listed_t,
        numbered_days.turnover_listed_cny,
        numbered_days.volume_block_t,
        numbered_days.turnover_block_cny,
        numbered_days.volume_auction_t,
        numbered_days.turnover_auction_cny,
        numbered_days.volume_t = 0 as is_carried,
        numbered_days.is_from_trades,
        numbered_days.has_conflict,
        numbered_days.trade_date
    from numbered_days
)

select * from final
