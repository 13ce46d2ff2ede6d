with

issuances as (
    select * from {{ ref('int_ccer__issuances_linked') }}
),

cancellations as (
    select * from {{ ref('stg_ccer_cancellations') }}
),

projects as (
    select * from {{ ref('int_ccer__projects_resolved') }}
),

certificates as (
    select * from {{ ref('stg_green_certificates') }}
),

facility_years as (
    select * from {{ ref('int_ets__facility_years_resolved') }}
),

positions as (
    select * from {{ ref('ets__positions_by_year') }}
),

offsets as (
    select * from {{ ref('int_ccer__offsets_matched') }}
),

ccer_offset_rule as (
    select * from {{ ref('ccer_offset_rule') }}
),

-- A project stands in the market by its own facility or by its owner; both are looked up, a match by either is one finding.
covered_subjects as (
    select
        'facility' as matched_by,
        facility_years.facility_id as subject_id,
        facility_years.compliance_year
    from facility_years
    where facility_years.market = '{{ var("national_market") }}'
    union
    select
        'owner' as matched_by,
        facility_years.enterprise_id as subject_id,
        facility_years.compliance_year
    from facility_years
    where facility_years.market = '{{ var("national_market") }}'
),

issuance_subjects as (
    select
        issuances.issuance_id,
        'facility' as matched_by,
        issuances.facility_id as subject_id
    from issuances
    where issuances.facility_id is not null
    union all
    select
        issuances.issuance_id,
        'owner' as matched_by,
        issuances.owner_id as subject_id
    from issuances
    where issuances.owner_id is not null
),

covered_issuances as (
    select
        issuances.issuance_id,
        issuances.owner_id,
        issuances.issued_t_co2e,
        min(issuance_subjects.matched_by) as matched_by,
        min(covered_subjects.compliance_year) as first_covered_year
    from issuances
    inner join issuance_subjects
        on issuances.issuance_id = issuance_subjects.issuance_id
    inner join covered_subjects
        on
            issuance_subjects.matched_by = covered_subjects.matched_by
            and issuance_subjects.subject_id = covered_subjects.subject_id
            and covered_subjects.compliance_year
            between {{ year_of('issuances.monitoring_start') }} and {{ year_of('issuances.monitoring_end') }}
    group by
        issuances.issuance_id,
        issuances.owner_id,
        issuances.issued_t_co2e
),

in_ets_facility as (
    select
        'in_ets_facility' as rule_code,
        covered_issuances.issuance_id as subject_id,
        covered_issuances.owner_id as enterprise_id,
        cast(covered_issuances.issued_t_co2e as decimal(38, 12)) as quantity_t_co2e,
        {{ json_text({
            'matched_by': 'covered_issuances.matched_by',
            'first_covered_year': 'covered_issuances.first_covered_year',
        }) }} as evidence
    from covered_issuances
),

legacy_expired as (
    select
        'legacy_expired' as rule_code,
        cancellations.cancellation_id as subject_id,
        cancellations.beneficiary_id as enterprise_id,
        cast(cancellations.cancelled_t_co2e as decimal(38, 12)) as quantity_t_co2e,
        {{ json_text({
            'project_id': 'min(issuances.project_id)',
            'registered_on': text_of('min(issuances.registered_on)'),
            'cancelled_on': text_of('cancellations.cancelled_on'),
            'usable_until': text_of('min(ccer_offset_rule.usable_until)'),
        }) }} as evidence
    from cancellations
    inner join issuances
        on cancellations.issuance_id = issuances.issuance_id
    inner join ccer_offset_rule
        on
            issuances.registered_on < ccer_offset_rule.registered_before
            and cancellations.cancelled_on > ccer_offset_rule.usable_until
    where cancellations.purpose = 'ets_offset'
    group by
        cancellations.cancellation_id,
        cancellations.beneficiary_id,
        cancellations.cancelled_t_co2e,
        cancellations.cancelled_on
),

