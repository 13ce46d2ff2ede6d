-- How many other products a product meets along the lines of all disclosures in force: those it buys and those that buy it.
with

activities as (
    select * from {{ ref('int_footprint__activities_resolved') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

linked_disclosures as (
    select distinct
        activities.disclosure_id,
        activities.supplier_disclosure_id
    from activities
    where activities.supplier_disclosure_id is not null
),

product_pairs as (
    select distinct
        buyers.product_code as buyer_code,
        suppliers.product_code as supplier_code
    from linked_disclosures
    inner join disclosures as buyers
        on linked_disclosures.disclosure_id = buyers.disclosure_id
    inner join disclosures as suppliers
        on linked_disclosures.supplier_disclosure_id = suppliers.disclosure_id
),

neighbours as (
    select
        product_pairs.buyer_code as product_code,
        count(*) as neighbour_count
    from product_pairs
    group by product_pairs.buyer_code
    union all
    select
        product_pairs.supplier_code as product_code,
        count(*) as neighbour_count
    from product_pairs
    group by product_pairs.supplier_code
),

final as (
    select
        neighbours.product_code,
        cast(sum(neighbours.neighbour_count) as bigint) as chain_product_count
    from neighbours
    group by neighbours.product_code
)

select * from final
