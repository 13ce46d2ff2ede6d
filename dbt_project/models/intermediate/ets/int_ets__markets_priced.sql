-- The price that stands for a market in a year: the national instrument in the national market, the most traded one elsewhere.
with

prices as (
    select * from {{ ref('ets__prices_by_year') }}
),

traded as (
    select
        prices.market,
        prices.instrument,
        sum(prices.volume_t) as volume_t
    from prices
    group by
        prices.market,
        prices.instrument
),

ranked as (
    select
        traded.market,
        traded.instrument,
        row_number() over (
            partition by traded.market
            order by traded.volume_t desc, traded.instrument asc
        ) as volume_rank
    from traded
),

main_instruments as (
    select
        ranked.market,
        ranked.instrument
    from ranked
    where
        case
            when ranked.market = '{{ var("national_market") }}' then ranked.instrument = '{{ var("national_instrument") }}'
            else ranked.volume_rank = 1
        end
),

final as (
    select
        prices.market,
        prices.instrument,
        prices.year,
        prices.vwap_cny_per_t as price_cny_per_t
    from prices
    inner join main_instruments
        on
            prices.market = main_instruments.market
            and prices.instrument = main_instruments.instrument
)

select * from final
