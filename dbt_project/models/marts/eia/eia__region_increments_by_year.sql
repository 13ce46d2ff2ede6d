with

projects as (
    select * from {{ ref('int_eia__projects_resolved') }}
),

positions as (
    select * from {{ ref('ets__positions_by_year') }}
),

enterprises as (
    select * from {{ ref('int_footprint__enterprises_resolved') }}
),

increments as (
    select
        projects.province_code,
        {{ year_of('projects.approved_on') }} as year,
        count(*) as project_count,
        {{ ordered_sum('projects.direct_t_co2e + projects.energy_indirect_t_co2e') }} as increment_t_co2e
    from projects
    group by
        projects.province_code,
        {{ year_of('projects.approved_on') }}
),

verified as (
    select
        enterprises.province_code,
        positions.compliance_year,
        sum(positions.verified_t_co2e) as ets_verified_t_co2e
    from positions
    inner join enterprises
        on positions.enterprise_id = enterprises.enterprise_id
    where positions.market = '{{ var("national_market") }}'
    group by
        enterprises.province_code,
        positions.compliance_year
),

final as (
    select
        increments.province_code,
        increments.year,
        increments.project_count,
        cast(increments.increment_t_co2e as decimal(38, 12)) as increment_t_co2e,
        cast(verified.ets_verified_t_co2e as decimal(38, 8)) as ets_verified_t_co2e
    from increments
    left join verified
        on
            increments.province_code = verified.province_code
            and increments.year = verified.compliance_year
)

select * from final
