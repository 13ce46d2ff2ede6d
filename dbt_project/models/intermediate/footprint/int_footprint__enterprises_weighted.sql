with

cells as (
    select * from {{ ref('int_footprint__cells_populated') }}
),

aggregated as (
    select * from {{ ref('int_footprint__cells_aggregated') }}
),

summed as (
    select
        cells.product_code,
        cells.boundary,
        cells.gwp_set,
        cells.reporting_year,
        cells.province_code,
        cells.enterprise_id,
        {{ ordered_sum('cells.output_quantity') }} as output_quantity,
        {{ ordered_sum('cells.output_kg_co2e') }} as output_kg_co2e
    from cells
    group by
        cells.product_code,
        cells.boundary,
        cells.gwp_set,
        cells.reporting_year,
        cells.province_code,
        cells.enterprise_id
),

-- An enterprise without known output has no weight in the mean, so it neither enters nor leaves it.
final as (
    select
        summed.product_code,
        summed.boundary,
        summed.gwp_set,
        summed.reporting_year,
        summed.province_code,
        summed.enterprise_id,
        summed.output_kg_co2e / summed.output_quantity as weighted_kg_co2e,
        summed.output_quantity / aggregated.output_quantity as output_share
    from summed
    inner join aggregated
        on
            summed.product_code = aggregated.product_code
            and summed.boundary = aggregated.boundary
            and summed.gwp_set = aggregated.gwp_set
            and summed.reporting_year = aggregated.reporting_year
            and summed.province_code = aggregated.province_code
    where summed.output_quantity > 0
)

select * from final
