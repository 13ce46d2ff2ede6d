-- A weighted mean outside its own values means a wrong weight or a wrong unit.
with

extremes as (
    select
        cells.product_code,
        cells.boundary,
        cells.gwp_set,
        cells.reporting_year,
        cells.province_code,
        min(cells.declared_kg_co2e) as lowest_kg_co2e,
        max(cells.declared_kg_co2e) as highest_kg_co2e
    from {{ ref('int_footprint__cells_populated') }} as cells
    where cells.output_quantity > 0
    group by
        cells.product_code,
        cells.boundary,
        cells.gwp_set,
        cells.reporting_year,
        cells.province_code
)

select
    sectors.product_code,
    sectors.boundary,
    sectors.gwp_set,
    sectors.reporting_year,
    sectors.province_code
from {{ ref('footprint__sectors_by_year') }} as sectors
left join extremes
    on
        sectors.product_code = extremes.product_code
        and sectors.boundary = extremes.boundary
        and sectors.gwp_set = extremes.gwp_set
        and sectors.reporting_year = extremes.reporting_year
        and sectors.province_code = extremes.province_code
where
    sectors.weighted_mean_kg_co2e is not null
    and coalesce(
        sectors.weighted_mean_kg_co2e < extremes.lowest_kg_co2e * (1 - 1e-12)
        or sectors.weighted_mean_kg_co2e > extremes.highest_kg_co2e * (1 + 1e-12),
        true
    )
