{{ config(materialized='view') }}

with

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

placed as (
    select
        disclosures.*,
        disclosures.province_code as cell_province_code
    from disclosures
    where disclosures.province_code is not null
    union all
    select
        disclosures.*,
        '000000' as cell_province_code
    from disclosures
),

final as (
    select
        placed.product_code,
        placed.boundary,
        placed.gwp_set,
        placed.reporting_year,
        placed.cell_province_code as province_code,
        placed.disclosure_id,
        placed.enterprise_id,
        placed.declared_kg_co2e,
        placed.output_quantity,
        placed.declared_kg_co2e * placed.output_quantity as output_kg_co2e,
        placed.primary_data_share,
        placed.is_verified
    from placed
)

select * from final
