with

standards as (
    select * from {{ source('landing', 'pcf_standard') }}
),

final as (
    select
        standards.standard_code,
        standards.stage as standard_stage,
        standards.title,
        standards.product_code,
        standards.level,
        standards.jurisdiction_code,
        standards.supersedes_standard_code,
        standards.counts_to_target as is_counted_to_target,
        standards.stage_on,
        standards._delivery_id,
        standards._row_number,
        standards._received_at,
        standards._sequence
    from standards
)

select * from final
