with

enterprises as (
    select * from {{ source('landing', 'enterprise') }}
),

final as (
    select
        enterprises.enterprise_id,
        enterprises.enterprise_name,
        enterprises.province_code,
        enterprises.industry_code,
        enterprises._delivery_id,
        enterprises._row_number,
        enterprises._received_at,
        enterprises._sequence
    from enterprises
)

select * from final
