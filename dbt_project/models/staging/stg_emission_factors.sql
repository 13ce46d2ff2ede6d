with

factors as (
    select * from {{ source('landing', 'emission_factor') }}
),

unit as (
    select * from {{ ref('unit') }}
),

final as (
    select
        factors.factor_id,
        factors.edition,
        factors.factor_family,
        factors.activity_code,
        factors.activity_name,
        factors.geography_code,
        factors.unit,
        unit.dimension as unit_dimension,
        factors.publisher,
        factors.citation,
        factors.kg_co2e_per_unit,
        factors.kg_co2e_per_unit / unit.factor_to_base as kg_co2e_per_base_unit,
        factors.uncertainty_pct,
        factors.valid_from,
        factors.valid_to,
        factors.published_on,
        factors._delivery_id,
        factors._row_number,
        factors._received_at,
        factors._sequence
    from factors
    left join unit
        on factors.unit = unit.unit
)

select * from final
