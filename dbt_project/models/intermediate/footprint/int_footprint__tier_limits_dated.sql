-- Cut points are dated seed rows, so their shares are data: the percentile is interpolated here by position, since engines
-- take a percentile's share as a constant only.
with

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

tier_cut as (
    select * from {{ ref('tier_cut') }}
),

ranked_cuts as (
    select
        tier_cut.tier,
        tier_cut.upper_percentile,
        row_number() over (partition by tier_cut.tier order by tier_cut.valid_from desc) as recency_rank
    from tier_cut
    where tier_cut.valid_from <= {{ rule_day() }}
),

cuts_in_force as (
    select
        ranked_cuts.tier,
        ranked_cuts.upper_percentile / 100.0 as upper_share
    from ranked_cuts
    where ranked_cuts.recency_rank = 1
),

ordered_disclosures as (
    select
        disclosures.product_code,
        disclosures.boundary,
        disclosures.gwp_set,
        disclosures.reporting_year,
        disclosures.declared_kg_co2e,
        row_number() over (
            partition by disclosures.product_code, disclosures.boundary, disclosures.gwp_set, disclosures.reporting_year
            order by disclosures.declared_kg_co2e asc, disclosures.disclosure_id asc
        ) - 1 as position_before
    from disclosures
),

cells as (
    select
        disclosures.product_code,
        disclosures.boundary,
        disclosures.gwp_set,
        disclosures.reporting_year,
        count(*) as disclosure_count
    from disclosures
    group by
        disclosures.product_code,
        disclosures.boundary,
        disclosures.gwp_set,
        disclosures.reporting_year
    having count(distinct disclosures.enterprise_id) >= {{ var('benchmark_min_enterprises') }}
),

positions as (
    select
        cells.product_code,
        cells.boundary,
        cells.gwp_set,
        cells.reporting_year,
        cuts_in_force.tier,
        (cells.disclosure_count - 1) * cast(cuts_in_force.upper_share as double) as cut_position
    from cells
    cross join cuts_in_force
),

final as (
    select
        positions.product_code,
        positions.boundary,
        positions.gwp_set,
        positions.reporting_year,
        positions.tier,
        lower_neighbours.declared_kg_co2e
        + (upper_neighbours.declared_kg_co2e - lower_neighbours.declared_kg_co2e)
        * (positions.cut_position - floor(positions.cut_position)) as upper_kg_co2e
    from positions
    inner join ordered_disclosures as lower_neighbours
        on
            positions.product_code = lower_neighbours.product_code
            and positions.boundary = lower_neighbours.boundary
            and positions.gwp_set = lower_neighbours.gwp_set
            and positions.reporting_year = lower_neighbours.reporting_year
            and lower_neighbours.position_before = cast(floor(positions.cut_position) as bigint)
    inner join ordered_disclosures as upper_neighbours
        on
            positions.product_code = upper_neighbours.product_code
            and positions.boundary = upper_neighbours.boundary
            and positions.gwp_set = upper_neighbours.gwp_set
            and positions.reporting_year = upper_neighbours.reporting_year
            and upper_neighbours.position_before = cast(ceil(positions.cut_position) as bigint)
)

select * from final
