-- What the sectors under a rule owe is part of what their enterprises owe: no market and year has more in its rules (methods.md M7).
with

ruled as (
    select
        rules.market,
        rules.compliance_year,
        sum(rules.obligation_t_co2e) as obligation_t_co2e,
        sum(rules.offset_cap_t_co2e) as offset_cap_t_co2e
    from {{ ref('ets__rules_by_year') }} as rules
    group by
        rules.market,
        rules.compliance_year
),

owed as (
    select
        positions.market,
        positions.compliance_year,
        sum(positions.obligation_t_co2e) as obligation_t_co2e,
        sum(positions.offset_cap_t_co2e) as offset_cap_t_co2e
    from {{ ref('ets__positions_by_year') }} as positions
    group by
        positions.market,
        positions.compliance_year
)

select
    ruled.market,
    ruled.compliance_year
from ruled
left join owed
    on
        ruled.market = owed.market
        and ruled.compliance_year = owed.compliance_year
where
    ruled.obligation_t_co2e > coalesce(owed.obligation_t_co2e, 0)
    -- A sector without a rule has no cap, so all of a year's caps stand in its rules.
    or coalesce(ruled.offset_cap_t_co2e, 0) <> coalesce(owed.offset_cap_t_co2e, 0)
