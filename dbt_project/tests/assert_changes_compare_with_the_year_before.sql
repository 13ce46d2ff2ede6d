-- A change stands where the year before has a weighted mean, and is the difference from it.
select
    this_year.product_code,
    this_year.boundary,
    this_year.gwp_set,
    this_year.reporting_year,
    this_year.province_code
from {{ ref('footprint__sectors_by_year') }} as this_year
left join {{ ref('footprint__sectors_by_year') }} as year_before
    on
        this_year.product_code = year_before.product_code
        and this_year.boundary = year_before.boundary
        and this_year.gwp_set = year_before.gwp_set
        and this_year.province_code = year_before.province_code
        and this_year.reporting_year = year_before.reporting_year + 1
where
    (this_year.yoy_change_kg_co2e is null)
    <> (this_year.weighted_mean_kg_co2e is null or year_before.weighted_mean_kg_co2e is null)
    or abs(this_year.weighted_mean_kg_co2e - year_before.weighted_mean_kg_co2e - this_year.yoy_change_kg_co2e)
    > 1e-9 * abs(this_year.weighted_mean_kg_co2e)
