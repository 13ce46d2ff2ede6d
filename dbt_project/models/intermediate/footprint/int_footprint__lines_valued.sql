-- Every priced line with what it gives per unit of its own disclosure: by its factor, or by what its supplier enters with.
with

activities as (
    select * from {{ ref('int_footprint__activities_priced') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_entered') }}
),

final as (
    select
        disclosures.network_number,
        activities.line_no,
        activities.stage,
        activities.activity_code,
        activities.geography_code,
        activities.factor_id,
        activities.factor_edition,
        case when activities.pricing_basis = 'supplier' then activities.supplier_disclosure_id end as supplier_disclosure_id,
        suppliers.network_number as supplier_number,
        activities.supplier_quantity,
        coalesce(activities.line_kg_co2e, activities.supplier_quantity * suppliers.entering_kg_co2e) as line_kg_co2e,
        coalesce(suppliers.is_recalculated, false) as is_recalculated
    from activities
    inner join disclosures
        on activities.disclosure_id = disclosures.disclosure_id
    left join disclosures as suppliers
        on
            activities.supplier_disclosure_id = suppliers.disclosure_id
            and activities.pricing_basis = 'supplier'
    where activities.pricing_basis <> 'unpriced'
)

select * from final
