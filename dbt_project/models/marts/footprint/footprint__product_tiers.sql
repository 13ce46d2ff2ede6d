with

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

benchmarks as (
    select * from {{ ref('footprint__benchmarks_by_year') }}
),

tier_limits as (
    select * from {{ ref('int_footprint__tier_limits_dated') }}
),

ranked as (
    select
        disclosures.disclosure_id,
        rank() over (
            partition by disclosures.product_code, disclosures.boundary, disclosures.gwp_set, disclosures.reporting_year
            order by disclosures.declared_kg_co2e asc
        ) - 1 as cleaner_count
    from disclosures
),

-- The tier is the first whose limit is not exceeded; beyond the last limit comes one tier more.
tiered as (
    select
        disclosures.disclosure_id,
        coalesce(
            min(case when disclosures.declared_kg_co2e <= tier_limits.upper_kg_co2e then tier_limits.tier end),
            max(tier_limits.tier) + 1
        ) as tier
    from disclosures
    inner join tier_limits
        on
            disclosures.product_code = tier_limits.product_code
            and disclosures.boundary = tier_limits.boundary
            and disclosures.gwp_set = tier_limits.gwp_set
            and disclosures.reporting_year = tier_limits.reporting_year
    group by disclosures.disclosure_id
),

final as (
    select
        disclosures.disclosure_id,
        disclosures.product_code,
        disclosures.boundary,
        disclosures.gwp_set,
        disclosures.reporting_year,
        benchmarks.product_name_zh,
        benchmarks.product_name_en,
        benchmarks.declared_unit,
        benchmarks.tier_basis,
        disclosures.declared_kg_co2e,
        cast(tiered.tier as bigint) as tier,
        case
            when benchmarks.tier_basis = 'percentiles'
                then ranked.cleaner_count / cast(benchmarks.disclosure_count as double)
        end as percentile_rank
    from disclosures
    inner join ranked
        on disclosures.disclosure_id = ranked.disclosure_id
    inner join benchmarks
        on
            disclosures.product_code = benchmarks.product_code
            and disclosures.boundary = benchmarks.boundary
            and disclosures.gwp_set = benchmarks.gwp_set
            and disclosures.reporting_year = benchmarks.reporting_year
    left join tiered
        on disclosures.disclosure_id = tiered.disclosure_id
)

select * from final
