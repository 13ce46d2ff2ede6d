with

activities as (
    select * from {{ ref('int_footprint__activities_resolved') }}
),

factors as (
    select * from {{ ref('stg_emission_factors') }}
),

activity as (
    select * from {{ ref('activity') }}
),

-- A million lines need only some thousand distinct choices, so the choice is made once per key and joined back.
line_keys as (
    select distinct
        activities.activity_code,
        activities.geography_code,
        activities.period_end
    from activities
),

geography_steps as (
    select
        line_keys.activity_code,
        line_keys.geography_code,
        line_keys.period_end,
        line_keys.geography_code as factor_geography_code,
        1 as geography_step
    from line_keys
    union all
    select
        line_keys.activity_code,
        line_keys.geography_code,
        line_keys.period_end,
        'CN' as factor_geography_code,
        2 as geography_step
    from line_keys
    where line_keys.geography_code not in ('CN', 'GLO')
    union all
    select
        line_keys.activity_code,
        line_keys.geography_code,
        line_keys.period_end,
        'GLO' as factor_geography_code,
        3 as geography_step
    from line_keys
    where line_keys.geography_code <> 'GLO'
),

published_factors as (
    select
        factors.*,
        row_number() over (
            partition by factors.factor_id
            order by factors.published_on desc, factors.edition desc, factors.valid_from desc
        ) = 1 as is_newest_edition
    from factors
    where
        factors.factor_family = 'footprint'
        and factors.published_on <= {{ as_of_day() }}
),

candidates as (
    select
        geography_steps.activity_code,
        geography_steps.geography_code,
        geography_steps.period_end,
        geography_steps.geography_step,
        published_factors.factor_id,
        published_factors.edition as factor_edition,
        published_factors.geography_code as factor_geography_code,
        published_factors.unit_dimension as factor_unit_dimension,
        published_factors.kg_co2e_per_base_unit,
        published_factors.is_newest_edition,
        coalesce(published_factors.uncertainty_pct, activity.default_uncertainty_pct) as factor_uncertainty_pct,
        row_number() over (
            partition by geography_steps.activity_code, geography_steps.geography_code, geography_steps.period_end
            order by
                geography_steps.geography_step asc,
                published_factors.valid_from desc,
                published_factors.published_on desc,
                published_factors.edition desc,
                published_factors.factor_id desc
        ) as preference_rank
    from geography_steps
    inner join published_factors
        on
            geography_steps.activity_code = published_factors.activity_code
            and geography_steps.factor_geography_code = published_factors.geography_code
            and geography_steps.period_end >= published_factors.valid_from
            and (published_factors.valid_to is null or geography_steps.period_end < published_factors.valid_to)
    left join activity
        on geography_steps.activity_code = activity.activity_code
),

-- What would be used if the chosen row had not been published: the next in the same order (methods.md M13).
chosen as (
    select
        candidates.*,
        alternatives.factor_id as alternative_factor_id,
        alternatives.factor_edition as alternative_edition,
        alternatives.factor_unit_dimension as alternative_unit_dimension,
        alternatives.kg_co2e_per_base_unit as alternative_kg_co2e_per_base_unit
    from candidates
    left join candidates as alternatives
        on
            candidates.activity_code = alternatives.activity_code
            and candidates.geography_code = alternatives.geography_code
            and candidates.period_end = alternatives.period_end
            and alternatives.preference_rank = 2
    where candidates.preference_rank = 1
),

final as (
    select
        chosen.activity_code,
        chosen.geography_code,
        chosen.period_end,
        chosen.factor_id,
        chosen.factor_edition,
        chosen.factor_geography_code,
        chosen.factor_unit_dimension,
        chosen.geography_step,
        chosen.kg_co2e_per_base_unit,
        chosen.factor_uncertainty_pct,
        chosen.is_newest_edition,
        chosen.alternative_factor_id,
        chosen.alternative_edition,
        chosen.alternative_unit_dimension,
        chosen.alternative_kg_co2e_per_base_unit
    from chosen
)

select * from final
