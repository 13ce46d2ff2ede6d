-- Who supplies whom: the usable links between disclosures in force, so that the network can be drawn product by product.
with

links as (
    select * from {{ ref('int_footprint__suppliers_linked') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

product_catalogue as (
    select * from {{ ref('product_catalogue') }}
),

counted as (
    select
        links.disclosure_id,
        links.supplier_disclosure_id,
        count(*) as linked_line_count
    from links
    group by
        links.disclosure_id,
        links.supplier_disclosure_id
),

final as (
    select
        counted.disclosure_id,
        counted.supplier_disclosure_id,
        buyers.product_code,
        suppliers.product_code as supplier_product_code,
        buyers.reporting_year,
        products.name_zh as product_name_zh,
        products.name_en as product_name_en,
        supplied.name_zh as supplier_product_name_zh,
        supplied.name_en as supplier_product_name_en,
        counted.linked_line_count
    from counted
    inner join disclosures as buyers
        on counted.disclosure_id = buyers.disclosure_id
    inner join disclosures as suppliers
        on counted.supplier_disclosure_id = suppliers.disclosure_id
    left join product_catalogue as products
        on buyers.product_code = products.product_code
    left join product_catalogue as supplied
        on suppliers.product_code = supplied.product_code
)

select * from final
