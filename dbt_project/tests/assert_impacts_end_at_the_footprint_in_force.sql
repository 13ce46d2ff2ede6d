-- With the edition a footprint is the one in force, and every row tells of a change: of the figure or of its status (methods.md M13).
select
    impacts.factor_id,
    impacts.edition,
    impacts.disclosure_id
from {{ ref('footprint__factor_impacts') }} as impacts
left join {{ ref('footprint__products') }} as products
    on impacts.disclosure_id = products.disclosure_id
where
    products.disclosure_id is null
    or impacts.new_kg_co2e is distinct from products.recalculated_kg_co2e
    or impacts.new_recalculation_status <> products.recalculation_status
    or impacts.change_kg_co2e is distinct from impacts.new_kg_co2e - impacts.old_kg_co2e
    or (
        impacts.old_recalculation_status = impacts.new_recalculation_status
        and impacts.old_kg_co2e is not distinct from impacts.new_kg_co2e
    )
    -- An edition only ever adds a factor: no line is unpriced because of it.
    or (impacts.old_recalculation_status = 'complete' and impacts.new_recalculation_status <> 'complete')
