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

-- The tier is the first whose limit is not exceeded; beyond the last limit comes one tier more.
limits as (
    {{ tier_scales('tier_limits') }}
),

cells as (
    select
        benchmarks.*,
        limits.upper_limits,
        limits.tiers,
        limits.last_tier
    from benchmarks
    left join limits
        on
            benchmarks.product_code = limits.product_code
            and benchmarks.boundary = limits.boundary
            and benchmarks.gwp_set = limits.gwp_set
            and benchmarks.reporting_year = limits.reporting_year
),

ranked as (
    select
        disclosures.disclosure_id,
        disclosures.product_code,
        disclosures.boundary,
        disclosures.gwp_set,
        disclosures.reporting_year,
        disclosures.declared_kg_co2e,
        rank() over (
            partition by disclosures.product_code, disclosures.boundary, disclosures.gwp_set, disclosures.reporting_year
            order by disclosures.declared_kg_co2e asc
        ) - 1 as cleaner_count
    from disclosures
),

final as (
    select
        ranked.disclosure_id,
        ranked.product_code,
        ranked.boundary,
        ranked.gwp_set,
        ranked.reporting_year,
        cells.product_name_zh,
        cells.product_name_en,
        cells.declared_unit,
        cells.tier_basis,
        ranked.declared_kg_co2e,
        cast(
            coalesce(
                {{ item_of_first_limit('ranked.declared_kg_co2e', 'cells.upper_limits', 'cells.tiers') }},
                cells.last_tier + 1
            ) as bigint
        ) as tier,
        case
            when cells.tier_basis = 'percentiles'
                then ranked.cleaner_count / cast(cells.disclosure_count as double)
        end as percentile_rank
    from ranked
    inner join cells
        on
            ranked.product_code = cells.product_code
            and ranked.boundary = cells.boundary
            and ranked.gwp_set = cells.gwp_set
            and ranked.reporting_year = cells.reporting_year
)

select * from final
