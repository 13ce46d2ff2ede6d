-- What is said about the public table is what stands in it, and every reason is one or the other.
with

counted as (
    select
        public_sectors.boundary,
        public_sectors.gwp_set,
        public_sectors.reporting_year,
        count(*) as cell_count,
        count(public_sectors.suppression_reason) as suppressed_cell_count
    from {{ ref('footprint__sectors_by_year_public') }} as public_sectors
    group by
        public_sectors.boundary,
        public_sectors.gwp_set,
        public_sectors.reporting_year
)

select
    counted.boundary,
    counted.gwp_set,
    counted.reporting_year
from counted
full outer join {{ ref('footprint__suppressions_by_year') }} as suppressions
    on
        counted.boundary = suppressions.boundary
        and counted.gwp_set = suppressions.gwp_set
        and counted.reporting_year = suppressions.reporting_year
where
    coalesce(counted.cell_count <> suppressions.cell_count, true)
    or counted.suppressed_cell_count <> suppressions.suppressed_cell_count
    or suppressions.suppressed_cell_count <> suppressions.primary_cell_count + suppressions.complementary_cell_count
    or suppressions.suppressed_t_co2e > suppressions.total_t_co2e * (1 + 1e-9)
