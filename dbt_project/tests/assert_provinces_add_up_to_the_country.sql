-- The table is additive (methods.md M4): the provinces and the enterprises without a known province are the country.
with

provinces as (
    select
        sectors.product_code,
        sectors.boundary,
        sectors.gwp_set,
        sectors.reporting_year,
        sum(sectors.disclosure_count) as disclosure_count,
        sum(sectors.total_t_co2e) as total_t_co2e
    from {{ ref('footprint__sectors_by_year') }} as sectors
    where sectors.province_code <> '000000'
    group by
        sectors.product_code,
        sectors.boundary,
        sectors.gwp_set,
        sectors.reporting_year
),

unplaced as (
    select
        products.product_code,
        products.boundary,
        products.gwp_set,
        products.reporting_year,
        count(*) as disclosure_count,
        sum(products.declared_kg_co2e * products.output_quantity) / 1000 as total_t_co2e
    from {{ ref('footprint__products') }} as products
    where products.province_code is null
    group by
        products.product_code,
        products.boundary,
        products.gwp_set,
        products.reporting_year
)

select
    country.product_code,
    country.boundary,
    country.gwp_set,
    country.reporting_year
from {{ ref('footprint__sectors_by_year') }} as country
left join provinces
    on
        country.product_code = provinces.product_code
        and country.boundary = provinces.boundary
        and country.gwp_set = provinces.gwp_set
        and country.reporting_year = provinces.reporting_year
left join unplaced
    on
        country.product_code = unplaced.product_code
        and country.boundary = unplaced.boundary
        and country.gwp_set = unplaced.gwp_set
        and country.reporting_year = unplaced.reporting_year
where
    country.province_code = '000000'
    and (
        country.disclosure_count <> coalesce(provinces.disclosure_count, 0) + coalesce(unplaced.disclosure_count, 0)
        or abs(
            coalesce(country.total_t_co2e, 0) - coalesce(provinces.total_t_co2e, 0) - coalesce(unplaced.total_t_co2e, 0)
        ) > 1e-9 * coalesce(country.total_t_co2e, 0)
    )
