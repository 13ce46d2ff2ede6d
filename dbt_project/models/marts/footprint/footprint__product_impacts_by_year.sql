with

impacts as (
    select * from {{ ref('footprint__factor_impacts') }}
),

products as (
    select * from {{ ref('footprint__products') }}
),

tier_limits as (
    select * from {{ ref('int_footprint__tier_limits_dated') }}
),

positions as (
    select * from {{ ref('ets__positions_by_year') }}
),

prices as (
    select * from {{ ref('ets__prices_by_year') }}
),

limits as (
    {{ tier_scales('tier_limits') }}
),

covered as (
    select distinct
        positions.enterprise_id,
        positions.compliance_year
    from positions
    where
        positions.market = '{{ var("national_market") }}'
        and positions.position_status <> 'no_data'
),

-- The mean moves with the footprints alone: it is taken over the disclosures that are complete with the edition and without it.
cells as (
    select
        products.product_code,
        products.boundary,
        products.gwp_set,
        products.reporting_year,
        count(*) as weighted_count,
        {{ ordered_sum('products.output_quantity') }} as output_quantity,
        {{ ordered_sum('products.recalculated_kg_co2e * products.output_quantity') }} as output_kg_co2e
    from products
    where
        products.recalculation_status = 'complete'
        and products.output_quantity > 0
    group by
        products.product_code,
        products.boundary,
        products.gwp_set,
        products.reporting_year
),

changed as (
    select
        impacts.factor_id,
        impacts.edition,
        products.product_code,
        products.boundary,
        products.gwp_set,
        products.reporting_year,
        products.product_name_zh,
        products.product_name_en,
        products.declared_unit,
        impacts.old_kg_co2e,
        impacts.new_kg_co2e,
        covered.enterprise_id is not null as is_covered,
        impacts.old_recalculation_status = 'complete' and impacts.new_recalculation_status = 'complete' as is_compared,
        impacts.old_recalculation_status <> 'complete' and impacts.new_recalculation_status = 'complete' as is_completed,
        case
            when impacts.new_recalculation_status = 'complete' and products.output_quantity > 0 then products.output_quantity
        end as output_quantity,
        coalesce(
            {{ item_of_first_limit('impacts.old_kg_co2e', 'limits.upper_limits', 'limits.tiers') }}, limits.last_tier + 1
        ) as old_tier,
        coalesce(
            {{ item_of_first_limit('impacts.new_kg_co2e', 'limits.upper_limits', 'limits.tiers') }}, limits.last_tier + 1
        ) as new_tier
    from impacts
    inner join products
        on impacts.disclosure_id = products.disclosure_id
    left join limits
        on
            products.product_code = limits.product_code
            and products.boundary = limits.boundary
            and products.gwp_set = limits.gwp_set
            and products.reporting_year = limits.reporting_year
    left join covered
        on
            products.enterprise_id = covered.enterprise_id
            and products.reporting_year = covered.compliance_year
),

summed as (
    select
        changed.factor_id,
        changed.edition,
        changed.product_code,
        changed.boundary,
        changed.gwp_set,
        changed.reporting_year,
        min(changed.product_name_zh) as product_name_zh,
        min(changed.product_name_en) as product_name_en,
        min(changed.declared_unit) as declared_unit,
        count(*) as changed_disclosure_count,
        count(case when changed.is_completed then 1 end) as completed_disclosure_count,
        count(case when changed.is_compared and changed.new_tier < changed.old_tier then 1 end) as better_tier_count,
        count(case when changed.is_compared and changed.new_tier > changed.old_tier then 1 end) as worse_tier_count,
        count(changed.output_quantity) as weighted_count,
        coalesce({{ ordered_sum('changed.output_quantity') }}, 0) as output_quantity,
        coalesce({{ ordered_sum('changed.output_quantity * changed.new_kg_co2e') }}, 0) as output_kg_co2e,
        coalesce({{ ordered_sum('case when changed.is_compared then changed.output_quantity end') }}, 0) as compared_output_quantity,
        coalesce(
            {{ ordered_sum('case when changed.is_compared then changed.output_quantity * changed.new_kg_co2e end') }}, 0
        ) as new_output_kg_co2e,
        coalesce(
            {{ ordered_sum('case when changed.is_compared then changed.output_quantity * changed.old_kg_co2e end') }}, 0
        ) as old_output_kg_co2e,
        coalesce({{ ordered_sum(
            'case when changed.is_compared then changed.output_quantity * (changed.new_kg_co2e - changed.old_kg_co2e) end'
        ) }}, 0) / 1000 as total_change_t_co2e,
        coalesce({{ ordered_sum(
            'case when changed.is_compared and changed.is_covered then changed.output_quantity * (changed.new_kg_co2e - changed.old_kg_co2e) end'
        ) }}, 0) / 1000 as covered_change_t_co2e
    from changed
    group by
        changed.factor_id,
        changed.edition,
        changed.product_code,
        changed.boundary,
        changed.gwp_set,
        changed.reporting_year
),

-- Those that do not change, found by taking away; nothing is taken from a sum of which nothing else is left.
weighed as (
    select
        summed.*,
        case when summed.weighted_count = cells.weighted_count then 0 else cells.output_kg_co2e - summed.output_kg_co2e end
            as unchanged_kg_co2e,
        summed.compared_output_quantity
        + case when summed.weighted_count = cells.weighted_count then 0 else cells.output_quantity - summed.output_quantity end
            as whole_output_quantity
    from summed
    left join cells
        on
            summed.product_code = cells.product_code
            and summed.boundary = cells.boundary
            and summed.gwp_set = cells.gwp_set
            and summed.reporting_year = cells.reporting_year
),

final as (
    select
        weighed.factor_id,
        weighed.edition,
        weighed.product_code,
        weighed.boundary,
        weighed.gwp_set,
        weighed.reporting_year,
        weighed.product_name_zh,
        weighed.product_name_en,
        weighed.declared_unit,
        weighed.changed_disclosure_count,
        weighed.completed_disclosure_count,
        (weighed.unchanged_kg_co2e + weighed.old_output_kg_co2e)
        / case when weighed.whole_output_quantity > 0 then weighed.whole_output_quantity end as old_weighted_mean_kg_co2e,
        (weighed.unchanged_kg_co2e + weighed.new_output_kg_co2e)
        / case when weighed.whole_output_quantity > 0 then weighed.whole_output_quantity end as new_weighted_mean_kg_co2e,
        1000 * weighed.total_change_t_co2e
        / case when weighed.whole_output_quantity > 0 then weighed.whole_output_quantity end as weighted_mean_change_kg_co2e,
        weighed.better_tier_count,
        weighed.worse_tier_count,
        weighed.total_change_t_co2e,
        weighed.covered_change_t_co2e,
        prices.vwap_cny_per_t as price_cny_per_t,
        {{ as_decimal('weighed.covered_change_t_co2e * cast(prices.vwap_cny_per_t as double)') }} as ets_cost_change_cny
    from weighed
    left join prices
        on
            prices.market = '{{ var("national_market") }}'
            and prices.instrument = '{{ var("national_instrument") }}'
            and weighed.reporting_year = prices.year
)

select * from final
