with

surrenders as (
    select * from {{ source('landing', 'ets_surrender') }}
),

final as (
    select
        surrenders.surrender_id,
        surrenders.market,
        surrenders.enterprise_id,
        surrenders.instrument_kind,
        cast(surrenders.compliance_year as integer) as compliance_year,
        cast(surrenders.quantity_t_co2e as decimal(28, 8)) as surrendered_t_co2e,
        surrenders.surrendered_on,
        surrenders._delivery_id,
        surrenders._row_number,
        surrenders._received_at,
        surrenders._sequence
    from surrenders
)

select * from final
