-- The three parts add up to the change (methods.md M3); measured against the mean that they are differences of.
select
    sectors.product_code,
    sectors.boundary,
    sectors.gwp_set,
    sectors.reporting_year,
    sectors.province_code
from {{ ref('footprint__sectors_by_year') }} as sectors
where
    sectors.yoy_change_kg_co2e is not null
    and coalesce(
        abs(
            sectors.yoy_within_kg_co2e + sectors.yoy_mix_kg_co2e + sectors.yoy_entry_exit_kg_co2e - sectors.yoy_change_kg_co2e
        ) > 1e-9 * (abs(sectors.weighted_mean_kg_co2e) + abs(sectors.yoy_change_kg_co2e)),
        true
    )
