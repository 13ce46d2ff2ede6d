with

surrenders as (
    select * from {{ ref('stg_ets_surrenders') }}
),

final as (
    select
        surrenders.market,
        surrenders.enterprise_id,
        surrenders.compliance_year,
        sum(case when surrenders.instrument_kind = 'allowance' then surrenders.surrendered_t_co2e else 0 end)
            as surrendered_allowance_t_co2e,
        sum(case when surrenders.instrument_kind = 'offset' then surrenders.surrendered_t_co2e else 0 end)
            as surrendered_offset_t_co2e
    from surrenders
    group by
        surrenders.market,
        surrenders.enterprise_id,
        surrenders.compliance_year
)

select * from final
