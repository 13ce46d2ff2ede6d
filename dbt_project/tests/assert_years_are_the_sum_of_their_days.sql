-- Tonnes and money are decimals: the sums are equal to the last digit, from the quotes to the year.
with

quoted as (
    select
        quotes.market,
        quotes.instrument,
        {{ year_of('quotes.trade_date') }} as year,
        sum(quotes.volume_t) as volume_t,
        sum(quotes.turnover_cny) as turnover_cny
    from {{ ref('int_ets__method_days_derived') }} as quotes
    group by
        quotes.market,
        quotes.instrument,
        {{ year_of('quotes.trade_date') }}
)

select
    years.market,
    years.instrument,
    years.year
from {{ ref('ets__prices_by_year') }} as years
full outer join quoted
    on
        years.market = quoted.market
        and years.instrument = quoted.instrument
        and years.year = quoted.year
where
    coalesce(years.volume_t, -1) <> coalesce(quoted.volume_t, 0)
    or coalesce(years.turnover_cny, -1) <> coalesce(quoted.turnover_cny, 0)
