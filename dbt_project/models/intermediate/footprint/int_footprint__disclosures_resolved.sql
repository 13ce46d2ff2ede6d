with

footprints as (
    select * from {{ ref('stg_product_footprints') }}
),

enterprises as (
    select * from {{ ref('int_footprint__enterprises_resolved') }}
),

gwp_set_rule as (
    select * from {{ ref('gwp_set_rule') }}
),

dated_rules as (
    select
        gwp_set_rule.gwp_set,
        gwp_set_rule.is_accepted,
        row_number() over (partition by gwp_set_rule.gwp_set order by gwp_set_rule.valid_from desc) as recency_rank
    from gwp_set_rule
    where gwp_set_rule.valid_from <= {{ rule_day() }}
),

refused_sets as (
    select dated_rules.gwp_set
    from dated_rules
    where dated_rules.recency_rank = 1 and not dated_rules.is_accepted
),

-- A revision that was withdrawn once is withdrawn, whatever else was said about it before or after.
revisions as (
    select
        footprints.disclosure_id,
        footprints.revision,
        bool_or(footprints.is_withdrawn) as is_withdrawn
    from footprints
    group by footprints.disclosure_id, footprints.revision
),

-- The newest revision decides alone: where it is withdrawn, an older one, superseded already, does not return.
newest_revisions as (
    select
        revisions.disclosure_id,
        max(revisions.revision) as revision,
        max_by(revisions.is_withdrawn, revisions.revision) as is_withdrawn
    from revisions
    group by revisions.disclosure_id
),

final as (
    select
        footprints.disclosure_id,
        footprints.revision,
        footprints.enterprise_id,
        footprints.product_code,
        -- 000000 is the country, not a province: such an enterprise counts in the country only.
        nullif(enterprises.province_code, '000000') as province_code,
        footprints.declared_unit,
        footprints.disclosed_unit,
        footprints.boundary,
        footprints.gwp_set,
        footprints.reporting_year,
        footprints.footprint_unit_ratio,
        footprints.output_quantity,
        footprints.raw_material_kg_co2e,
        footprints.production_kg_co2e,
        footprints.distribution_kg_co2e,
        footprints.use_kg_co2e,
        footprints.end_of_life_kg_co2e,
        footprints.declared_kg_co2e,
        footprints.removals_kg_co2e,
        footprints.primary_data_share,
        footprints.data_quality_rating,
        footprints.is_verified,
        footprints.period_start,
        footprints.period_end,
        footprints.verified_on,
        footprints._delivery_id,
        footprints._row_number
    from footprints
    inner join newest_revisions
        on
            footprints.disclosure_id = newest_revisions.disclosure_id
            and footprints.revision = newest_revisions.revision
            and not newest_revisions.is_withdrawn
    left join enterprises
        on footprints.enterprise_id = enterprises.enterprise_id
    left join refused_sets
        on footprints.gwp_set = refused_sets.gwp_set
    where refused_sets.gwp_set is null
)

select * from final
