-- Every priced line with what it gives per unit of its own disclosure: by its factor, or by what its supplier enters with.
with

activities as (
    select * from {{ ref('int_footprint__activities_priced') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_entered') }}
),

-- The key names the supplier only where it counts: a condition beside the keys of an outer join makes engines try every pair.
priced as (
    select
        activities.*,
        case when activities.pricing_basis = 'supplier' then activities.supplier_disclosure_id end as counted_supplier_id
    from activities
    where activities.pricing_basis <> 'unpriced'
),

final as (
    select
        disclosures.network_number,
        priced.line_no,
        priced.stage,
        priced.activity_code,
        priced.geography_code,
        priced.factor_id,
        priced.factor_edition,
        priced.counted_supplier_id as supplier_disclosure_id,
        suppliers.network_number as supplier_number,
        priced.supplier_quantity,
        coalesce(priced.line_kg_co2e, priced.supplier_quantity * suppliers.entering_kg_co2e) as line_kg_co2e,
        coalesce(suppliers.is_recalculated, false) as is_recalculated
    from priced
    inner join disclosures
        on priced.disclosure_id = disclosures.disclosure_id
    left join disclosures as suppliers
        on priced.counted_supplier_id = suppliers.disclosure_id
)

select * from final
