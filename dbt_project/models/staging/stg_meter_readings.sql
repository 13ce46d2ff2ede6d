with

readings as (
    select * from {{ source('landing', 'meter_reading') }}
),

unit as (
    select * from {{ ref('unit') }}
),

final as (
    select
        readings.meter_id,
        readings.enterprise_id,
        readings.activity_code,
        readings.unit,
        unit.dimension as unit_dimension,
        readings.quantity as metered_quantity,
        readings.quantity * unit.factor_to_base as metered_base_quantity,
        readings.read_at,
        readings._delivery_id,
        readings._row_number,
        readings._received_at,
        readings._sequence
    from readings
    left join unit
        on readings.unit = unit.unit
)

select * from final
