-- What each condition of eligibility rests on, per borrower and day of its loans: what is known now, as far as its date is not after
-- the loan's.
with

borrowers as (
    select * from {{ ref('int_finance__borrowers_valued') }}
),

emissions as (
    select * from {{ ref('int_finance__emissions_estimated') }}
),

tiers as (
    select * from {{ ref('footprint__product_tiers') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

certificates as (
    select * from {{ ref('stg_label_certificates') }}
),

positions as (
    select * from {{ ref('ets__positions_by_year') }}
),

findings as (
    select * from {{ ref('ccer__findings') }}
),

assessments as (
    select * from {{ ref('eia__assessments') }}
),

borrower_days as (
    select distinct
        borrowers.borrower_id,
        borrowers.as_of,
        {{ year_of('borrowers.as_of') }} as loan_year
    from borrowers
),

ranked_disclosures as (
    select
        disclosures.enterprise_id,
        disclosures.reporting_year,
        disclosures.disclosure_id,
        tiers.tier,
        row_number() over (
            partition by disclosures.enterprise_id, disclosures.reporting_year
            order by coalesce(tiers.tier, 99) asc, disclosures.disclosure_id asc
        ) as tier_rank
    from disclosures
    left join tiers
        on disclosures.disclosure_id = tiers.disclosure_id
),

enterprise_years as (
    select
        ranked_disclosures.enterprise_id,
        ranked_disclosures.reporting_year,
        ranked_disclosures.tier as best_tier,
        ranked_disclosures.disclosure_id as tier_disclosure_id
    from ranked_disclosures
    where ranked_disclosures.tier_rank = 1
),

ranked_years as (
    select
        borrower_days.borrower_id,
        borrower_days.as_of,
        enterprise_years.best_tier,
        enterprise_years.tier_disclosure_id,
        row_number() over (
            partition by borrower_days.borrower_id, borrower_days.as_of
            order by enterprise_years.reporting_year desc
        ) as recency_rank
    from borrower_days
    inner join enterprise_years
        on
            borrower_days.borrower_id = enterprise_years.enterprise_id
            and borrower_days.loan_year >= enterprise_years.reporting_year
),

ranked_states as (
    select
        borrower_days.borrower_id,
        borrower_days.as_of,
        certificates.certificate_no,
        certificates.state,
        certificates.issued_on,
        certificates.expires_on,
        row_number() over (
            partition by borrower_days.borrower_id, borrower_days.as_of, certificates.certificate_no
            order by
                certificates.state_on desc,
                certificates._received_at desc,
                certificates._sequence desc,
                certificates._row_number desc
        ) as recency_rank
    from borrower_days
    inner join certificates
        on
            borrower_days.borrower_id = certificates.enterprise_id
            and borrower_days.as_of >= certificates.state_on
),

labelled_days as (
    select
        ranked_states.borrower_id,
        ranked_states.as_of,
        min(ranked_states.certificate_no) as label_certificate_no
    from ranked_states
    where
        ranked_states.recency_rank = 1
        and ranked_states.state = 'valid'
        and ranked_states.as_of between ranked_states.issued_on and ranked_states.expires_on
    group by
        ranked_states.borrower_id,
        ranked_states.as_of
),

outstanding_years as (
    select
        positions.enterprise_id,
        positions.compliance_year,
        sum(positions.outstanding_t_co2e) as ets_outstanding_t_co2e
    from positions
    where positions.position_status = 'outstanding'
    group by
        positions.enterprise_id,
        positions.compliance_year
),

found_enterprises as (
    select
        findings.enterprise_id,
        count(*) as ccer_finding_count,
        min(concat(findings.rule_code, ' ', findings.subject_id)) as ccer_finding
    from findings
    group by findings.enterprise_id
),

lagging_days as (
    select
        borrower_days.borrower_id,
        borrower_days.as_of,
        min(assessments.eia_id) as lagging_eia_id
    from borrower_days
    inner join assessments
        on
            borrower_days.borrower_id = assessments.enterprise_id
            and assessments.verdict = 'lagging'
            and borrower_days.as_of >= assessments.approved_on
            and assessments.approved_on > borrower_days.as_of - interval '{{ var("eia_lookback_years") }}' year
    group by
        borrower_days.borrower_id,
        borrower_days.as_of
),

final as (
    select
        borrower_days.borrower_id,
        borrower_days.as_of,
        borrower_days.loan_year,
        ranked_years.best_tier,
        case when ranked_years.best_tier is not null then ranked_years.tier_disclosure_id end as tier_disclosure_id,
        labelled_days.label_certificate_no,
        found_enterprises.ccer_finding,
        lagging_days.lagging_eia_id,
        coalesce(outstanding_years.ets_outstanding_t_co2e, 0) as ets_outstanding_t_co2e,
        coalesce(found_enterprises.ccer_finding_count, 0) as ccer_finding_count,
        coalesce(ranked_years.best_tier <= {{ var('good_tier_limit') }}, false) as has_good_tier,
        labelled_days.borrower_id is not null as has_valid_label,
        outstanding_years.enterprise_id is null as is_ets_clear,
        found_enterprises.enterprise_id is null as has_no_ccer_finding,
        lagging_days.borrower_id is null as has_no_lagging_eia
    from borrower_days
    inner join emissions
        on
            borrower_days.borrower_id = emissions.borrower_id
            and borrower_days.loan_year = emissions.loan_year
    left join ranked_years
        on
            borrower_days.borrower_id = ranked_years.borrower_id
            and borrower_days.as_of = ranked_years.as_of
            and ranked_years.recency_rank = 1
    left join labelled_days
        on
            borrower_days.borrower_id = labelled_days.borrower_id
            and borrower_days.as_of = labelled_days.as_of
    left join outstanding_years
        on
            borrower_days.borrower_id = outstanding_years.enterprise_id
            and emissions.emissions_year = outstanding_years.compliance_year
    left join found_enterprises
        on borrower_days.borrower_id = found_enterprises.enterprise_id
    left join lagging_days
        on
            borrower_days.borrower_id = lagging_days.borrower_id
            and borrower_days.as_of = lagging_days.as_of
)

select * from final
