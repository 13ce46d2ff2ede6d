-- Per beneficiary and year what the register cancelled and what the markets took: a tonne used twice shows as one of two excesses.
with

cancellations as (
    select * from {{ ref('stg_ccer_cancellations') }}
),

surrenders as (
    select * from {{ ref('int_ets__surrenders_summed') }}
),

cancelled as (
    select
        cancellations.beneficiary_id as enterprise_id,
        -- A voluntary cancellation names no compliance year: the year in which it was made stands for it.
        coalesce(cancellations.compliance_year, {{ year_of('cancellations.cancelled_on') }}) as compliance_year,
        sum(case when cancellations.purpose = 'ets_offset' then cancellations.cancelled_t_co2e else 0 end)
            as cancelled_ets_offset_t_co2e,
        sum(case when cancellations.purpose = 'voluntary' then cancellations.cancelled_t_co2e else 0 end)
            as cancelled_voluntary_t_co2e
    from cancellations
    where
        cancellations.beneficiary_id is not null
        and (cancellations.compliance_year is not null or cancellations.purpose = 'voluntary')
    group by
        cancellations.beneficiary_id,
        coalesce(cancellations.compliance_year, {{ year_of('cancellations.cancelled_on') }})
),

surrendered as (
    select
        surrenders.enterprise_id,
        surrenders.compliance_year,
        sum(case when surrenders.market = '{{ var("national_market") }}' then surrenders.surrendered_offset_t_co2e else 0 end)
            as surrendered_national_t_co2e,
        sum(case when surrenders.market <> '{{ var("national_market") }}' then surrenders.surrendered_offset_t_co2e else 0 end)
            as surrendered_elsewhere_t_co2e
    from surrenders
    where surrenders.surrendered_offset_t_co2e > 0
    group by
        surrenders.enterprise_id,
        surrenders.compliance_year
),

joined as (
    select
        coalesce(cancelled.enterprise_id, surrendered.enterprise_id) as enterprise_id,
        coalesce(cancelled.compliance_year, surrendered.compliance_year) as compliance_year,
        coalesce(cancelled.cancelled_ets_offset_t_co2e, 0) as cancelled_ets_offset_t_co2e,
        coalesce(cancelled.cancelled_voluntary_t_co2e, 0) as cancelled_voluntary_t_co2e,
        coalesce(surrendered.surrendered_national_t_co2e, 0) as surrendered_national_t_co2e,
        coalesce(surrendered.surrendered_elsewhere_t_co2e, 0) as surrendered_elsewhere_t_co2e
    from cancelled
    full outer join surrendered
        on
            cancelled.enterprise_id = surrendered.enterprise_id
            and cancelled.compliance_year = surrendered.compliance_year
),

-- National surrenders take the cancelled credits first; what elsewhere finds none left may be the same credits, or local ones.
uncovered as (
    select
        joined.*,
        greatest(joined.surrendered_national_t_co2e - joined.cancelled_ets_offset_t_co2e, 0) as uncancelled_t_co2e,
        greatest(
            joined.surrendered_elsewhere_t_co2e
            - greatest(joined.cancelled_ets_offset_t_co2e - joined.surrendered_national_t_co2e, 0),
            0
        ) as uncovered_elsewhere_t_co2e
    from joined
),

measured as (
    select
        uncovered.*,
        least(uncovered.uncancelled_t_co2e, uncovered.cancelled_voluntary_t_co2e) as voluntary_reuse_t_co2e,
        least(
            uncovered.uncovered_elsewhere_t_co2e,
            least(uncovered.surrendered_national_t_co2e, uncovered.cancelled_ets_offset_t_co2e)
        ) as several_markets_t_co2e
    from uncovered
),

final as (
    select
        measured.enterprise_id,
        measured.compliance_year,
        case
            when measured.voluntary_reuse_t_co2e > {{ var('negligible_t_co2e') }} then 'voluntary_reuse'
            when measured.several_markets_t_co2e > {{ var('negligible_t_co2e') }} then 'several_markets'
            when measured.uncancelled_t_co2e > {{ var('negligible_t_co2e') }} then 'surrendered_without_cancellation'
            when
                measured.cancelled_ets_offset_t_co2e
                - measured.surrendered_national_t_co2e
                - measured.surrendered_elsewhere_t_co2e
                > {{ var('negligible_t_co2e') }}
                then 'cancelled_without_surrender'
            else 'matched'
        end as use_status,
        cast(measured.cancelled_ets_offset_t_co2e as decimal(38, 8)) as cancelled_ets_offset_t_co2e,
        cast(measured.cancelled_voluntary_t_co2e as decimal(38, 8)) as cancelled_voluntary_t_co2e,
        cast(measured.surrendered_national_t_co2e as decimal(38, 8)) as surrendered_national_t_co2e,
        cast(measured.surrendered_elsewhere_t_co2e as decimal(38, 8)) as surrendered_elsewhere_t_co2e,
        cast(measured.uncancelled_t_co2e as decimal(38, 8)) as uncancelled_t_co2e,
        cast(measured.voluntary_reuse_t_co2e as decimal(38, 8)) as voluntary_reuse_t_co2e,
        cast(measured.several_markets_t_co2e as decimal(38, 8)) as several_markets_t_co2e
    from measured
)

select * from final
