-- What may still offset is what the ledger holds of it, and every issuance is judged (methods.md M8).
with

ledger as (
    select * from {{ ref('ccer__ledger') }}
),

eligibilities as (
    select * from {{ ref('ccer__offset_eligibilities') }}
)

select coalesce(ledger.issuance_id, eligibilities.issuance_id) as issuance_id
from ledger
full outer join eligibilities
    on ledger.issuance_id = eligibilities.issuance_id
where
    ledger.issuance_id is null
    or eligibilities.issuance_id is null
    or eligibilities.balance_t_co2e <> ledger.balance_t_co2e
    or eligibilities.usable_t_co2e
    <> case when eligibilities.eligibility_status = 'usable' then ledger.balance_t_co2e else 0 end
