-- Issued is cancelled or left, to the last digit, over the landed rows and over the ledger (methods.md M8).
with

ledger as (
    select
        coalesce(sum(ledger_rows.issued_t_co2e), 0) as issued_t_co2e,
        coalesce(sum(ledger_rows.cancelled_ets_offset_t_co2e + ledger_rows.cancelled_voluntary_t_co2e), 0) as cancelled_t_co2e,
        coalesce(sum(ledger_rows.balance_t_co2e), 0) as balance_t_co2e,
        coalesce(min(ledger_rows.balance_t_co2e), 0) as least_t_co2e
    from {{ ref('ccer__ledger') }} as ledger_rows
),

landed as (
    select
        (
            select coalesce(sum(issuances.issued_t_co2e), 0)
            from {{ ref('stg_ccer_issuances') }} as issuances
        ) as issued_t_co2e,
        (
            select coalesce(sum(cancellations.cancelled_t_co2e), 0)
            from {{ ref('stg_ccer_cancellations') }} as cancellations
        ) as cancelled_t_co2e
)

select
    ledger.issued_t_co2e,
    landed.issued_t_co2e as landed_issued_t_co2e
from ledger
cross join landed
where
    ledger.issued_t_co2e <> landed.issued_t_co2e
    or ledger.cancelled_t_co2e <> landed.cancelled_t_co2e
    or ledger.issued_t_co2e <> ledger.cancelled_t_co2e + ledger.balance_t_co2e
    or ledger.least_t_co2e < 0
