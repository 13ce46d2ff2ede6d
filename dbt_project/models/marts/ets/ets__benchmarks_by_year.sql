with

benchmarks as (
    select * from {{ ref('int_ets__benchmarks_based') }}
),

facility_years as (
    select * from {{ ref('int_ets__facility_years_resolved') }}
),

used as (
    select
        facility_years.market,
        facility_years.benchmark_category,
        facility_years.compliance_year,
        count(*) as facility_count,
        {{ ordered_sum('facility_years.facility_output_quantity') }} as facility_output_quantity,
        sum(facility_years.verified_t_co2e) as verified_t_co2e
    from facility_years
    group by
        facility_years.market,
        facility_years.benchmark_category,
        facility_years.compliance_year
),

final as (
    select
        benchmarks.market,
        benchmarks.benchmark_category,
        benchmarks.compliance_year,
        benchmarks.output_unit,
        benchmarks.output_basis,
        benchmarks.benchmark_status,
        benchmarks.citation,
        benchmarks.benchmark_t_co2e_per_unit,
        previous_years.benchmark_t_co2e_per_unit as previous_t_co2e_per_unit,
        benchmarks.benchmark_t_co2e_per_unit / nullif(previous_years.benchmark_t_co2e_per_unit, 0) - 1 as benchmark_change_ratio,
        coalesce(used.facility_count, 0) as facility_count,
        used.facility_output_quantity,
        cast(used.verified_t_co2e as decimal(38, 8)) as verified_t_co2e,
        cast(used.verified_t_co2e as double) / nullif(used.facility_output_quantity, 0) as verified_t_co2e_per_unit,
        {{ as_decimal('used.facility_output_quantity * benchmarks.benchmark_t_co2e_per_unit') }} as benchmarked_t_co2e,
        previous_years.market is null as is_series_start
    from benchmarks
    -- The same basis is part of the join: across the break there is no year before.
    left join benchmarks as previous_years
        on
            benchmarks.market = previous_years.market
            and benchmarks.benchmark_category = previous_years.benchmark_category
            and benchmarks.output_basis = previous_years.output_basis
            and benchmarks.compliance_year = previous_years.compliance_year + 1
    left join used
        on
            benchmarks.market = used.market
            and benchmarks.benchmark_category = used.benchmark_category
            and benchmarks.compliance_year = used.compliance_year
)

select * from final
