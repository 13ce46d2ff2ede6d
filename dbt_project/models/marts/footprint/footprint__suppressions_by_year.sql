with

sectors as (
    select * from {{ ref('footprint__sectors_by_year') }}
),

public_sectors as (
    select * from {{ ref('footprint__sectors_by_year_public') }}
),

paired as (
    select
        sectors.boundary,
        sectors.gwp_set,
        sectors.reporting_year,
        -- Tonnes are counted once: in the provinces. The country is a cell like the others, and the sum of them.
        case when sectors.province_code <> '000000' then sectors.total_t_co2e end as total_t_co2e,
        public_sectors.suppression_reason
    from sectors
    inner join public_sectors
        on
            sectors.product_code = public_sectors.product_code
            and sectors.boundary = public_sectors.boundary
            and sectors.gwp_set = public_sectors.gwp_set
            and sectors.reporting_year = public_sectors.reporting_year
            and sectors.province_code = public_sectors.province_code
),

summed as (
    select
        paired.boundary,
        paired.gwp_set,
        paired.reporting_year,
        count(*) as cell_count,
        count(paired.suppression_reason) as suppressed_cell_count,
        count(case when paired.suppression_reason like 'primary%' then 1 end) as primary_cell_count,
        count(case when paired.suppression_reason = 'complementary' then 1 end) as complementary_cell_count,
        coalesce({{ ordered_sum('paired.total_t_co2e') }}, 0) as total_t_co2e,
        coalesce(
            {{ ordered_sum('case when paired.suppression_reason is not null then paired.total_t_co2e end') }}, 0
        ) as suppressed_t_co2e
    from paired
    group by
        paired.boundary,
        paired.gwp_set,
        paired.reporting_year
),

final as (
    select
        summed.boundary,
        summed.gwp_set,
        summed.reporting_year,
        summed.cell_count,
        summed.suppressed_cell_count,
        summed.primary_cell_count,
        summed.complementary_cell_count,
        summed.suppressed_cell_count / cast(summed.cell_count as double) as suppressed_cell_share,
        summed.total_t_co2e,
        summed.suppressed_t_co2e,
        summed.suppressed_t_co2e / nullif(summed.total_t_co2e, 0) as suppressed_total_share
    from summed
)

select * from final
