-- The usable links: the supplier's disclosure is in force, cradle to gate and of the same GWP set, and the line's unit is of the
-- dimension in which the supplier's product is counted. A line that names another supplier falls back to its factor.
with

activities as (
    select * from {{ ref('int_footprint__activities_resolved') }}
),

suppliers as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

unit as (
    select * from {{ ref('unit') }}
),

activity as (
    select * from {{ ref('activity') }}
),

final as (
    select
        activities.disclosure_id,
        activities.line_no,
        activities.supplier_disclosure_id,
        -- In the supplier's catalogue unit, per catalogue unit of the buyer.
        activities.base_quantity / unit.factor_to_base as supplier_quantity,
        activity.default_uncertainty_pct
    from activities
    inner join suppliers
        on
            activities.supplier_disclosure_id = suppliers.disclosure_id
            and activities.gwp_set = suppliers.gwp_set
            and suppliers.boundary = 'cradle_to_gate'
    inner join unit
        on
            suppliers.declared_unit = unit.unit
            and activities.unit_dimension = unit.dimension
    left join activity
        on activities.activity_code = activity.activity_code
    where
        activities.supplier_disclosure_id is not null
        and activities.base_quantity is not null
        and suppliers.declared_kg_co2e is not null
)

select * from final
