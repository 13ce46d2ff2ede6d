with

borrowers as (
    select * from {{ ref('finance__borrowers') }}
),

emissions as (
    select * from {{ ref('int_finance__emissions_estimated') }}
),

stress_scenario as (
    select * from {{ ref('stress_scenario') }}
),

exposed as (
    select
        borrowers.bank_id,
        borrowers.borrower_id,
        borrowers.as_of,
        stress_scenario.price_cny_per_t,
        stress_scenario.free_allocation_share,
        borrowers.outstanding_cny,
        emissions.emissions_t_co2e
        - stress_scenario.free_allocation_share * coalesce(emissions.allocated_t_co2e, emissions.emissions_t_co2e)
            as uncovered_t_co2e
    from borrowers
    inner join emissions
        on
            borrowers.borrower_id = emissions.borrower_id
            and {{ year_of('borrowers.as_of') }} = emissions.loan_year
    cross join stress_scenario
),

charged as (
    select
        exposed.*,
        exposed.price_cny_per_t
        * case when exposed.uncovered_t_co2e < 0 then 0 else exposed.uncovered_t_co2e end as extra_cost_cny
    from exposed
),

final as (
    select
        charged.bank_id,
        charged.borrower_id,
        charged.as_of,
        {{ as_decimal('charged.price_cny_per_t') }} as price_cny_per_t,
        charged.free_allocation_share,
        {{ as_decimal('charged.extra_cost_cny') }} as extra_cost_cny,
        charged.extra_cost_cny / cast(nullif(charged.outstanding_cny, 0) as double) as cost_to_outstanding_ratio
    from charged
)

select * from final
