-- Each benchmark with the output that it is a rate of, from the newest dated row not after its year. Rates of two bases are two series:
-- the plans of 2023 on run on gross generated electricity, those before on net supplied, and one is no change of the other.
with

ets_benchmark as (
    select * from {{ ref('ets_benchmark') }}
),

ets_output_basis as (
    select * from {{ ref('ets_output_basis') }}
),

dated as (
    select
        ets_benchmark.market,
        ets_benchmark.benchmark_category,
        ets_benchmark.compliance_year,
        ets_output_basis.output_basis,
        row_number() over (
            partition by ets_benchmark.market, ets_benchmark.benchmark_category, ets_benchmark.compliance_year
            order by ets_output_basis.first_year desc
        ) as recency_rank
    from ets_benchmark
    inner join ets_output_basis
        on
            ets_benchmark.market = ets_output_basis.market
            and ets_benchmark.benchmark_category = ets_output_basis.benchmark_category
            and ets_benchmark.compliance_year >= ets_output_basis.first_year
),

final as (
    select
        ets_benchmark.market,
        ets_benchmark.benchmark_category,
        ets_benchmark.compliance_year,
        ets_benchmark.output_unit,
        -- A deployment's own categories may come without a basis: then none is known, and no break either.
        coalesce(dated.output_basis, 'not_stated') as output_basis,
        ets_benchmark.status as benchmark_status,
        ets_benchmark.citation,
        ets_benchmark.t_co2e_per_unit as benchmark_t_co2e_per_unit
    from ets_benchmark
    left join dated
        on
            ets_benchmark.market = dated.market
            and ets_benchmark.benchmark_category = dated.benchmark_category
            and ets_benchmark.compliance_year = dated.compliance_year
            and dated.recency_rank = 1
)

select * from final
