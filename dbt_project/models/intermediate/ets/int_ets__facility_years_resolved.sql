{{ config(materialized='view') }}

with

facility_years as (
    select * from {{ ref('stg_ets_facility_years') }}
),

ranked as (
    select
        facility_years.*,
        row_number() over (
            partition by
                facility_years.market,
                facility_years.facility_id,
                facility_years.compliance_year,
                facility_years.benchmark_category
            order by facility_years._received_at desc, facility_years._sequence desc, facility_years._row_number desc
        ) as recency_rank
    from facility_years
),

final as (
    select
        ranked.market,
        ranked.facility_id,
        ranked.benchmark_category,
        ranked.enterprise_id,
        ranked.sector,
        ranked.output_unit,
        ranked.compliance_year,
        ranked.facility_output_quantity,
        ranked.verified_t_co2e,
        ranked.allocated_t_co2e,
        ranked._delivery_id,
        ranked._row_number
    from ranked
    where ranked.recency_rank = 1
)

select * from final
