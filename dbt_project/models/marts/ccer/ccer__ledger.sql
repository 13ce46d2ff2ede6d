with

issuances as (
    select * from {{ ref('int_ccer__issuances_linked') }}
),

cancellations as (
    select * from {{ ref('stg_ccer_cancellations') }}
),

cancelled as (
    select
        cancellations.issuance_id,
        sum(case when cancellations.purpose = 'ets_offset' then cancellations.cancelled_t_co2e else 0 end)
            as cancelled_ets_offset_t_co2e,
        sum(case when cancellations.purpose = 'voluntary' then cancellations.cancelled_t_co2e else 0 end)
            as cancelled_voluntary_t_co2e
    from cancellations
    group by cancellations.issuance_id
),

final as (
    select
        issuances.issuance_id,
        issuances.project_id,
        issuances.owner_id,
        issuances.methodology_code,
        issuances.issued_t_co2e,
        cast(coalesce(cancelled.cancelled_ets_offset_t_co2e, 0) as decimal(38, 8)) as cancelled_ets_offset_t_co2e,
        cast(coalesce(cancelled.cancelled_voluntary_t_co2e, 0) as decimal(38, 8)) as cancelled_voluntary_t_co2e,
        cast(
            issuances.issued_t_co2e
            - coalesce(cancelled.cancelled_ets_offset_t_co2e, 0)
            - coalesce(cancelled.cancelled_voluntary_t_co2e, 0)
            as decimal(38, 8)
        ) as balance_t_co2e
    from issuances
    left join cancelled
        on issuances.issuance_id = cancelled.issuance_id
)

select * from final
