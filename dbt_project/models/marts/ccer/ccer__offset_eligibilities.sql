-- Which issued credits may still offset in the national market on the day of the rules, and which rule says so.
with

issuances as (
    select * from {{ ref('int_ccer__issuances_linked') }}
),

ledger as (
    select * from {{ ref('ccer__ledger') }}
),

findings as (
    select * from {{ ref('ccer__findings') }}
),

ccer_methodology as (
    select * from {{ ref('ccer_methodology') }}
),

ccer_methodology_rule as (
    select * from {{ ref('ccer_methodology_rule') }}
),

ccer_offset_rule as (
    select * from {{ ref('ccer_offset_rule') }}
),

-- A project that was registered before several limits keeps to the earliest of their last days.
ranked_rules as (
    select
        issuances.issuance_id,
        ccer_offset_rule.usable_until,
        ccer_offset_rule.citation,
        row_number() over (
            partition by issuances.issuance_id
            order by ccer_offset_rule.usable_until asc, ccer_offset_rule.registered_before asc
        ) as strictness_rank
    from issuances
    inner join ccer_offset_rule
        on issuances.registered_on < ccer_offset_rule.registered_before
),

first_rules as (
    select
        ccer_methodology_rule.methodology_code,
        min(ccer_methodology_rule.valid_from) as methodology_issued_on,
        min(ccer_methodology_rule.citation) as citation
    from ccer_methodology_rule
    group by ccer_methodology_rule.methodology_code
),

covered as (
    select findings.subject_id as issuance_id
    from findings
    where findings.rule_code = 'in_ets_facility'
),

judged as (
    select
        issuances.issuance_id,
        issuances.project_id,
        issuances.owner_id,
        issuances.methodology_code,
        ledger.balance_t_co2e,
        issuances.registered_on,
        ranked_rules.usable_until as usable_until_on,
        first_rules.methodology_issued_on,
        ccer_methodology.methodology_code is not null as is_methodology_listed,
        ranked_rules.issuance_id is not null as is_early_project,
        covered.issuance_id is not null as is_in_ets_facility,
        case
            when ranked_rules.issuance_id is not null then ranked_rules.citation
            when first_rules.methodology_code is not null then first_rules.citation
            else ccer_methodology.citation
        end as citation
    from issuances
    inner join ledger
        on issuances.issuance_id = ledger.issuance_id
    left join ccer_methodology
        on issuances.methodology_code = ccer_methodology.methodology_code
    left join first_rules
        on issuances.methodology_code = first_rules.methodology_code
    left join ranked_rules
        on
            issuances.issuance_id = ranked_rules.issuance_id
            and ranked_rules.strictness_rank = 1
    left join covered
        on issuances.issuance_id = covered.issuance_id
),

-- Early projects stand on methodologies of before the list; what ends their use is the day, not the list.
decided as (
    select
        judged.*,
        case
            when judged.is_in_ets_facility then 'in_ets_facility'
            when judged.is_early_project and judged.usable_until_on < {{ rule_day() }} then 'expired'
            when not judged.is_early_project and not judged.is_methodology_listed then 'methodology_not_listed'
            when not judged.is_early_project and coalesce(judged.methodology_issued_on > judged.registered_on, false)
                then 'methodology_not_yet_issued'
            when judged.balance_t_co2e = 0 then 'used_up'
            else 'usable'
        end as eligibility_status
    from judged
),

final as (
    select
        decided.issuance_id,
        decided.project_id,
        decided.owner_id,
        decided.methodology_code,
        decided.eligibility_status,
        decided.citation,
        decided.balance_t_co2e,
        cast(case when decided.eligibility_status = 'usable' then decided.balance_t_co2e else 0 end as decimal(38, 8)) as usable_t_co2e,
        decided.is_early_project,
        decided.is_methodology_listed,
        decided.is_in_ets_facility,
        decided.registered_on,
        decided.methodology_issued_on,
        decided.usable_until_on
    from decided
)

select * from final
