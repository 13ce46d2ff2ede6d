-- A change tells the figure of the year before to whoever knows this year's: it is shown where both are (methods.md M4).
{%- set figures = [
    'disclosure_count', 'enterprise_count', 'output_quantity', 'weighted_mean_kg_co2e', 'mean_kg_co2e', 'stddev_kg_co2e',
    'p10_kg_co2e', 'p25_kg_co2e', 'p50_kg_co2e', 'p75_kg_co2e', 'p90_kg_co2e', 'total_t_co2e', 'verified_share', 'primary_data_share',
] %}
{%- set changes = ['yoy_change_kg_co2e', 'yoy_within_kg_co2e', 'yoy_mix_kg_co2e', 'yoy_entry_exit_kg_co2e'] %}
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
        {%- for figure in figures %}
        case when this_year.is_published then sectors.{{ figure }} end as {{ figure }},
        {%- endfor %}
        {%- for change in changes %}
        case when this_year.is_published and year_before.is_published then sectors.{{ change }} end as {{ change }}{{ "," if not loop.last }}
        {%- endfor %}
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
