-- Complete, partial and none say how many lines found a price; what is unknown stays null (methods.md M2).
select products.disclosure_id
from {{ ref('footprint__products') }} as products
where
    products.recalculation_status
    <> case
        when products.line_count = 0 then 'none'
        when products.priced_line_count = products.line_count then 'complete'
        else 'partial'
    end
    or (products.priced_line_count = 0) <> (products.recalculated_kg_co2e is null)
    or (
        products.recalculation_status <> 'complete'
        and (
            products.discrepancy_ratio is not null
            or products.is_discrepant is not null
            or products.uncertainty_pct is not null
        )
    )
