-- The newest edition of each factor that prices a line now, numbered, so that the counterfactuals can be laid side by side.
with

activities as (
    select * from {{ ref('int_footprint__activities_priced') }}
),

used as (
    select distinct
        activities.factor_id,
        activities.factor_edition
    from activities
    where activities.is_newest_edition
),

final as (
    select
        used.factor_id,
        used.factor_edition,
        row_number() over (order by used.factor_id asc, used.factor_edition asc) - 1 as edition_number
    from used
)

select * from final
