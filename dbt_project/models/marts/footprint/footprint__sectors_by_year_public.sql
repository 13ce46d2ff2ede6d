-- A change tells the figure of the year before to whoever knows this year's: it is shown where both are (methods.md M4).
with

sectors as (
    select * from {{ ref('footprint__sectors_by_year') }}
),

suppressed as (
    select * from {{ ref('int_footprint__cells_suppressed') }}
),

final as (
    select
        sectors.product_code,
        sectors.boundary,
        sectors.gwp_set,
        sectors.reporting_year,
        sectors.province_code,
        sectors.product_name_zh,
        sectors.product_name_en,
        sectors.province_name_zh,
        sectors.province_name_en,
        sectors.declared_unit,
        this_year.suppression_reason,
        case when this_year.is_published then sectors.disclosure_count end as disclosure_count,
        case when this_year.is_published then sectors.enterprise_count end as enterprise_count,
        case when this_year.is_published then sectors.output_quantity end as output_quantity,
        case when this_year.is_published then sectors.weighted_mean_kg_co2e end as weighted_mean_kg_co2e,
        case when this_year.is_published then sectors.mean_kg_co2e end as mean_kg_co2e,
        case when this_year.is_published then sectors.stddev_kg_co2e end as stddev_kg_co2e,
        case when this_year.is_published then sectors.p10_kg_co2e end as p10_kg_co2e,
        case when this_year.is_published then sectors.p25_kg_co2e end as p25_kg_co2e,
        case when this_year.is_published then sectors.p50_kg_co2e end as p50_kg_co2e,
        case when this_year.is_published then sectors.p75_kg_co2e end as p75_kg_co2e,
        case when this_year.is_published then sectors.p90_kg_co2e end as p90_kg_co2e,
        case when this_year.is_published then sectors.total_t_co2e end as total_t_co2e,
        case when this_year.is_published then sectors.verified_share end as verified_share,
        case when this_year.is_published then sectors.primary_data_share end as primary_data_share,
        case when this_year.is_published and year_before.is_published then sectors.yoy_change_kg_co2e end as yoy_change_kg_co2e,
        case when this_year.is_published and year_before.is_published then sectors.yoy_within_kg_co2e end as yoy_within_kg_co2e,
        case when this_year.is_published and year_before.is_published then sectors.yoy_mix_kg_co2e end as yoy_mix_kg_co2e,
        case when this_year.is_published and year_before.is_published then sectors.yoy_entry_exit_kg_co2e end as yoy_entry_exit_kg_co2e
    from sectors
    -- A cell without a decision is not shown.
    left join suppressed as this_year
        on
            sectors.product_code = this_year.product_code
            and sectors.boundary = this_year.boundary
            and sectors.gwp_set = this_year.gwp_set
            and sectors.reporting_year = this_year.reporting_year
            and sectors.province_code = this_year.province_code
    left join suppressed as year_before
        on
            sectors.product_code = year_before.product_code
            and sectors.boundary = year_before.boundary
            and sectors.gwp_set = year_before.gwp_set
            and sectors.reporting_year = year_before.reporting_year + 1
            and sectors.province_code = year_before.province_code
)

select * from final
