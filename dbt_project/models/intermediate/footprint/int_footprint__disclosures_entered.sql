-- With what each disclosure in force enters its buyers (methods.md M2), and whether it can be opened into its own lines there.
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
        summed.network_number,
        summed.recalculation_status,
        case when summed.priced_line_count > 0 then solved.recalculated_kg_co2e end as recalculated_kg_co2e,
        case
            when summed.recalculation_status = 'complete' and not solved.is_divergent_loop then solved.recalculated_kg_co2e
            else summed.declared_kg_co2e
        end as entering_kg_co2e,
        summed.recalculation_status = 'complete' and not solved.is_divergent_loop as is_recalculated
    from summed
    inner join solved
        on summed.network_number = solved.network_number
)

select * from final
