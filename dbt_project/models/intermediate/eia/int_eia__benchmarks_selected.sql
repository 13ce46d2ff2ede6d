-- The benchmark that stood when a project was approved: never one of the year of approval or later.
with

projects as (
    select * from {{ ref('int_eia__projects_resolved') }}
),

benchmarks as (
    select * from {{ ref('footprint__benchmarks_by_year') }}
),

ranked as (
    select
        projects.eia_id,
        benchmarks.product_code,
        benchmarks.boundary,
        benchmarks.gwp_set,
        benchmarks.reporting_year,
        benchmarks.disclosure_count,
        benchmarks.p50_kg_co2e,
        row_number() over (
            partition by projects.eia_id
            order by benchmarks.reporting_year desc, benchmarks.disclosure_count desc, benchmarks.gwp_set desc
        ) as preference_rank
    from projects
    inner join benchmarks
        on
            projects.product_code = benchmarks.product_code
            and benchmarks.boundary = 'cradle_to_gate'
            and benchmarks.tier_basis = 'percentiles'
            and benchmarks.reporting_year < {{ year_of('projects.approved_on') }}
),

final as (
    select
        ranked.eia_id,
        ranked.product_code,
        ranked.boundary,
        ranked.gwp_set,
        ranked.reporting_year,
        ranked.disclosure_count,
        ranked.p50_kg_co2e
    from ranked
    where ranked.preference_rank = 1
)

select * from final
