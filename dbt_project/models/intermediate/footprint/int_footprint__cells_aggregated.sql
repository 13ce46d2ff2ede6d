with

cells as (
    select * from {{ ref('int_footprint__cells_populated') }}
),

summed as (
    select
        cells.product_code,
        cells.boundary,
        cells.gwp_set,
        cells.reporting_year,
        cells.province_code,
        count(*) as disclosure_count,
        count(distinct cells.enterprise_id) as enterprise_count,
        {{ ordered_sum('cells.output_quantity') }} as output_quantity,
        {{ ordered_sum('cells.output_kg_co2e') }} as output_kg_co2e,
        {{ ordered_sum('case when cells.is_verified then cells.output_quantity else 0 end') }}
            as verified_quantity,
        {{ ordered_sum('coalesce(cells.primary_data_share, 0) * cells.output_quantity') }}
            as primary_quantity,
        {{ ordered_mean('cells.declared_kg_co2e') }} as mean_kg_co2e,
        {{ ordered_stddev('cells.declared_kg_co2e') }} as stddev_kg_co2e,
        {{ percentile_linear('cells.declared_kg_co2e', 0.10) }} as p10_kg_co2e,
        {{ percentile_linear('cells.declared_kg_co2e', 0.25) }} as p25_kg_co2e,
        {{ percentile_linear('cells.declared_kg_co2e', 0.50) }} as p50_kg_co2e,
        {{ percentile_linear('cells.declared_kg_co2e', 0.75) }} as p75_kg_co2e,
        {{ percentile_linear('cells.declared_kg_co2e', 0.90) }} as p90_kg_co2e
    from cells
    group by
        cells.product_code,
        cells.boundary,
        cells.gwp_set,
        cells.reporting_year,
        cells.province_code
),

final as (
    select
        summed.product_code,
        summed.boundary,
        summed.gwp_set,
        summed.reporting_year,
        summed.province_code,
        summed.disclosure_count,
        summed.enterprise_count,
        summed.output_quantity,
        summed.output_kg_co2e / nullif(summed.output_quantity, 0) as weighted_mean_kg_co2e,
        summed.mean_kg_co2e,
        summed.stddev_kg_co2e,
        summed.p10_kg_co2e,
        summed.p25_kg_co2e,
        summed.p50_kg_co2e,
        summed.p75_kg_co2e,
        summed.p90_kg_co2e,
        summed.output_kg_co2e / 1000 as total_t_co2e,
        summed.verified_quantity / nullif(summed.output_quantity, 0) as verified_share,
        summed.primary_quantity / nullif(summed.output_quantity, 0) as primary_data_share
    from summed
)

select * from final
