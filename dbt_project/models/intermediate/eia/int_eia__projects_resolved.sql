{{ config(materialized='view') }}

with

projects as (
    select * from {{ ref('stg_eia_projects') }}
),

ranked as (
    select
        projects.*,
        row_number() over (
            partition by projects.eia_id
            order by projects._received_at desc, projects._sequence desc, projects._row_number desc
        ) as recency_rank
    from projects
),

final as (
    select
        ranked.eia_id,
        ranked.enterprise_id,
        ranked.project_name,
        ranked.province_code,
        ranked.industry_code,
        ranked.product_code,
        ranked.construction_kind,
        ranked.capacity_unit,
        ranked.declared_unit,
        ranked.approval_level,
        ranked.annual_capacity,
        ranked.direct_t_co2e,
        ranked.energy_indirect_t_co2e,
        ranked.intensity_kg_co2e_per_unit,
        ranked.intensity_kg_co2e,
        ranked.approved_on,
        ranked.operational_on,
        ranked._delivery_id,
        ranked._row_number
    from ranked
    where ranked.recency_rank = 1
)

select * from final
