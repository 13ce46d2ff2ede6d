-- A withheld cell keeps its key and the reason; a change is shown only where both of its years are (methods.md M4).
select
    cells.product_code,
    cells.boundary,
    cells.gwp_set,
    cells.reporting_year,
    cells.province_code
from {{ ref('footprint__sectors_by_year_public') }} as cells
left join {{ ref('footprint__sectors_by_year_public') }} as year_before
    on
        cells.product_code = year_before.product_code
        and cells.boundary = year_before.boundary
        and cells.gwp_set = year_before.gwp_set
        and cells.province_code = year_before.province_code
        and cells.reporting_year = year_before.reporting_year + 1
where
    (
        cells.suppression_reason is not null
        and coalesce(
            cells.disclosure_count, cells.enterprise_count, cells.output_quantity, cells.weighted_mean_kg_co2e,
            cells.mean_kg_co2e, cells.stddev_kg_co2e, cells.p10_kg_co2e, cells.p25_kg_co2e, cells.p50_kg_co2e,
            cells.p75_kg_co2e, cells.p90_kg_co2e, cells.total_t_co2e, cells.verified_share, cells.primary_data_share
        ) is not null
    )
    or (cells.suppression_reason is null and cells.disclosure_count is null)
    or (
        (cells.suppression_reason is not null or year_before.product_code is null or year_before.suppression_reason is not null)
        and coalesce(
            cells.yoy_change_kg_co2e, cells.yoy_within_kg_co2e, cells.yoy_mix_kg_co2e, cells.yoy_entry_exit_kg_co2e
        ) is not null
    )
