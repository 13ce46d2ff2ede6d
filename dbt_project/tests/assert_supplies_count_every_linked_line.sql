-- Every line that is linked to a supplier stands in exactly one of its buyer's supplies.
with

supplied as (
    select
        supplies.disclosure_id,
        sum(supplies.linked_line_count) as linked_line_count
    from {{ ref('footprint__supplies') }} as supplies
    group by supplies.disclosure_id
),

products as (
    select
        products.disclosure_id,
        products.linked_line_count
    from {{ ref('footprint__products') }} as products
)

select
    products.disclosure_id,
    products.linked_line_count,
    supplied.linked_line_count as supplied_line_count
from products
left join supplied
    on products.disclosure_id = supplied.disclosure_id
where coalesce(products.linked_line_count, 0) <> coalesce(supplied.linked_line_count, 0)
