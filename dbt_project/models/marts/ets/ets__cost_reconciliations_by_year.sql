-- What of an enterprise's net cost its products carry, and how far their production emissions explain the verified ones.
with

positions as (
    select * from {{ ref('ets__positions_by_year') }}
),

costs as (
    select * from {{ ref('ets__product_costs_by_year') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

disclosed as (
    select
        disclosures.enterprise_id,
        disclosures.reporting_year,
        count(*) as disclosure_count
    from disclosures
    group by
        disclosures.enterprise_id,
        disclosures.reporting_year
),

carried as (
    select
        costs.enterprise_id,
        costs.compliance_year,
        count(*) as costed_disclosure_count,
        {{ ordered_sum('cast(costs.net_cost_cny as double)') }} as product_cost_cny,
        max(costs.coverage_ratio) as coverage_ratio
    from costs
    group by
        costs.enterprise_id,
        costs.compliance_year
),

reconciled as (
    select
        positions.enterprise_id,
        positions.compliance_year,
        coalesce(disclosed.disclosure_count, 0) as disclosure_count,
        coalesce(carried.costed_disclosure_count, 0) as costed_disclosure_count,
        positions.verified_t_co2e,
        carried.coverage_ratio,
        cast(positions.cost_cny as double) - cast(positions.surplus_value_cny as double) as net_cost_cny,
        carried.product_cost_cny,
        case
            when disclosed.enterprise_id is null then 'no_disclosures'
            when carried.enterprise_id is null then 'no_production_stage'
            when carried.coverage_ratio is null then 'no_verified_emissions'
            when carried.coverage_ratio < {{ var('reconciled_ratio_low') }} then 'below'
            when carried.coverage_ratio > {{ var('reconciled_ratio_high') }} then 'above'
            else 'reconciled'
        end as reconciliation_status
    from positions
    left join disclosed
        on
            positions.enterprise_id = disclosed.enterprise_id
            and positions.compliance_year = disclosed.reporting_year
    left join carried
        on
            positions.enterprise_id = carried.enterprise_id
            and positions.compliance_year = carried.compliance_year
    where
        positions.market = '{{ var("national_market") }}'
        and positions.position_status <> 'no_data'
),

final as (
    select
        reconciled.enterprise_id,
        reconciled.compliance_year,
        reconciled.reconciliation_status,
        reconciled.disclosure_count,
        reconciled.costed_disclosure_count,
        reconciled.verified_t_co2e,
        reconciled.coverage_ratio,
        {{ as_decimal('reconciled.net_cost_cny') }} as net_cost_cny,
        {{ as_decimal('coalesce(reconciled.product_cost_cny, 0)') }} as product_cost_cny,
        {{ as_decimal('reconciled.net_cost_cny - coalesce(reconciled.product_cost_cny, 0)') }} as uncarried_cost_cny
    from reconciled
)

select * from final
