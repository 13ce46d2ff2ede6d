with

cells as (
    select * from {{ ref('int_footprint__cells_aggregated') }}
),

changes as (
    select * from {{ ref('int_footprint__changes_decomposed') }}
),

product_catalogue as (
    select * from {{ ref('product_catalogue') }}
),

province as (
    select * from {{ ref('province') }}
),

final as (
    select
        cells.product_code,
        cells.boundary,
        cells.gwp_set,
        cells.reporting_year,
        cells.province_code,
        product_catalogue.name_zh as product_name_zh,
        product_catalogue.name_en as product_name_en,
        province.name_zh as province_name_zh,
        province.name_en as province_name_en,
        product_catalogue.declared_unit,
        cells.disclosure_count,
        cells.enterprise_count,
        cells.output_quantity,
        cells.weighted_mean_kg_co2e,
        cells.mean_kg_co2e,
        cells.stddev_kg_co2e,
        cells.p10_kg_co2e,
        cells.p25_kg_co2e,
        cells.p50_kg_co2e,
        cells.p75_kg_co2e,
        cells.p90_kg_co2e,
        cells.total_t_co2e,
        cells.verified_share,
        cells.primary_data_share,
        changes.yoy_change_kg_co2e,
        changes.yoy_within_kg_co2e,
        changes.yoy_mix_kg_co2e,
        changes.yoy_entry_exit_kg_co2e
    from cells
    left join changes
        on
            cells.product_code = changes.product_code
            and cells.boundary = changes.boundary
            and cells.gwp_set = changes.gwp_set
            and cells.reporting_year = changes.reporting_year
            and cells.province_code = changes.province_code
    left join product_catalogue
        on cells.product_code = product_catalogue.product_code
    left join province
        on cells.province_code = province.province_code
)

select * from final
