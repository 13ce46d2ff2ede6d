-- Cancelled less surrendered is what the two findings say, one direction less the other (methods.md M8).
with

found as (
    select
        coalesce(
            sum(
                case findings.rule_code
                    when 'cancelled_without_surrender' then findings.quantity_t_co2e
                    when 'surrendered_without_cancellation' then -findings.quantity_t_co2e
                end
            ), 0
        ) as difference_t_co2e
    from {{ ref('ccer__findings') }} as findings
),

registered as (
    select coalesce(sum(registers.cancelled_t_co2e - registers.surrendered_offset_t_co2e), 0) as difference_t_co2e
    from {{ ref('int_ccer__offsets_matched') }} as registers
)

select
    found.difference_t_co2e,
    registered.difference_t_co2e as registered_t_co2e
from found
cross join registered
where abs(found.difference_t_co2e - registered.difference_t_co2e) > 0.001
