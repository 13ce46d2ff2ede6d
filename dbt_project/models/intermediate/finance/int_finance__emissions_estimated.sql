-- A borrower's emissions by the first method that has any year up to the loan's, and of that method the latest year (methods.md M10).
with

borrowers as (
    select * from {{ ref('int_finance__borrowers_valued') }}
),

positions as (
    select * from {{ ref('ets__positions_by_year') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

enterprises as (
    select * from {{ ref('int_footprint__enterprises_resolved') }}
),

borrower_years as (
    select distinct
        borrowers.borrower_id,
        {{ year_of('borrowers.as_of') }} as loan_year
    from borrowers
),

verified as (
    select
        positions.enterprise_id,
        positions.compliance_year as emissions_year,
        cast(sum(positions.verified_t_co2e) as double) as emissions_t_co2e,
        cast(sum(positions.allocated_t_co2e) as double) as allocated_t_co2e
    from positions
    where positions.position_status <> 'no_data'
    group by
        positions.enterprise_id,
        positions.compliance_year
),

disclosed as (
    select
        disclosures.enterprise_id,
        disclosures.reporting_year as emissions_year,
        {{ ordered_sum('disclosures.declared_kg_co2e * disclosures.output_quantity') }} / 1000 as emissions_t_co2e,
        min(case when disclosures.is_verified then 1 else 0 end) = 1 as is_all_verified
    from disclosures
    group by
        disclosures.enterprise_id,
        disclosures.reporting_year
    having count(disclosures.output_quantity) > 0
),

industry_means as (
    select
        enterprises.industry_code,
        disclosed.emissions_year,
        {{ ordered_mean('disclosed.emissions_t_co2e') }} as emissions_t_co2e
    from disclosed
    inner join enterprises
        on disclosed.enterprise_id = enterprises.enterprise_id
    group by
        enterprises.industry_code,
        disclosed.emissions_year
),

candidates as (
    select
        borrower_years.borrower_id,
        borrower_years.loan_year,
        verified.emissions_year,
        verified.emissions_t_co2e,
        verified.allocated_t_co2e,
        1 as pcaf_score
    from borrower_years
    inner join verified
        on
            borrower_years.borrower_id = verified.enterprise_id
            and borrower_years.loan_year >= verified.emissions_year
    union all
    select
        borrower_years.borrower_id,
        borrower_years.loan_year,
        disclosed.emissions_year,
        disclosed.emissions_t_co2e,
        cast(null as double) as allocated_t_co2e,
        case when disclosed.is_all_verified then 2 else 3 end as pcaf_score
    from borrower_years
    inner join disclosed
        on
            borrower_years.borrower_id = disclosed.enterprise_id
            and borrower_years.loan_year >= disclosed.emissions_year
    union all
    select
        borrower_years.borrower_id,
        borrower_years.loan_year,
        industry_means.emissions_year,
        industry_means.emissions_t_co2e,
        cast(null as double) as allocated_t_co2e,
        4 as pcaf_score
    from borrower_years
    inner join enterprises
        on borrower_years.borrower_id = enterprises.enterprise_id
    inner join industry_means
        on
            enterprises.industry_code = industry_means.industry_code
            and borrower_years.loan_year >= industry_means.emissions_year
),

ranked as (
    select
        candidates.*,
        row_number() over (
            partition by candidates.borrower_id, candidates.loan_year
            -- Scores 2 and 3 are one method: whether its latest year is verified decides the score, not the year.
            order by
                case candidates.pcaf_score when 1 then 1 when 4 then 3 else 2 end asc,
                candidates.emissions_year desc
        ) as preference_rank
    from candidates
),

final as (
    select
        borrower_years.borrower_id,
        borrower_years.loan_year,
        ranked.emissions_year,
        ranked.emissions_t_co2e,
        ranked.allocated_t_co2e,
        coalesce(ranked.pcaf_score, 5) as pcaf_score
    from borrower_years
    left join ranked
        on
            borrower_years.borrower_id = ranked.borrower_id
            and borrower_years.loan_year = ranked.loan_year
            and ranked.preference_rank = 1
)

select * from final