offset_above_cap as (
    select
        'offset_above_cap' as rule_code,
        concat(positions.enterprise_id, '|', {{ text_of('positions.compliance_year') }}) as subject_id,
        positions.enterprise_id,
        positions.offset_excess_t_co2e as quantity_t_co2e,
        {{ json_text({
            'surrendered_offset_t_co2e': 'positions.surrendered_offset_t_co2e',
            'offset_cap_t_co2e': 'positions.offset_cap_t_co2e',
        }) }} as evidence
    from positions
    where
        positions.market = '{{ var("national_market") }}'
        and positions.offset_excess_t_co2e > {{ var('negligible_t_co2e') }}
),

shared_days as (
    select
        certificates.batch_id,
        issuances.issuance_id,
        issuances.owner_id,
        issuances.issued_t_co2e,
        {{ days_between(
            'greatest(certificates.generation_start, issuances.monitoring_start)',
            'least(certificates.generation_end, issuances.monitoring_end)'
        ) }} as overlap_days,
        {{ days_between('issuances.monitoring_start', 'issuances.monitoring_end') }} as monitoring_days
    from certificates
    inner join issuances
        on
            certificates.ccer_project_id = issuances.project_id
            and certificates.generation_start <= issuances.monitoring_end
            and certificates.generation_end >= issuances.monitoring_start
),

double_claim_gec as (
    select
        'double_claim_gec' as rule_code,
        concat(shared_days.batch_id, '|', shared_days.issuance_id) as subject_id,
        shared_days.owner_id as enterprise_id,
        cast(
            cast(shared_days.issued_t_co2e as double) * shared_days.overlap_days / shared_days.monitoring_days as decimal(38, 12)
        ) as quantity_t_co2e,
        {{ json_text({
            'overlap_days': 'shared_days.overlap_days',
            'monitoring_days': 'shared_days.monitoring_days',
            'issued_t_co2e': 'shared_days.issued_t_co2e',
        }) }} as evidence
    from shared_days
),

unmatched_offsets as (
    select
        case
            when offsets.cancelled_t_co2e > offsets.surrendered_offset_t_co2e then 'cancelled_without_surrender'
            else 'surrendered_without_cancellation'
        end as rule_code,
        concat(offsets.enterprise_id, '|', {{ text_of('offsets.compliance_year') }}) as subject_id,
        offsets.enterprise_id,
        cast(abs(offsets.cancelled_t_co2e - offsets.surrendered_offset_t_co2e) as decimal(38, 12)) as quantity_t_co2e,
        {{ json_text({
            'cancelled_t_co2e': 'offsets.cancelled_t_co2e',
            'surrendered_offset_t_co2e': 'offsets.surrendered_offset_t_co2e',
        }) }} as evidence
    from offsets
    where abs(offsets.cancelled_t_co2e - offsets.surrendered_offset_t_co2e) > {{ var('negligible_t_co2e') }}
),

duplicate_project as (
    select
        'duplicate_project' as rule_code,
        concat(projects.project_id, '|', twins.project_id) as subject_id,
        projects.owner_id as enterprise_id,
        cast(least(projects.estimated_annual_t_co2e, twins.estimated_annual_t_co2e) as decimal(38, 12)) as quantity_t_co2e,
        {{ json_text({
            'methodology_code': 'projects.methodology_code',
            'overlap_start': text_of('greatest(projects.crediting_start, twins.crediting_start)'),
            'overlap_end': text_of('least(projects.crediting_end, twins.crediting_end)'),
        }) }} as evidence
    from projects
    inner join projects as twins
        on
            projects.owner_id = twins.owner_id
            and projects.methodology_code = twins.methodology_code
            and projects.project_id < twins.project_id
            and projects.crediting_start <= twins.crediting_end
            and projects.crediting_end >= twins.crediting_start
),

final as (
    select * from in_ets_facility
    union all
    select * from legacy_expired
    union all
    select * from offset_above_cap
    union all
    select * from double_claim_gec
    union all
    select * from unmatched_offsets
    union all
    select * from duplicate_project
)

select * from final
