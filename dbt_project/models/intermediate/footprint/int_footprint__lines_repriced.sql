-- Each disclosure that an edition prices, as it would stand by itself if that edition had not been published: the next factor in the same
-- order takes its place, or none does and the line is unpriced (methods.md M13).
with

activities as (
    select * from {{ ref('int_footprint__activities_priced') }}
),

disclosures as (
    select * from {{ ref('int_footprint__lines_summed') }}
),

editions as (
    select * from {{ ref('int_footprint__editions_numbered') }}
),

repriced as (
    select
        activities.factor_id,
        activities.factor_edition,
        activities.disclosure_id,
        count(*) as line_count,
        count(activities.alternative_line_kg_co2e) as priced_line_count,
        {{ ordered_sum('activities.line_kg_co2e') }} as line_kg_co2e,
        coalesce({{ ordered_sum('activities.alternative_line_kg_co2e') }}, 0) as alternative_line_kg_co2e
    from activities
    where activities.is_newest_edition
    group by
        activities.factor_id,
        activities.factor_edition,
        activities.disclosure_id
),

final as (
    select
        editions.edition_number,
        disclosures.network_number,
        -- Nothing is taken from a sum of which nothing else is left.
        case
            when repriced.line_count = disclosures.priced_line_count - disclosures.linked_line_count then 0
            else disclosures.factor_kg_co2e - repriced.line_kg_co2e
        end + repriced.alternative_line_kg_co2e as factor_kg_co2e,
        disclosures.recalculation_status = 'complete' and repriced.priced_line_count = repriced.line_count as is_complete,
        disclosures.priced_line_count - repriced.line_count + repriced.priced_line_count as priced_line_count
    from repriced
    inner join disclosures
        on repriced.disclosure_id = disclosures.disclosure_id
    inner join editions
        on
            repriced.factor_id = editions.factor_id
            and repriced.factor_edition = editions.factor_edition
    where
        repriced.priced_line_count < repriced.line_count
        or repriced.alternative_line_kg_co2e <> repriced.line_kg_co2e
)

select * from final
