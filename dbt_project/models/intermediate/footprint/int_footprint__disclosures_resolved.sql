with

footprints as (
    select * from {{ ref('stg_product_footprints') }}
),

enterprises as (
    select * from {{ ref('int_footprint__enterprises_resolved') }}
),

ranked as (
    select
        footprints.*,
        row_number() over (
            partition by footprints.disclosure_id
            order by footprints.revision desc, footprints._received_at desc, footprints._sequence desc, footprints._row_number desc
        ) as recency_rank
    from footprints
),

final as (
    select
        ranked.disclosure_id,
        ranked.revision,
        ranked.enterprise_id,
        ranked.product_code,
        -- 000000 is the country, not a province: such an enterprise counts in the country only.
        nullif(enterprises.province_code, '000000') as province_code,
        ranked.declared_unit,
        ranked.disclosed_unit,
        ranked.boundary,
        ranked.gwp_set,
        ranked.reporting_year,
        ranked.footprint_unit_ratio,
        ranked.output_quantity,
        ranked.raw_material_kg_co2e,
        ranked.production_kg_co2e,
        ranked.distribution_kg_co2e,
        ranked.use_kg_co2e,
        ranked.end_of_life_kg_co2e,
        ranked.declared_kg_co2e,
        ranked.removals_kg_co2e,
        ranked.primary_data_share,
        ranked.data_quality_rating,
        ranked.is_verified,
        ranked.period_start,
        ranked.period_end,
        ranked.verified_on,
        ranked._delivery_id,
        ranked._row_number
    from ranked
    left join enterprises
        on ranked.enterprise_id = enterprises.enterprise_id
    where ranked.recency_rank = 1
)

select * from final
