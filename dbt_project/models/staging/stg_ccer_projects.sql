with

projects as (
    select * from {{ source('landing', 'ccer_project') }}
),

final as (
    select
        projects.project_id,
        projects.project_name,
        projects.owner_id,
        projects.methodology_code,
        projects.province_code,
        projects.facility_id,
        cast(projects.estimated_annual_t_co2e as decimal(28, 8)) as estimated_annual_t_co2e,
        projects.registered_on,
        projects.crediting_start,
        projects.crediting_end,
        projects._delivery_id,
        projects._row_number,
        projects._received_at,
        projects._sequence
    from projects
)

select * from final
