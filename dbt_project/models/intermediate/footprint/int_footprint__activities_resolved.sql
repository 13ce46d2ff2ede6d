{{ config(materialized='view') }}

with

activities as (
    select * from {{ ref('stg_footprint_activities') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

final as (
    select
        activities.disclosure_id,
        activities.line_no,
        activities.stage,
        activities.activity_code,
        activities.geography_code,
        activities.unit_dimension,
        activities.supplier_disclosure_id,
        activities.data_source,
        disclosures.gwp_set,
        -- Per catalogue unit: a line's quantity is per declared unit of its own disclosure.
        activities.base_quantity * disclosures.footprint_unit_ratio as base_quantity,
        disclosures.period_end
    from activities
    inner join disclosures
        on
            activities.disclosure_id = disclosures.disclosure_id
            and activities.revision = disclosures.revision
)

select * from final
