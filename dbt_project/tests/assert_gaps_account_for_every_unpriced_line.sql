-- A line without a price waits for a factor that some row names.
with

waiting as (
    select sum(products.line_count - products.priced_line_count) as line_count
    from {{ ref('footprint__products') }} as products
),

named as (
    select sum(gaps.unpriced_line_count) as line_count
    from {{ ref('footprint__factor_gaps_by_year') }} as gaps
)

select
    waiting.line_count,
    named.line_count as named_count
from waiting
cross join named
where coalesce(waiting.line_count, 0) <> coalesce(named.line_count, 0)
