-- Each event begins with what the one before it left, to the last digit, and none leaves less than nothing (methods.md M8).
with

chained as (
    select
        events.issuance_id,
        events.event_id,
        events.event_kind,
        events.event_rank,
        events.change_t_co2e,
        events.balance_before_t_co2e,
        events.balance_after_t_co2e,
        lag(events.balance_after_t_co2e, 1, 0) over (
            partition by events.issuance_id
            order by events.event_rank asc
        ) as left_t_co2e
    from {{ ref('ccer__ledger_events') }} as events
)

select
    chained.issuance_id,
    chained.event_id
from chained
where
    chained.balance_before_t_co2e <> chained.left_t_co2e
    or chained.balance_after_t_co2e <> chained.balance_before_t_co2e + chained.change_t_co2e
    or chained.balance_after_t_co2e < 0
    or (chained.event_rank = 1) <> (chained.event_kind = 'issued')
