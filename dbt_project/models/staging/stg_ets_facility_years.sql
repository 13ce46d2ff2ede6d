with

facility_years as (
    select * from {{ source('landing', 'ets_facility_year') }}
),

final as (
    select
        facility_years.market,
        facility_years.facility_id,
        facility_years.benchmark_category,
        facility_years.enterprise_id,
        facility_years.sector,
        facility_years.output_unit,
        cast(facility_years.compliance_year as integer) as compliance_year,
        facility_years.output_quantity as facility_output_quantity,
        cast(facility_years.verified_t_co2e as decimal(28, 8)) as verified_t_co2e,
        cast(facility_years.allocated_t_co2e as decimal(28, 8)) as allocated_t_co2e,
        facility_years._delivery_id,
        facility_years._row_number,
        facility_years._received_at,
        facility_years._sequence
    from facility_years
)

select * from final
