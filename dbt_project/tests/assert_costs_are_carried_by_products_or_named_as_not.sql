-- What products carry and what they do not is the enterprise's net cost, for every position of the national market (methods.md M7).
with

positions as (
    select * from {{ ref('ets__positions_by_year') }}
),

reconciliations as (
    select * from {{ ref('ets__cost_reconciliations_by_year') }}
)

select
    positions.enterprise_id,
    positions.compliance_year
from positions
left join reconciliations
    on
        positions.enterprise_id = reconciliations.enterprise_id
        and positions.compliance_year = reconciliations.compliance_year
where
    positions.market = '{{ var("national_market") }}'
    and positions.position_status <> 'no_data'
    and (
        reconciliations.enterprise_id is null
        or (positions.cost_cny is null) <> (reconciliations.net_cost_cny is null)
        or abs(
            cast(reconciliations.product_cost_cny as double)
            + cast(reconciliations.uncarried_cost_cny as double)
            - cast(positions.cost_cny as double)
            + cast(positions.surplus_value_cny as double)
        ) > 1e-9 * (cast(positions.cost_cny as double) + cast(positions.surplus_value_cny as double))
    )
