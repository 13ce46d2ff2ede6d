{{ config(materialized='view') }}

with

enterprises as (
    select * from {{ ref('stg_enterprises') }}
),

ranked as (
    select
        enterprises.*,
        row_number() over (
            partition by enterprises.enterprise_id
            order by enterprises._received_at desc, enterprises._sequence desc, enterprises._row_number desc
        ) as recency_rank
    from enterprises
),

final as (
    select
        ranked.enterprise_id,
        ranked.enterprise_name,
        ranked.province_code,
        ranked.industry_code,
        ranked._delivery_id,
        ranked._row_number
    from ranked
    where ranked.recency_rank = 1
)

select * from final
