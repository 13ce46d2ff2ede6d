-- Put back into its own equation, each footprint is the sum of its lines: factors, and suppliers by what they enter with (methods.md M2).
with

entering as (
    select
        summed.network_number,
        summed.factor_kg_co2e,
        summed.linked_line_count,
        solved.recalculated_kg_co2e,
        case
            when summed.recalculation_status = 'complete' and not solved.is_divergent_loop then solved.recalculated_kg_co2e
            else summed.declared_kg_co2e
        end as entering_kg_co2e
    from {{ ref('int_footprint__lines_summed') }} as summed
    inner join {{ ref('int_footprint__network_solved') }} as solved
        on summed.network_number = solved.network_number
),

supplied as (
    select
        links.buyer_number,
        sum(links.supplier_quantity * entering.entering_kg_co2e) as supplied_kg_co2e
    from {{ ref('int_footprint__links_numbered') }} as links
    inner join entering
        on links.supplier_number = entering.network_number
    group by links.buyer_number
)

select entering.network_number
from entering
left join supplied
    on entering.network_number = supplied.buyer_number
where
    (entering.linked_line_count > 0) <> (supplied.buyer_number is not null)
    or coalesce(
        abs(entering.factor_kg_co2e + coalesce(supplied.supplied_kg_co2e, 0) - entering.recalculated_kg_co2e)
        > 1e-10 * entering.recalculated_kg_co2e,
        true
    )
