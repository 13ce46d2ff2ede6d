with

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

product_catalogue as (
    select * from {{ ref('product_catalogue') }}
),

cells as (
    select
        disclosures.product_code,
        disclosures.boundary,
        disclosures.gwp_set,
        disclosures.reporting_year,
        count(distinct disclosures.enterprise_id) as enterprise_count,
        count(*) as disclosure_count,
        count(distinct disclosures.enterprise_id) >= {{ var('benchmark_min_enterprises') }} as has_enough_enterprises,
        {{ percentile_linear('disclosures.declared_kg_co2e', 0.20) }} as p20_kg_co2e,
        {{ percentile_linear('disclosures.declared_kg_co2e', 0.50) }} as p50_kg_co2e,
        {{ percentile_linear('disclosures.declared_kg_co2e', 0.80) }} as p80_kg_co2e
    from disclosures
    group by
        disclosures.product_code,
        disclosures.boundary,
        disclosures.gwp_set,
        disclosures.reporting_year
),

final as (
    select
        cells.product_code,
        cells.boundary,
        cells.gwp_set,
        cells.reporting_year,
        product_catalogue.name_zh as product_name_zh,
        product_catalogue.name_en as product_name_en,
        product_catalogue.declared_unit,
        case
            when cells.has_enough_enterprises then 'percentiles'
            else 'fewer_than_{{ var("benchmark_min_enterprises") }}_enterprises'
        end as tier_basis,
        cells.enterprise_count,
        cells.disclosure_count,
        case when cells.has_enough_enterprises then cells.p20_kg_co2e end as p20_kg_co2e,
        case when cells.has_enough_enterprises then cells.p50_kg_co2e end as p50_kg_co2e,
        case when cells.has_enough_enterprises then cells.p80_kg_co2e end as p80_kg_co2e
    from cells
    left join product_catalogue
        on cells.product_code = product_catalogue.product_code
)

select * from final
