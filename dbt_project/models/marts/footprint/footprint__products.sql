with

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

recalculated as (
    select * from {{ ref('int_footprint__disclosures_recalculated') }}
),

product_catalogue as (
    select * from {{ ref('product_catalogue') }}
),

compared as (
    select
        disclosures.*,
        recalculated.recalculation_status,
        recalculated.line_count,
        recalculated.priced_line_count,
        recalculated.supplier_line_count,
        recalculated.linked_line_count,
        recalculated.recalculated_kg_co2e,
        recalculated.supplier_depth,
        recalculated.is_divergent_loop,
        case
            when recalculated.recalculation_status = 'complete'
                then disclosures.declared_kg_co2e / nullif(recalculated.recalculated_kg_co2e, 0) - 1
        end as discrepancy_ratio,
        recalculated.uncertainty_pct
    from disclosures
    inner join recalculated
        on disclosures.disclosure_id = recalculated.disclosure_id
),

final as (
    select
        compared.disclosure_id,
        compared.revision,
        compared.enterprise_id,
        compared.product_code,
        compared.province_code,
        compared.reporting_year,
        compared.boundary,
        compared.gwp_set,
        compared.declared_unit,
        product_catalogue.name_zh as product_name_zh,
        product_catalogue.name_en as product_name_en,
        compared.recalculation_status,
        compared.output_quantity,
        compared.declared_kg_co2e,
        compared.recalculated_kg_co2e,
        compared.discrepancy_ratio,
        compared.line_count,
        compared.priced_line_count,
        compared.supplier_line_count,
        compared.linked_line_count,
        compared.supplier_depth,
        compared.primary_data_share,
        compared.data_quality_rating,
        compared.uncertainty_pct,
        abs(compared.discrepancy_ratio) > {{ var('discrepancy_tolerance_ratio') }} as is_discrepant,
        compared.is_divergent_loop,
        compared.is_verified
    from compared
    left join product_catalogue
        on compared.product_code = product_catalogue.product_code
)

select * from final
