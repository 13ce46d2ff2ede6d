with

activities as (
    select * from {{ source('landing', 'footprint_activity') }}
),

unit as (
    select * from {{ ref('unit') }}
),

final as (
    select
        activities.disclosure_id,
        activities.revision,
        activities.line_no,
        activities.stage,
        activities.activity_code,
        activities.geography_code,
        activities.unit,
        unit.dimension as unit_dimension,
        activities.supplier_disclosure_id,
        activities.data_source,
        activities.quantity,
        activities.quantity * unit.factor_to_base as base_quantity,
        activities._delivery_id,
        activities._row_number,
        activities._received_at,
        activities._sequence
    from activities
    left join unit
        on activities.unit = unit.unit
)

select * from final
