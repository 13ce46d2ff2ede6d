-- A promise is never judged by what was published later, and judged exactly where there is a benchmark (methods.md M9).
select assessments.eia_id
from {{ ref('eia__assessments') }} as assessments
left join {{ ref('footprint__benchmarks_by_year') }} as benchmarks
    on
        assessments.product_code = benchmarks.product_code
        and assessments.gwp_set = benchmarks.gwp_set
        and assessments.benchmark_year = benchmarks.reporting_year
        and benchmarks.boundary = 'cradle_to_gate'
where
    assessments.benchmark_year >= {{ year_of('assessments.approved_on') }}
    or (assessments.benchmark_year is not null and benchmarks.p50_kg_co2e is null)
    or (assessments.verdict = 'no_benchmark') <> (assessments.tier is null)
    or (assessments.tier is not null and assessments.percentile_rank is null)
