with

summed as (
    select * from {{ ref('int_footprint__lines_summed') }}
),

solved as (
    select * from {{ ref('int_footprint__network_solved') }}
),

final as (
    select
        summed.disclosure_id,
        summed.recalculation_status,
        summed.line_count,
        summed.priced_line_count,
        summed.supplier_line_count,
        summed.linked_line_count,
        case when summed.priced_line_count > 0 then solved.recalculated_kg_co2e end as recalculated_kg_co2e,
        solved.supplier_depth,
        case
            when summed.recalculation_status = 'complete'
                then sqrt(solved.variance) / nullif(abs(solved.recalculated_kg_co2e), 0)
        end as uncertainty_pct,
        solved.is_divergent_loop
    from summed
    inner join solved
        on summed.network_number = solved.network_number
)

select * from final
