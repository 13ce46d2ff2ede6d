with

certificates as (
    select * from {{ source('landing', 'green_certificate') }}
),

final as (
    select
        certificates.batch_id,
        certificates.ccer_project_id,
        certificates.purchaser_id,
        certificates.energy_mwh,
        certificates.generation_start,
        certificates.generation_end,
        certificates.issued_on,
        certificates._delivery_id,
        certificates._row_number,
        certificates._received_at,
        certificates._sequence
    from certificates
)

select * from final
