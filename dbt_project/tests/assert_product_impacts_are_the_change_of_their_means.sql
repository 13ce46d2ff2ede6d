-- The change of a mean is the mean after it less the mean before it, and its tonnes are those of its disclosures (methods.md M13).
with

told as (
    select
        impacts.factor_id,
        impacts.edition,
        products.product_code,
        products.boundary,
        products.gwp_set,
        products.reporting_year,
        count(*) as row_count,
        sum(
            case
                when impacts.old_recalculation_status = 'complete' and products.output_quantity is not null
                    then impacts.change_kg_co2e * products.output_quantity / 1000
                else 0
            end
        ) as total_change_t_co2e,
        sum(
            case
                when products.output_quantity is not null
                    then greatest(abs(impacts.new_kg_co2e), abs(coalesce(impacts.old_kg_co2e, 0))) * products.output_quantity / 1000
                else 0
            end
        ) as size_t_co2e
    from {{ ref('footprint__factor_impacts') }} as impacts
    inner join {{ ref('footprint__products') }} as products
        on impacts.disclosure_id = products.disclosure_id
    where impacts.new_recalculation_status = 'complete'
    group by
        impacts.factor_id,
        impacts.edition,
        products.product_code,
        products.boundary,
        products.gwp_set,
        products.reporting_year
)

select
    summed.factor_id,
    summed.edition,
    summed.product_code
from {{ ref('footprint__product_impacts_by_year') }} as summed
left join told
    on
        summed.factor_id = told.factor_id
        and summed.edition = told.edition
        and summed.product_code = told.product_code
        and summed.boundary = told.boundary
        and summed.gwp_set = told.gwp_set
        and summed.reporting_year = told.reporting_year
where
    abs(summed.weighted_mean_change_kg_co2e - (summed.new_weighted_mean_kg_co2e - summed.old_weighted_mean_kg_co2e))
    > 1e-9 * greatest(summed.new_weighted_mean_kg_co2e, summed.old_weighted_mean_kg_co2e)
    or coalesce(told.row_count, 0) > summed.changed_disclosure_count
    or abs(summed.total_change_t_co2e - coalesce(told.total_change_t_co2e, 0)) > 1e-9 * coalesce(told.size_t_co2e, 0)
    or summed.completed_disclosure_count + summed.better_tier_count + summed.worse_tier_count > summed.changed_disclosure_count
