with

links as (
    select * from {{ ref('int_footprint__suppliers_linked') }}
),

disclosures as (
    select * from {{ ref('int_footprint__lines_summed') }}
),

final as (
    select
        buyers.network_number as buyer_number,
        suppliers.network_number as supplier_number,
        links.supplier_quantity,
        links.default_uncertainty_pct
    from links
    inner join disclosures as buyers
        on links.disclosure_id = buyers.disclosure_id
    inner join disclosures as suppliers
        on links.supplier_disclosure_id = suppliers.disclosure_id
)

select * from final
