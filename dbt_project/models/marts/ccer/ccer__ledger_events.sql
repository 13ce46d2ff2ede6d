-- Every issue and cancellation in its order, with what the issuance held before and after it.
with

issuances as (
    select * from {{ ref('int_ccer__issuances_linked') }}
),

cancellations as (
    select * from {{ ref('stg_ccer_cancellations') }}
),

events as (
    select
        issuances.issuance_id,
        'issued' as event_kind,
        issuances.issuance_id as event_id,
        issuances.owner_id as enterprise_id,
        cast(null as integer) as compliance_year,
        0 as kind_rank,
        issuances.issued_t_co2e as change_t_co2e,
        issuances.issued_on as event_on
    from issuances
    union all
    select
        cancellations.issuance_id,
        concat('cancelled_', cancellations.purpose) as event_kind,
        cancellations.cancellation_id as event_id,
        cancellations.beneficiary_id as enterprise_id,
        cancellations.compliance_year,
        1 as kind_rank,
        -cancellations.cancelled_t_co2e as change_t_co2e,
        cancellations.cancelled_on as event_on
    from cancellations
),

-- An issue is first whatever the days say: nothing can be cancelled of what is not there.
numbered as (
    select
        events.*,
        row_number() over (
            partition by events.issuance_id
            order by events.kind_rank asc, events.event_on asc, events.event_id asc
        ) as event_rank,
        sum(events.change_t_co2e) over (
            partition by events.issuance_id
            order by events.kind_rank asc, events.event_on asc, events.event_id asc
            rows between unbounded preceding and current row
        ) as balance_after_t_co2e
    from events
),

final as (
    select
        numbered.issuance_id,
        numbered.event_rank,
        numbered.event_kind,
        numbered.event_id,
        numbered.enterprise_id,
        numbered.compliance_year,
        cast(numbered.change_t_co2e as decimal(38, 8)) as change_t_co2e,
        cast(numbered.balance_after_t_co2e - numbered.change_t_co2e as decimal(38, 8)) as balance_before_t_co2e,
        cast(numbered.balance_after_t_co2e as decimal(38, 8)) as balance_after_t_co2e,
        numbered.event_on
    from numbered
)

select * from final
