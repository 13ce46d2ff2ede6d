-- How many of the benchmark's disclosures are strictly cleaner than the promise, counted in one pass over each cell: projects and
-- disclosures stand in one order, in which a project comes before those equal to it.
with

projects as (
    select * from {{ ref('int_eia__projects_resolved') }}
),

chosen as (
    select * from {{ ref('int_eia__benchmarks_selected') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

chosen_cells as (
    select distinct
        chosen.product_code,
        chosen.boundary,
        chosen.gwp_set,
        chosen.reporting_year
    from chosen
),

ordered_values as (
    select
        {{ text_of('null') }} as eia_id,
        disclosures.product_code,
        disclosures.boundary,
        disclosures.gwp_set,
        disclosures.reporting_year,
        disclosures.declared_kg_co2e as value_kg_co2e,
        1 as is_disclosure
    from disclosures
    inner join chosen_cells
        on
            disclosures.product_code = chosen_cells.product_code
            and disclosures.boundary = chosen_cells.boundary
            and disclosures.gwp_set = chosen_cells.gwp_set
            and disclosures.reporting_year = chosen_cells.reporting_year
    union all
    select
        chosen.eia_id,
        chosen.product_code,
        chosen.boundary,
        chosen.gwp_set,
        chosen.reporting_year,
        projects.intensity_kg_co2e as value_kg_co2e,
        0 as is_disclosure
    from chosen
    inner join projects
        on chosen.eia_id = projects.eia_id
    where projects.intensity_kg_co2e is not null
),

counted as (
    select
        ordered_values.eia_id,
        sum(ordered_values.is_disclosure) over (
            partition by
                ordered_values.product_code,
                ordered_values.boundary,
                ordered_values.gwp_set,
                ordered_values.reporting_year
            order by ordered_values.value_kg_co2e asc, ordered_values.is_disclosure asc
            rows between unbounded preceding and current row
        ) as cleaner_count
    from ordered_values
),

final as (
    select
        counted.eia_id,
        cast(counted.cleaner_count as bigint) as cleaner_count
    from counted
    where counted.eia_id is not null
)

select * from final
