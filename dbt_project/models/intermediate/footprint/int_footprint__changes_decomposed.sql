-- Griliches and Regev's decomposition (methods.md M3).
with

aggregated as (
    select * from {{ ref('int_footprint__cells_aggregated') }}
),

enterprises as (
    select * from {{ ref('int_footprint__enterprises_weighted') }}
),

cell_changes as (
    select
        this_year.product_code,
        this_year.boundary,
        this_year.gwp_set,
        this_year.reporting_year,
        this_year.province_code,
        this_year.weighted_mean_kg_co2e - year_before.weighted_mean_kg_co2e as yoy_change_kg_co2e,
        (this_year.weighted_mean_kg_co2e + year_before.weighted_mean_kg_co2e) / 2 as reference_kg_co2e
    from aggregated as this_year
    inner join aggregated as year_before
        on
            this_year.product_code = year_before.product_code
            and this_year.boundary = year_before.boundary
            and this_year.gwp_set = year_before.gwp_set
            and this_year.province_code = year_before.province_code
            and this_year.reporting_year = year_before.reporting_year + 1
),

enterprise_pairs as (
    select
        coalesce(this_year.product_code, year_before.product_code) as product_code,
        coalesce(this_year.boundary, year_before.boundary) as boundary,
        coalesce(this_year.gwp_set, year_before.gwp_set) as gwp_set,
        coalesce(this_year.reporting_year, year_before.reporting_year + 1) as reporting_year,
        coalesce(this_year.province_code, year_before.province_code) as province_code,
        coalesce(this_year.enterprise_id, year_before.enterprise_id) as enterprise_id,
        this_year.weighted_kg_co2e,
        this_year.output_share,
        year_before.weighted_kg_co2e as previous_kg_co2e,
        year_before.output_share as previous_share
    from enterprises as this_year
    full outer join enterprises as year_before
        on
            this_year.product_code = year_before.product_code
            and this_year.boundary = year_before.boundary
            and this_year.gwp_set = year_before.gwp_set
            and this_year.province_code = year_before.province_code
            and this_year.enterprise_id = year_before.enterprise_id
            and this_year.reporting_year = year_before.reporting_year + 1
),

contributions as (
    select
        cell_changes.product_code,
        cell_changes.boundary,
        cell_changes.gwp_set,
        cell_changes.reporting_year,
        cell_changes.province_code,
        enterprise_pairs.enterprise_id,
        case
            when enterprise_pairs.output_share is not null and enterprise_pairs.previous_share is not null
                then
                    (enterprise_pairs.output_share + enterprise_pairs.previous_share) / 2
                    * (enterprise_pairs.weighted_kg_co2e - enterprise_pairs.previous_kg_co2e)
            else 0
        end as within_kg_co2e,
        case
            when enterprise_pairs.output_share is not null and enterprise_pairs.previous_share is not null
                then
                    (enterprise_pairs.output_share - enterprise_pairs.previous_share)
                    * (
                        (enterprise_pairs.weighted_kg_co2e + enterprise_pairs.previous_kg_co2e) / 2
                        - cell_changes.reference_kg_co2e
                    )
            else 0
        end as mix_kg_co2e,
        case
            when enterprise_pairs.previous_share is null
                then enterprise_pairs.output_share * (enterprise_pairs.weighted_kg_co2e - cell_changes.reference_kg_co2e)
            when enterprise_pairs.output_share is null
                then -enterprise_pairs.previous_share * (enterprise_pairs.previous_kg_co2e - cell_changes.reference_kg_co2e)
            else 0
        end as entry_exit_kg_co2e
    from cell_changes
    inner join enterprise_pairs
        on
            cell_changes.product_code = enterprise_pairs.product_code
            and cell_changes.boundary = enterprise_pairs.boundary
            and cell_changes.gwp_set = enterprise_pairs.gwp_set
            and cell_changes.reporting_year = enterprise_pairs.reporting_year
            and cell_changes.province_code = enterprise_pairs.province_code
    where cell_changes.yoy_change_kg_co2e is not null
),

parts as (
    select
        contributions.product_code,
        contributions.boundary,
        contributions.gwp_set,
        contributions.reporting_year,
        contributions.province_code,
        {{ ordered_sum('contributions.within_kg_co2e') }} as yoy_within_kg_co2e,
        {{ ordered_sum('contributions.mix_kg_co2e') }} as yoy_mix_kg_co2e,
        {{ ordered_sum('contributions.entry_exit_kg_co2e') }} as yoy_entry_exit_kg_co2e
    from contributions
    group by
        contributions.product_code,
        contributions.boundary,
        contributions.gwp_set,
        contributions.reporting_year,
        contributions.province_code
),

final as (
    select
        cell_changes.product_code,
        cell_changes.boundary,
        cell_changes.gwp_set,
        cell_changes.reporting_year,
        cell_changes.province_code,
        cell_changes.yoy_change_kg_co2e,
        parts.yoy_within_kg_co2e,
        parts.yoy_mix_kg_co2e,
        parts.yoy_entry_exit_kg_co2e
    from cell_changes
    left join parts
        on
            cell_changes.product_code = parts.product_code
            and cell_changes.boundary = parts.boundary
            and cell_changes.gwp_set = parts.gwp_set
            and cell_changes.reporting_year = parts.reporting_year
            and cell_changes.province_code = parts.province_code
)

select * from final
