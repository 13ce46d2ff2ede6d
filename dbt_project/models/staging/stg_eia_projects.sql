with

projects as (
    select * from {{ source('landing', 'eia_project') }}
),

product_catalogue as (
    select * from {{ ref('product_catalogue') }}
),

unit as (
    select * from {{ ref('unit') }}
),

with_unit_ratio as (
    select
        projects.*,
        product_catalogue.declared_unit as catalogue_unit,
        -- Null where the product is not in the catalogue: its intensity has no unit to be compared in.
        catalogue_units.factor_to_base / capacity_units.factor_to_base as intensity_unit_ratio
    from projects
    left join product_catalogue
        on projects.product_code = product_catalogue.product_code
    left join unit as capacity_units
        on projects.capacity_unit = capacity_units.unit
    left join unit as catalogue_units
        on
            product_catalogue.declared_unit = catalogue_units.unit
            and capacity_units.dimension = catalogue_units.dimension
),

final as (
    select
        with_unit_ratio.eia_id,
        with_unit_ratio.enterprise_id,
        with_unit_ratio.project_name,
        with_unit_ratio.province_code,
        with_unit_ratio.industry_code,
        with_unit_ratio.product_code,
        with_unit_ratio.construction_kind,
        with_unit_ratio.capacity_unit,
        with_unit_ratio.catalogue_unit as declared_unit,
        with_unit_ratio.approval_level,
        with_unit_ratio.annual_capacity,
        with_unit_ratio.direct_t_co2e,
        with_unit_ratio.energy_indirect_t_co2e,
        with_unit_ratio.intensity_kg_co2e_per_unit,
        with_unit_ratio.intensity_kg_co2e_per_unit * with_unit_ratio.intensity_unit_ratio as intensity_kg_co2e,
        with_unit_ratio.approved_on,
        with_unit_ratio.operational_on,
        with_unit_ratio._delivery_id,
        with_unit_ratio._row_number,
        with_unit_ratio._received_at,
        with_unit_ratio._sequence
    from with_unit_ratio
)

select * from final
