-- What each of an enterprise's sectors owes in a year; the rule in force is a seed row per market, sector and year.
with

facility_years as (
    select * from {{ ref('int_ets__facility_years_resolved') }}
),

benchmarks as (
    select * from {{ ref('int_ets__benchmarks_based') }}
),

ets_rule as (
    select * from {{ ref('ets_rule') }}
),

sector_years as (
    select
        facility_years.market,
        facility_years.enterprise_id,
        facility_years.sector,
        facility_years.compliance_year,
        cast(sum(facility_years.verified_t_co2e) as decimal(28, 8)) as verified_t_co2e,
        cast(sum(facility_years.allocated_t_co2e) as decimal(28, 8)) as allocated_t_co2e,
        -- One facility without a benchmark leaves the whole unknown: a part would read as the whole.
        case
            when count(*) = count(facility_years.facility_output_quantity * benchmarks.benchmark_t_co2e_per_unit)
                then cast(
                        {{ ordered_sum('facility_years.facility_output_quantity * benchmarks.benchmark_t_co2e_per_unit') }}
                        as decimal(38, 12)
                    )
        end as benchmark_allocation_t_co2e,
        -- One draft makes the sum a draft: `draft` sorts before `final`.
        min(benchmarks.benchmark_status) as benchmark_status,
        min(case when benchmarks.output_basis <> 'heat_supplied' then benchmarks.output_basis end) as first_basis,
        max(case when benchmarks.output_basis <> 'heat_supplied' then benchmarks.output_basis end) as last_basis
    from facility_years
    left join benchmarks
        on
            facility_years.market = benchmarks.market
            and facility_years.benchmark_category = benchmarks.benchmark_category
            and facility_years.compliance_year = benchmarks.compliance_year
    group by
        facility_years.market,
        facility_years.enterprise_id,
        facility_years.sector,
        facility_years.compliance_year
),

-- Shares and tonnes are decimals, so that nothing stays outstanding by a binary remainder.
obligated as (
    select
        sector_years.*,
        cast(
            case
                when ets_rule.gap_cap_share is not null
                    then least(
                            sector_years.verified_t_co2e,
                            sector_years.allocated_t_co2e
                            + sector_years.verified_t_co2e * cast(ets_rule.gap_cap_share as decimal(9, 8))
                        )
                else sector_years.verified_t_co2e
            end as decimal(28, 10)
        ) as obligation_t_co2e,
        coalesce(cast(ets_rule.ccer_offset_share as decimal(9, 8)), 0) as ccer_offset_share,
        ets_rule.deadline as deadline_on
    from sector_years
    left join ets_rule
        on
            sector_years.market = ets_rule.market
            and sector_years.sector = ets_rule.sector
            and sector_years.compliance_year = ets_rule.compliance_year
),

final as (
    select
        obligated.market,
        obligated.enterprise_id,
        obligated.sector,
        obligated.compliance_year,
        obligated.verified_t_co2e,
        obligated.allocated_t_co2e,
        obligated.benchmark_allocation_t_co2e,
        obligated.benchmark_status,
        obligated.first_basis,
        obligated.last_basis,
        obligated.obligation_t_co2e,
        obligated.obligation_t_co2e * obligated.ccer_offset_share as offset_cap_t_co2e,
        obligated.deadline_on
    from obligated
)

select * from final
