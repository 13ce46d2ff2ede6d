-- Whatever is folded into the remainder, opened down the chain or goes round a loop: nothing of a footprint is lost or told twice.
with

told as (
    select
        contributions.disclosure_id,
        sum(contributions.contribution_kg_co2e) as told_kg_co2e,
        count(case when contributions.contribution_kind = 'other' then 1 end) as other_count,
        max(contributions.contribution_rank) as last_rank,
        count(*) as row_count
    from {{ ref('footprint__contributions') }} as contributions
    group by contributions.disclosure_id
)

select products.disclosure_id
from {{ ref('footprint__products') }} as products
full outer join told
    on products.disclosure_id = told.disclosure_id
where
    coalesce(
        abs(coalesce(told.told_kg_co2e, 0) - coalesce(products.recalculated_kg_co2e, 0))
        > 1e-9 * coalesce(products.recalculated_kg_co2e, 0),
        true
    )
    or told.other_count > 1
    or told.last_rank <> told.row_count
