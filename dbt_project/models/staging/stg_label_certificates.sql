with

certificates as (
    select * from {{ source('landing', 'label_certificate') }}
),

final as (
    select
        certificates.certificate_no,
        certificates.state,
        certificates.disclosure_id,
        certificates.enterprise_id,
        certificates.product_code,
        certificates.certifier,
        certificates.scheme,
        certificates.pilot_region_code,
        certificates.state_on,
        certificates.issued_on,
        certificates.expires_on,
        certificates._delivery_id,
        certificates._row_number,
        certificates._received_at,
        certificates._sequence
    from certificates
)

select * from final
