with

borrowers as (
    select * from {{ ref('int_finance__borrowers_valued') }}
),

emissions as (
    select * from {{ ref('int_finance__emissions_estimated') }}
),

evidence as (
    select * from {{ ref('int_finance__evidence_collected') }}
),

final as (
    select
        borrowers.bank_id,
        borrowers.borrower_id,
        borrowers.as_of,
        evidence.tier_disclosure_id,
        evidence.label_certificate_no,
        evidence.ccer_finding,
        evidence.lagging_eia_id,
        borrowers.outstanding_cny,
        borrowers.total_value_cny,
        borrowers.attribution,
        cast(emissions.emissions_t_co2e as decimal(38, 12)) as emissions_t_co2e,
        emissions.emissions_year,
        cast(emissions.pcaf_score as double) as pcaf_score,
        cast(borrowers.attribution * emissions.emissions_t_co2e as decimal(38, 12)) as financed_t_co2e,
        emissions.emissions_t_co2e / (cast(nullif(borrowers.total_value_cny, 0) as double) / 1000000)
            as intensity_t_co2e_per_million_cny,
        evidence.best_tier,
        cast(evidence.ets_outstanding_t_co2e as decimal(38, 6)) as ets_outstanding_t_co2e,
        evidence.ccer_finding_count,
        borrowers.is_attribution_capped,
        evidence.has_good_tier,
        evidence.has_valid_label,
        evidence.is_ets_clear,
        evidence.has_no_ccer_finding,
        evidence.has_no_lagging_eia,
        evidence.has_good_tier
        and evidence.has_valid_label
        and evidence.is_ets_clear
        and evidence.has_no_ccer_finding
        and evidence.has_no_lagging_eia as is_eligible
    from borrowers
    inner join evidence
        on
            borrowers.borrower_id = evidence.borrower_id
            and borrowers.as_of = evidence.as_of
    inner join emissions
        on
            borrowers.borrower_id = emissions.borrower_id
            and evidence.loan_year = emissions.loan_year
)

select * from final
