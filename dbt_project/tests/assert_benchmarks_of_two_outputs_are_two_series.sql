-- Net supplied and gross generated electricity are never one series: a change is of the year before on the same output (methods.md M7).
with

rates as (
    select * from {{ ref('ets__benchmarks_by_year') }}
),

compared as (
    select
        rates.market,
        rates.benchmark_category,
        rates.compliance_year,
        rates.output_basis,
        rates.is_series_start,
        rates.previous_t_co2e_per_unit,
        years_before.output_basis as basis_before,
        years_before.benchmark_t_co2e_per_unit as value_before
    from rates
    left join rates as years_before
        on
            rates.market = years_before.market
            and rates.benchmark_category = years_before.benchmark_category
            and rates.compliance_year = years_before.compliance_year + 1
)

select
    compared.market,
    compared.benchmark_category,
    compared.compliance_year
from compared
where
    case
        when compared.output_basis = compared.basis_before
            then compared.is_series_start or coalesce(compared.previous_t_co2e_per_unit <> compared.value_before, true)
        else not compared.is_series_start or compared.previous_t_co2e_per_unit is not null
    end
