-- Within a borrower and price, fewer free allowances cost at least as much (methods.md M10).
with

ordered as (
    select
        stress.*,
        lag(stress.extra_cost_cny) over (
            partition by stress.bank_id, stress.borrower_id, stress.as_of, stress.price_cny_per_t
            order by stress.free_allocation_share desc
        ) as cost_with_more_cny
    from {{ ref('finance__stress_tests') }} as stress
)

select
    ordered.bank_id,
    ordered.borrower_id,
    ordered.as_of,
    ordered.price_cny_per_t,
    ordered.free_allocation_share
from ordered
where
    ordered.extra_cost_cny < ordered.cost_with_more_cny
    or (ordered.extra_cost_cny is null) <> (ordered.cost_to_outstanding_ratio is null)
