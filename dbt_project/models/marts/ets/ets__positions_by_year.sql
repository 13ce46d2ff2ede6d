with

sectors as (
    select * from {{ ref('int_ets__sectors_obligated') }}
),

surrenders as (
    select * from {{ ref('int_ets__surrenders_summed') }}
),

prices as (
    select * from {{ ref('int_ets__markets_priced') }}
),

obligations as (
    select
        sectors.market,
        sectors.enterprise_id,
        sectors.compliance_year,
        sum(sectors.verified_t_co2e) as verified_t_co2e,
        sum(sectors.allocated_t_co2e) as allocated_t_co2e,
        case when count(*) = count(sectors.benchmark_allocation_t_co2e) then sum(sectors.benchmark_allocation_t_co2e) end
            as benchmark_allocation_t_co2e,
        -- `draft` sorts before `final`.
        min(sectors.benchmark_status) as benchmark_status,
        min(sectors.first_basis) as first_basis,
        max(sectors.last_basis) as last_basis,
        sum(sectors.obligation_t_co2e) as obligation_t_co2e,
        sum(sectors.offset_cap_t_co2e) as offset_cap_t_co2e,
        max(sectors.deadline_on) as deadline_on
    from sectors
    group by
        sectors.market,
        sectors.enterprise_id,
        sectors.compliance_year
),

position_keys as (
    select
        obligations.market,
        obligations.enterprise_id,
        obligations.compliance_year
    from obligations
    union
    select
        surrenders.market,
        surrenders.enterprise_id,
        surrenders.compliance_year
    from surrenders
),

positions as (
    select
        position_keys.market,
        position_keys.enterprise_id,
        position_keys.compliance_year,
        obligations.verified_t_co2e,
        obligations.allocated_t_co2e,
        obligations.benchmark_allocation_t_co2e,
        obligations.benchmark_status,
        obligations.first_basis,
        obligations.last_basis,
        obligations.obligation_t_co2e,
        obligations.offset_cap_t_co2e,
        coalesce(surrenders.surrendered_allowance_t_co2e, 0) as surrendered_allowance_t_co2e,
        coalesce(surrenders.surrendered_offset_t_co2e, 0) as surrendered_offset_t_co2e,
        -- Engines differ in what a null does to the least of two.
        case
            when obligations.offset_cap_t_co2e is not null
                then least(coalesce(surrenders.surrendered_offset_t_co2e, 0), obligations.offset_cap_t_co2e)
        end as offset_counted_t_co2e,
        prices.price_cny_per_t,
        obligations.market is null as is_without_facility_year,
        obligations.deadline_on
    from position_keys
    left join obligations
        on
            position_keys.market = obligations.market
            and position_keys.enterprise_id = obligations.enterprise_id
            and position_keys.compliance_year = obligations.compliance_year
    left join surrenders
        on
            position_keys.market = surrenders.market
            and position_keys.enterprise_id = surrenders.enterprise_id
            and position_keys.compliance_year = surrenders.compliance_year
    left join prices
        on
            position_keys.market = prices.market
            and position_keys.compliance_year = prices.year
),

balanced as (
    select
        positions.*,
        cast(positions.obligation_t_co2e as double) - cast(positions.allocated_t_co2e as double) as shortfall_t_co2e,
        -- Rounded, so that a remainder of no meaning keeps nobody from being compliant.
        case
            when positions.obligation_t_co2e is not null
                then greatest(
                        round(
                            positions.obligation_t_co2e - positions.surrendered_allowance_t_co2e - positions.offset_counted_t_co2e, 6
                        ),
                        0
                    )
        end as outstanding_t_co2e
    from positions
),

final as (
    select
        balanced.market,
        balanced.enterprise_id,
        balanced.compliance_year,
        case
            when balanced.is_without_facility_year then 'no_data'
            when balanced.outstanding_t_co2e = 0 then 'compliant'
            when {{ as_of_day() }} < balanced.deadline_on then 'not_due'
            else 'outstanding'
        end as position_status,
        balanced.benchmark_status,
        case when balanced.first_basis <> balanced.last_basis then 'mixed' else balanced.first_basis end as output_basis,
        cast(balanced.verified_t_co2e as decimal(38, 8)) as verified_t_co2e,
        cast(balanced.allocated_t_co2e as decimal(38, 8)) as allocated_t_co2e,
        cast(balanced.benchmark_allocation_t_co2e as decimal(38, 12)) as benchmark_allocation_t_co2e,
        cast(balanced.benchmark_allocation_t_co2e - balanced.allocated_t_co2e as decimal(38, 12)) as benchmark_difference_t_co2e,
        cast(balanced.obligation_t_co2e as decimal(38, 12)) as obligation_t_co2e,
        cast(balanced.surrendered_allowance_t_co2e as decimal(38, 8)) as surrendered_allowance_t_co2e,
        cast(balanced.surrendered_offset_t_co2e as decimal(38, 8)) as surrendered_offset_t_co2e,
        cast(balanced.offset_cap_t_co2e as decimal(38, 12)) as offset_cap_t_co2e,
        cast(balanced.offset_counted_t_co2e as decimal(38, 12)) as offset_counted_t_co2e,
        cast(
            case
                when balanced.offset_counted_t_co2e is not null
                    then balanced.surrendered_offset_t_co2e - balanced.offset_counted_t_co2e
            end as decimal(38, 12)
        ) as offset_excess_t_co2e,
        cast(balanced.outstanding_t_co2e as decimal(38, 6)) as outstanding_t_co2e,
        balanced.price_cny_per_t,
        cast(balanced.obligation_t_co2e - balanced.allocated_t_co2e as decimal(38, 12)) as shortfall_t_co2e,
        {{ as_decimal('case when balanced.shortfall_t_co2e > 0 then balanced.shortfall_t_co2e else balanced.shortfall_t_co2e * 0 end'
            ~ ' * cast(balanced.price_cny_per_t as double)') }} as cost_cny,
        {{ as_decimal('case when balanced.shortfall_t_co2e < 0 then -balanced.shortfall_t_co2e else balanced.shortfall_t_co2e * 0 end'
            ~ ' * cast(balanced.price_cny_per_t as double)') }} as surplus_value_cny,
        case when not balanced.is_without_facility_year then coalesce(balanced.benchmark_status = 'draft', false) end
            as has_draft_benchmark,
        balanced.deadline_on
    from balanced
)

select * from final
