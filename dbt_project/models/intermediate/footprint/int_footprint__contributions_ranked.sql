-- What the p % rule looks at (methods.md M4). `unplaced` has no cell, but where all provinces and the country are shown it is their
-- difference: it is held to the same rules.
with

cells as (
    select * from {{ ref('int_footprint__cells_populated') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

disclosure_rule as (
    select * from {{ ref('disclosure_rule') }}
),

ranked_rules as (
    select
        disclosure_rule.*,
        row_number() over (order by disclosure_rule.valid_from desc) as recency_rank
    from disclosure_rule
    where disclosure_rule.valid_from <= {{ rule_day() }}
),

placed as (
    select
        cells.product_code,
        cells.boundary,
        cells.gwp_set,
        cells.reporting_year,
        cells.province_code,
        cells.enterprise_id,
        cells.output_kg_co2e
    from cells
    union all
    select
        disclosures.product_code,
        disclosures.boundary,
        disclosures.gwp_set,
        disclosures.reporting_year,
        'unplaced' as province_code,
        disclosures.enterprise_id,
        disclosures.declared_kg_co2e * disclosures.output_quantity as output_kg_co2e
    from disclosures
    where disclosures.province_code is null
),

contributions as (
    select
        placed.product_code,
        placed.boundary,
        placed.gwp_set,
        placed.reporting_year,
        placed.province_code,
        placed.enterprise_id,
        coalesce({{ ordered_sum('placed.output_kg_co2e') }}, 0) / 1000 as contribution_t_co2e
    from placed
    group by
        placed.product_code,
        placed.boundary,
        placed.gwp_set,
        placed.reporting_year,
        placed.province_code,
        placed.enterprise_id
),

ranked as (
    select
        contributions.*,
        row_number() over (
            partition by
                contributions.product_code,
                contributions.boundary,
                contributions.gwp_set,
                contributions.reporting_year,
                contributions.province_code
            order by contributions.contribution_t_co2e desc, contributions.enterprise_id asc
        ) as contribution_rank
    from contributions
),

summed as (
    select
        ranked.product_code,
        ranked.boundary,
        ranked.gwp_set,
        ranked.reporting_year,
        ranked.province_code,
        count(*) as enterprise_count,
        {{ ordered_sum('ranked.contribution_t_co2e') }} as total_t_co2e,
        max(ranked.contribution_t_co2e) as largest_t_co2e,
        coalesce(max(case when ranked.contribution_rank = 2 then ranked.contribution_t_co2e end), 0) as second_t_co2e
    from ranked
    group by
        ranked.product_code,
        ranked.boundary,
        ranked.gwp_set,
        ranked.reporting_year,
        ranked.province_code
),

final as (
    select
        summed.product_code,
        summed.boundary,
        summed.gwp_set,
        summed.reporting_year,
        summed.province_code,
        summed.enterprise_count,
        summed.total_t_co2e,
        summed.largest_t_co2e,
        summed.second_t_co2e,
        ranked_rules.minimum_enterprise_count,
        ranked_rules.p_share,
        ranked_rules.protection_share
    from summed
    inner join ranked_rules
        on ranked_rules.recency_rank = 1
)

select * from final
