with

footprints as (
    select * from {{ source('landing', 'product_footprint') }}
),

product_catalogue as (
    select * from {{ ref('product_catalogue') }}
),

unit as (
    select * from {{ ref('unit') }}
),

with_unit_ratio as (
    select
        footprints.*,
        product_catalogue.declared_unit as catalogue_unit,
        -- Null where the dimensions differ: a volume never becomes a mass.
        catalogue_units.factor_to_base / disclosed_units.factor_to_base as footprint_unit_ratio
    from footprints
    left join product_catalogue
        on footprints.product_code = product_catalogue.product_code
    left join unit as disclosed_units
        on footprints.declared_unit = disclosed_units.unit
    left join unit as catalogue_units
        on
            product_catalogue.declared_unit = catalogue_units.unit
            and disclosed_units.dimension = catalogue_units.dimension
),

final as (
    select
        with_unit_ratio.disclosure_id,
        with_unit_ratio.revision,
        with_unit_ratio.enterprise_id,
        with_unit_ratio.product_code,
        with_unit_ratio.product_name,
        with_unit_ratio.standard_code,
        with_unit_ratio.catalogue_unit as declared_unit,
        with_unit_ratio.declared_unit as disclosed_unit,
        with_unit_ratio.boundary,
        with_unit_ratio.gwp_set,
        with_unit_ratio.verifier_name,
        {{ json_field('with_unit_ratio._extra', 'document_kind') }} as document_kind,
        {{ json_field('with_unit_ratio._extra', 'document') }} as exchange_document,
        {{ year_of('with_unit_ratio.period_end') }} as reporting_year,
        with_unit_ratio.footprint_unit_ratio,
        with_unit_ratio.output_quantity / with_unit_ratio.footprint_unit_ratio as output_quantity,
        with_unit_ratio.raw_material_kg_co2e * with_unit_ratio.footprint_unit_ratio as raw_material_kg_co2e,
        with_unit_ratio.production_kg_co2e * with_unit_ratio.footprint_unit_ratio as production_kg_co2e,
        with_unit_ratio.distribution_kg_co2e * with_unit_ratio.footprint_unit_ratio as distribution_kg_co2e,
        with_unit_ratio.use_kg_co2e * with_unit_ratio.footprint_unit_ratio as use_kg_co2e,
        with_unit_ratio.end_of_life_kg_co2e * with_unit_ratio.footprint_unit_ratio as end_of_life_kg_co2e,
        with_unit_ratio.total_kg_co2e * with_unit_ratio.footprint_unit_ratio as declared_kg_co2e,
        with_unit_ratio.removals_kg_co2e * with_unit_ratio.footprint_unit_ratio as removals_kg_co2e,
        with_unit_ratio.primary_data_share,
        with_unit_ratio.data_quality_rating,
        with_unit_ratio.verified_on is not null as is_verified,
        coalesce(with_unit_ratio.is_withdrawn, false) as is_withdrawn,
        with_unit_ratio.period_start,
        with_unit_ratio.period_end,
        with_unit_ratio.verified_on,
        with_unit_ratio.submitted_at,
        with_unit_ratio._delivery_id,
        with_unit_ratio._row_number,
        with_unit_ratio._received_at,
        with_unit_ratio._sequence
    from with_unit_ratio
)

select * from final
