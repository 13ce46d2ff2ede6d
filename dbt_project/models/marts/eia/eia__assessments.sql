with

projects as (
    select * from {{ ref('int_eia__projects_resolved') }}
),

chosen as (
    select * from {{ ref('int_eia__benchmarks_selected') }}
),

ranked as (
    select * from {{ ref('int_eia__intensities_ranked') }}
),

outcomes as (
    select * from {{ ref('int_eia__outcomes_weighted') }}
),

pilots as (
    select * from {{ ref('int_eia__pilots_matched') }}
),

tier_limits as (
    select * from {{ ref('int_footprint__tier_limits_dated') }}
),

limits as (
    {{ tier_scales('tier_limits') }}
),

placed as (
    select
        projects.*,
        chosen.reporting_year as benchmark_year,
        chosen.gwp_set,
        chosen.p50_kg_co2e,
        ranked.cleaner_count / cast(chosen.disclosure_count as double) as percentile_rank,
        cast(
            case
                when projects.intensity_kg_co2e is not null
                    then coalesce(
                            {{ item_of_first_limit('projects.intensity_kg_co2e', 'limits.upper_limits', 'limits.tiers') }},
                            limits.last_tier + 1
                        )
            end as bigint
        ) as tier
    from projects
    left join chosen
        on projects.eia_id = chosen.eia_id
    left join ranked
        on projects.eia_id = ranked.eia_id
    left join limits
        on
            chosen.product_code = limits.product_code
            and chosen.boundary = limits.boundary
            and chosen.gwp_set = limits.gwp_set
            and chosen.reporting_year = limits.reporting_year
),

final as (
    select
        placed.eia_id,
        placed.enterprise_id,
        placed.product_code,
        placed.province_code,
        placed.industry_code,
        placed.gwp_set,
        placed.approval_level,
        pilots.pilot_sector,
        placed.declared_unit,
        case
            when placed.tier is null then 'no_benchmark'
            when placed.tier = 1 then 'leading'
            when placed.tier <= 3 then 'acceptable'
            else 'lagging'
        end as verdict,
        placed.intensity_kg_co2e,
        placed.benchmark_year,
        placed.percentile_rank,
        placed.tier,
        placed.intensity_kg_co2e / nullif(placed.p50_kg_co2e, 0) - 1 as gap_to_p50_ratio,
        outcomes.ex_post_year,
        outcomes.ex_post_kg_co2e,
        outcomes.ex_post_kg_co2e / nullif(placed.intensity_kg_co2e, 0) - 1 as ex_post_gap_ratio,
        pilots.eia_id is not null as is_pilot_project,
        placed.approved_on
    from placed
    left join outcomes
        on placed.eia_id = outcomes.eia_id
    left join pilots
        on placed.eia_id = pilots.eia_id
)

select * from final
