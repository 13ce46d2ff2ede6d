-- What a disclosure's lines give without their suppliers, one row for every disclosure in force, numbered for the network.
with

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

activities as (
    select * from {{ ref('int_footprint__activities_priced') }}
),

summed as (
    select
        activities.disclosure_id,
        count(*) as line_count,
        count(case when activities.pricing_basis <> 'unpriced' then 1 end) as priced_line_count,
        count(activities.supplier_disclosure_id) as supplier_line_count,
        count(activities.supplier_quantity) as linked_line_count,
        {{ ordered_sum('activities.line_kg_co2e') }} as factor_kg_co2e,
        -- Lines are independent; one whose uncertainty nobody states leaves the whole unknown.
        case
            when count(activities.line_kg_co2e) = count(activities.line_kg_co2e * activities.factor_uncertainty_pct)
                then coalesce(
                    {{ ordered_sum(
                        'pow(activities.line_kg_co2e * activities.factor_uncertainty_pct, 2)'
                    ) }}, 0
                    )
        end as factor_variance
    from activities
    group by activities.disclosure_id
),

final as (
    select
        disclosures.disclosure_id,
        row_number() over (order by disclosures.disclosure_id asc) - 1 as network_number,
        case
            when summed.line_count is null then 'none'
            when summed.priced_line_count = summed.line_count then 'complete'
            else 'partial'
        end as recalculation_status,
        disclosures.declared_kg_co2e,
        coalesce(summed.line_count, 0) as line_count,
        coalesce(summed.priced_line_count, 0) as priced_line_count,
        coalesce(summed.supplier_line_count, 0) as supplier_line_count,
        coalesce(summed.linked_line_count, 0) as linked_line_count,
        coalesce(summed.factor_kg_co2e, 0) as factor_kg_co2e,
        summed.factor_variance
    from disclosures
    left join summed
        on disclosures.disclosure_id = summed.disclosure_id
)

select * from final
