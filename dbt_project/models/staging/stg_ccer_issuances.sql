with

issuances as (
    select * from {{ source('landing', 'ccer_issuance') }}
),

final as (
    select
        issuances.issuance_id,
        issuances.project_id,
        cast(issuances.quantity_t_co2e as decimal(28, 8)) as issued_t_co2e,
        issuances.monitoring_start,
        issuances.monitoring_end,
        issuances.issued_on,
        issuances._delivery_id,
        issuances._row_number,
        issuances._received_at,
        issuances._sequence
    from issuances
)

select * from final
