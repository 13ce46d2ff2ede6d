-- Each issuance with its project's row in force; one of an unknown project stays, without owner and methodology.
with

issuances as (
    select * from {{ ref('stg_ccer_issuances') }}
),

projects as (
    select * from {{ ref('int_ccer__projects_resolved') }}
),

final as (
    select
        issuances.issuance_id,
        issuances.project_id,
        projects.owner_id,
        projects.methodology_code,
        projects.facility_id,
        issuances.issued_t_co2e,
        projects.registered_on,
        issuances.monitoring_start,
        issuances.monitoring_end,
        issuances.issued_on
    from issuances
    left join projects
        on issuances.project_id = projects.project_id
)

select * from final
