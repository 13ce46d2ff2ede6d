-- Credits cancelled to offset against offsets surrendered in the national market, per beneficiary and year.
with

cancellations as (
    select * from {{ ref('stg_ccer_cancellations') }}
),

positions as (
    select * from {{ ref('ets__positions_by_year') }}
),

cancelled as (
    select
        cancellations.beneficiary_id as enterprise_id,
        cancellations.compliance_year,
        sum(cancellations.cancelled_t_co2e) as cancelled_t_co2e
    from cancellations
    where
        cancellations.purpose = 'ets_offset'
        and cancellations.beneficiary_id is not null
        and cancellations.compliance_year is not null
    group by
        cancellations.beneficiary_id,
        cancellations.compliance_year
),

surrendered as (
    select
        positions.enterprise_id,
        positions.compliance_year,
        positions.surrendered_offset_t_co2e
    from positions
    where positions.market = '{{ var("national_market") }}'
),

final as (
    select
        coalesce(cancelled.enterprise_id, surrendered.enterprise_id) as enterprise_id,
        coalesce(cancelled.compliance_year, surrendered.compliance_year) as compliance_year,
        coalesce(cancelled.cancelled_t_co2e, 0) as cancelled_t_co2e,
        coalesce(surrendered.surrendered_offset_t_co2e, 0) as surrendered_offset_t_co2e
    from cancelled
    full outer join surrendered
        on
            cancelled.enterprise_id = surrendered.enterprise_id
            and cancelled.compliance_year = surrendered.compliance_year
)

select * from final
