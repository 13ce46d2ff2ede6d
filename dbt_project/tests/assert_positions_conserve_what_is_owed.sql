-- Owed is what was surrendered and counts, and what is outstanding, unless more was surrendered than owed (methods.md M7).
select
    positions.market,
    positions.enterprise_id,
    positions.compliance_year
from {{ ref('ets__positions_by_year') }} as positions
where
    positions.position_status <> 'no_data'
    and coalesce(
        positions.surrendered_offset_t_co2e <> positions.offset_counted_t_co2e + positions.offset_excess_t_co2e
        or positions.offset_counted_t_co2e > positions.offset_cap_t_co2e
        or positions.obligation_t_co2e > positions.verified_t_co2e
        or (positions.outstanding_t_co2e = 0) <> (positions.position_status = 'compliant')
        or (
            positions.outstanding_t_co2e > 0
            and abs(
                positions.surrendered_allowance_t_co2e
                + positions.offset_counted_t_co2e
                + positions.outstanding_t_co2e
                - positions.obligation_t_co2e
            ) > 0.000001
        ),
        true
    )
