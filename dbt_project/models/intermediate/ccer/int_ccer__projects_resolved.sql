{{ config(materialized='view') }}

with

projects as (
    select * from {{ ref('stg_ccer_projects') }}
),

ranked as (
    select
        projects.*,
        row_number() over (
            partition by projects.project_id
            order by projects._received_at desc, projects._sequence desc, projects._row_number desc
        ) as recency_rank
    from projects
),

final as (
    select
        ranked.project_id,
        ranked.project_name,
        ranked.owner_id,
        ranked.methodology_code,
        ranked.province_code,
        ranked.facility_id,
        ranked.estimated_annual_t_co2e,
        ranked.registered_on,
        ranked.crediting_start,
        ranked.crediting_end,
        ranked._delivery_id,
        ranked._row_number
    from ranked
    where ranked.recency_rank = 1
)

select * from final
