-- Within a cell the worst of one tier is not dirtier than the best of the next.
with

tier_extremes as (
    select
        tiers.product_code,
        tiers.boundary,
        tiers.gwp_set,
        tiers.reporting_year,
        tiers.tier,
        min(tiers.declared_kg_co2e) as lowest_kg_co2e,
        max(tiers.declared_kg_co2e) as highest_kg_co2e
    from {{ ref('footprint__product_tiers') }} as tiers
    where tiers.tier is not null
    group by
        tiers.product_code,
        tiers.boundary,
        tiers.gwp_set,
        tiers.reporting_year,
        tiers.tier
)

select
    better.product_code,
    better.boundary,
    better.gwp_set,
    better.reporting_year,
    better.tier
from tier_extremes as better
inner join tier_extremes as worse
    on
        better.product_code = worse.product_code
        and better.boundary = worse.boundary
        and better.gwp_set = worse.gwp_set
        and better.reporting_year = worse.reporting_year
        and better.tier < worse.tier
where better.highest_kg_co2e >= worse.lowest_kg_co2e
