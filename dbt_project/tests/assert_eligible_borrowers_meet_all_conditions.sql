-- Eligibility is the five conditions and nothing else; emissions come with a year, a score of 5 without (methods.md M10).
select
    borrowers.bank_id,
    borrowers.borrower_id,
    borrowers.as_of
from {{ ref('finance__borrowers') }} as borrowers
where
    borrowers.is_eligible
    <> (
        borrowers.has_good_tier
        and borrowers.has_valid_label
        and borrowers.is_ets_clear
        and borrowers.has_no_ccer_finding
        and borrowers.has_no_lagging_eia
    )
    or (borrowers.emissions_t_co2e is null) <> (borrowers.pcaf_score = 5)
    or (borrowers.emissions_year is null) <> (borrowers.pcaf_score = 5)
    or borrowers.emissions_year > {{ year_of('borrowers.as_of') }}
