-- Every approved project adds to exactly one province and year (methods.md M9).
with

marts as (
    select
        coalesce(sum(increments.project_count), 0) as project_count,
        coalesce(sum(cast(increments.increment_t_co2e as double)), 0) as increment_t_co2e
    from {{ ref('eia__region_increments_by_year') }} as increments
),

projects as (
    select
        count(*) as project_count,
        coalesce(sum(approved.direct_t_co2e + approved.energy_indirect_t_co2e), 0) as increment_t_co2e
    from {{ ref('int_eia__projects_resolved') }} as approved
)

select
    marts.project_count,
    projects.project_count as approved_count
from marts
cross join projects
where
    marts.project_count <> projects.project_count
    or abs(marts.increment_t_co2e - projects.increment_t_co2e) > 1e-9 * projects.increment_t_co2e
