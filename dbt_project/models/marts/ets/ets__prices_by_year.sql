with

days as (
    select * from {{ ref('int_ets__trading_days_filled') }}
),

method_days as (
    select * from {{ ref('int_ets__method_days_derived') }}
),

year_totals as (
    select
        days.market,
        days.instrument,
        {{ year_of('days.trade_date') }} as year,
        {{ newest_value('days.close_cny_per_t', 'days.trade_date') }} as close_cny_per_t,
        sum(days.volume_t) as volume_t,
        sum(days.turnover_cny) as turnover_cny
    from days
    group by
        days.market,
        days.instrument,
        {{ year_of('days.trade_date') }}
),

year_ranges as (
    select
        method_days.market,
        method_days.instrument,
        {{ year_of('method_days.trade_date') }} as year,
        max(coalesce(method_days.high_cny_per_t, method_days.close_cny_per_t)) as high_cny_per_t,
        min(coalesce(method_days.low_cny_per_t, method_days.close_cny_per_t)) as low_cny_per_t
    from method_days
    where method_days.volume_t > 0
    group by
        method_days.market,
        method_days.instrument,
        {{ year_of('method_days.trade_date') }}
),

final as (
    select
        year_totals.market,
        year_totals.instrument,
        year_totals.year,
        {{ price_per_tonne('year_totals.turnover_cny', 'year_totals.volume_t') }} as vwap_cny_per_t,
        year_totals.close_cny_per_t,
        year_ranges.high_cny_per_t,
        year_ranges.low_cny_per_t,
        year_totals.volume_t,
        year_totals.turnover_cny
    from year_totals
    left join year_ranges
        on
            year_totals.market = year_ranges.market
            and year_totals.instrument = year_ranges.instrument
            and year_totals.year = year_ranges.year
)

select * from final
