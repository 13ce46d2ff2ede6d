with

cancellations as (
    select * from {{ source('landing', 'ccer_cancellation') }}
),

final as (
    select
        cancellations.cancellation_id,
        cancellations.issuance_id,
        cancellations.purpose,
        cancellations.beneficiary_id,
        cast(cancellations.compliance_year as integer) as compliance_year,
        cast(cancellations.quantity_t_co2e as decimal(28, 8)) as cancelled_t_co2e,
        cancellations.cancelled_on,
        cancellations._delivery_id,
        cancellations._row_number,
        cancellations._received_at,
        cancellations._sequence
    from cancellations
)

select * from final
