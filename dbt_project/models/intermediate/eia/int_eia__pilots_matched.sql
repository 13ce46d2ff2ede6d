-- Projects of a pilot province and sector that were approved after the pilot began; the sector is told by the project's industry code.
with

projects as (
    select * from {{ ref('int_eia__projects_resolved') }}
),

eia_pilot as (
    select * from {{ ref('eia_pilot') }}
),

eia_pilot_sector as (
    select * from {{ ref('eia_pilot_sector') }}
),

final as (
    select
        projects.eia_id,
        min(eia_pilot.member) as pilot_sector
    from projects
    inner join eia_pilot
        on
            projects.province_code = eia_pilot.province_code
            and eia_pilot.pilot_type = 'construction_project'
            and projects.approved_on >= eia_pilot.valid_from
    inner join eia_pilot_sector
        on
            eia_pilot.member = eia_pilot_sector.member
            and substring(projects.industry_code, 1, length(eia_pilot_sector.industry_code)) = eia_pilot_sector.industry_code
    group by projects.eia_id
)

select * from final
