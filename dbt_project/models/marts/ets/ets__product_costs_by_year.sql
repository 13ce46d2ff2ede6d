with

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

positions as (
    select * from {{ ref('ets__positions_by_year') }}
),

-- A disclosure without a breakdown or without output has no part in the enterprise's emissions that anyone could name.
produced as (
    select
        disclosures.disclosure_id,
        disclosures.enterprise_id,
        disclosures.product_code,
        disclosures.reporting_year as compliance_year,
        disclosures.output_quantity,
        disclosures.production_kg_co2e * disclosures.output_quantity as produced_kg_co2e
    from disclosures
    where
        disclosures.production_kg_co2e is not null
        and disclosures.output_quantity is not null
),

produced_years as (
    select
        produced.enterprise_id,
        produced.compliance_year,
        {{ ordered_sum('produced.produced_kg_co2e') }} as produced_kg_co2e
    from produced
    group by
        produced.enterprise_id,
        produced.compliance_year
),

shared as (
    select
        produced.disclosure_id,
        produced.enterprise_id,
        produced.product_code,
        produced.compliance_year,
        produced.output_quantity,
        (cast(positions.cost_cny as double) - cast(positions.surplus_value_cny as double))
        * (produced.produced_kg_co2e / nullif(produced_years.produced_kg_co2e, 0)) as net_cost_cny,
        produced_years.produced_kg_co2e / 1000 / cast(nullif(positions.verified_t_co2e, 0) as double) as coverage_ratio
    from produced
    inner join produced_years
        on
            produced.enterprise_id = produced_years.enterprise_id
            and produced.compliance_year = produced_years.compliance_year
    inner join positions
        on
            produced.enterprise_id = positions.enterprise_id
            and produced.compliance_year = positions.compliance_year
            and positions.market = '{{ var("national_market") }}'
            and positions.position_status <> 'no_data'
),

final as (
    select
        shared.disclosure_id,
        shared.enterprise_id,
        shared.product_code,
        shared.compliance_year,
        {{ as_decimal('shared.net_cost_cny') }} as net_cost_cny,
        {{ as_decimal('shared.net_cost_cny / nullif(shared.output_quantity, 0)') }} as net_cost_cny_per_declared_unit,
        shared.coverage_ratio,
        shared.coverage_ratio between {{ var('reconciled_ratio_low') }} and {{ var('reconciled_ratio_high') }} as is_reconciled
    from shared
)

select * from final
