-- Size and emissions of each product without an issued standard, in the latest reporting year of all disclosures.
with

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

standards as (
    select * from {{ ref('stg_pcf_standards') }}
),

chains as (
    select * from {{ ref('int_policy__products_linked') }}
),

product_catalogue as (
    select * from {{ ref('product_catalogue') }}
),

unit as (
    select * from {{ ref('unit') }}
),

latest_years as (
    select max(disclosures.reporting_year) as reporting_year
    from disclosures
),

product_totals as (
    select
        product_catalogue.product_code,
        product_catalogue.industry_code,
        unit.dimension,
        {{ ordered_sum('disclosures.output_quantity * unit.factor_to_base') }} as base_output,
        {{ ordered_sum('disclosures.declared_kg_co2e * disclosures.output_quantity') }} / 1000 as total_t_co2e
    from disclosures
    inner join latest_years
        on disclosures.reporting_year = latest_years.reporting_year
    inner join product_catalogue
        on disclosures.product_code = product_catalogue.product_code
    inner join unit
        on product_catalogue.declared_unit = unit.unit
    group by
        product_catalogue.product_code,
        product_catalogue.industry_code,
        unit.dimension
),

dimension_totals as (
    select
        product_totals.industry_code,
        product_totals.dimension,
        {{ ordered_sum('product_totals.base_output') }} as base_output
    from product_totals
    group by
        product_totals.industry_code,
        product_totals.dimension
),

industry_totals as (
    select
        product_totals.industry_code,
        {{ ordered_sum('product_totals.total_t_co2e') }} as total_t_co2e
    from product_totals
    group by product_totals.industry_code
),

ranked_stages as (
    select
        standards.product_code,
        standards.standard_stage,
        row_number() over (
            partition by standards.standard_code
            order by
                standards.stage_on desc,
                case standards.standard_stage
                    when 'planned' then 1
                    when 'drafting' then 2
                    when 'consultation' then 3
                    when 'issued' then 4
                    else 5
                end desc
        ) as recency_rank
    from standards
    where standards.stage_on <= {{ as_of_day() }}
),

standardised as (
    select distinct ranked_stages.product_code
    from ranked_stages
    where
        ranked_stages.recency_rank = 1
        and ranked_stages.standard_stage = 'issued'
),

final as (
    select
        product_catalogue.product_code,
        product_catalogue.name_zh as product_name_zh,
        product_catalogue.name_en as product_name_en,
        product_totals.base_output / nullif(dimension_totals.base_output, 0) as output_share,
        case when product_totals.product_code is not null then industry_totals.total_t_co2e end as industry_total_t_co2e,
        coalesce(chains.chain_product_count, 0) as chain_product_count,
        product_totals.total_t_co2e
    from product_catalogue
    left join standardised
        on product_catalogue.product_code = standardised.product_code
    left join product_totals
        on product_catalogue.product_code = product_totals.product_code
    left join dimension_totals
        on
            product_totals.industry_code = dimension_totals.industry_code
            and product_totals.dimension = dimension_totals.dimension
    left join industry_totals
        on product_totals.industry_code = industry_totals.industry_code
    left join chains
        on product_catalogue.product_code = chains.product_code
    where standardised.product_code is null
)

select * from final
