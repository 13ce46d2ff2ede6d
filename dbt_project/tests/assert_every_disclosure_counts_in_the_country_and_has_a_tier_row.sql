-- No disclosure in force may be lost between the marts.
with

counts as (
    select
        (select count(*) from {{ ref('footprint__products') }}) as product_count,
        (select count(*) from {{ ref('footprint__product_tiers') }}) as tier_row_count,
        (
            select coalesce(sum(sectors.disclosure_count), 0)
            from {{ ref('footprint__sectors_by_year') }} as sectors
            where sectors.province_code = '000000'
        ) as sector_count,
        (
            select coalesce(sum(benchmarks.disclosure_count), 0)
            from {{ ref('footprint__benchmarks_by_year') }} as benchmarks
        ) as benchmark_count
)

select
    counts.product_count,
    counts.tier_row_count,
    counts.sector_count,
    counts.benchmark_count
from counts
where
    counts.product_count <> counts.tier_row_count
    or counts.product_count <> counts.sector_count
    or counts.product_count <> counts.benchmark_count
