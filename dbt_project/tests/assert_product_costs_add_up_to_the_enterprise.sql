-- The products of an enterprise carry its whole net cost, no more and no less (methods.md M7).
with

shared as (
    select
        product_costs.enterprise_id,
        product_costs.compliance_year,
        cast(sum(product_costs.net_cost_cny) as double) as net_cost_cny
    from {{ ref('ets__product_costs_by_year') }} as product_costs
    group by
        product_costs.enterprise_id,
        product_costs.compliance_year
)

select
    shared.enterprise_id,
    shared.compliance_year
from shared
left join {{ ref('ets__positions_by_year') }} as positions
    on
        shared.enterprise_id = positions.enterprise_id
        and shared.compliance_year = positions.compliance_year
        and positions.market = '{{ var("national_market") }}'
where
    positions.market is null
    or abs(shared.net_cost_cny - cast(positions.cost_cny - positions.surplus_value_cny as double))
    > 1e-9 * cast(positions.cost_cny + positions.surplus_value_cny as double)
