-- The surrender rules with their deadline, and what stands against them on the day of `as_of`.
with

ets_rule as (
    select * from {{ ref('ets_rule') }}
),

sectors as (
    select * from {{ ref('int_ets__sectors_obligated') }}
),

owed as (
    select
        sectors.market,
        sectors.sector,
        sectors.compliance_year,
        count(*) as obligated_enterprise_count,
        sum(sectors.verified_t_co2e) as verified_t_co2e,
        sum(sectors.allocated_t_co2e) as allocated_t_co2e,
        sum(sectors.obligation_t_co2e) as obligation_t_co2e,
        sum(sectors.offset_cap_t_co2e) as offset_cap_t_co2e
    from sectors
    group by
        sectors.market,
        sectors.sector,
        sectors.compliance_year
),

final as (
    select
        ets_rule.market,
        ets_rule.sector,
        ets_rule.compliance_year,
        ets_rule.citation,
        ets_rule.ccer_offset_share,
        ets_rule.gap_cap_share,
        coalesce(owed.obligated_enterprise_count, 0) as obligated_enterprise_count,
        cast(owed.verified_t_co2e as decimal(38, 8)) as verified_t_co2e,
        cast(owed.allocated_t_co2e as decimal(38, 8)) as allocated_t_co2e,
        cast(owed.obligation_t_co2e as decimal(38, 12)) as obligation_t_co2e,
        cast(owed.offset_cap_t_co2e as decimal(38, 12)) as offset_cap_t_co2e,
        -- From the day itself on what is missing is outstanding (methods.md M7).
        {{ as_of_day() }} >= ets_rule.deadline as is_due,
        ets_rule.deadline as deadline_on
    from ets_rule
    left join owed
        on
            ets_rule.market = owed.market
            and ets_rule.sector = owed.sector
            and ets_rule.compliance_year = owed.compliance_year
)

select * from final
