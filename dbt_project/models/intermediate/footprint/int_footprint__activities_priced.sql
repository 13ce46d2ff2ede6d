with

activities as (
    select * from {{ ref('int_footprint__activities_resolved') }}
),

factors as (
    select * from {{ ref('int_footprint__factors_matched') }}
),

links as (
    select * from {{ ref('int_footprint__suppliers_linked') }}
),

-- A usable link takes the factor's place. A factor whose unit has another dimension than the line's prices nothing.
priced as (
    select
        activities.*,
        links.supplier_quantity,
        case when links.line_no is null then factors.factor_id end as factor_id,
        case when links.line_no is null then factors.factor_edition end as factor_edition,
        case when links.line_no is null then factors.factor_geography_code end as factor_geography_code,
        case when links.line_no is null then factors.factor_uncertainty_pct end as factor_uncertainty_pct,
        case when links.line_no is null then activities.base_quantity * factors.kg_co2e_per_base_unit end as line_kg_co2e,
        coalesce(links.line_no is null and factors.is_newest_edition, false) as is_newest_edition,
        case
            when links.line_no is null and activities.unit_dimension = factors.alternative_unit_dimension
                then activities.base_quantity * factors.alternative_kg_co2e_per_base_unit
        end as alternative_line_kg_co2e
    from activities
    left join links
        on
            activities.disclosure_id = links.disclosure_id
            and activities.line_no = links.line_no
    left join factors
        on
            activities.activity_code = factors.activity_code
            and activities.geography_code = factors.geography_code
            and activities.period_end = factors.period_end
            and activities.unit_dimension = factors.factor_unit_dimension
),

final as (
    select
        priced.disclosure_id,
        priced.line_no,
        priced.stage,
        priced.activity_code,
        priced.geography_code,
        priced.supplier_disclosure_id,
        priced.data_source,
        case
            when priced.supplier_quantity is not null then 'supplier'
            when priced.line_kg_co2e is not null then 'factor'
            else 'unpriced'
        end as pricing_basis,
        priced.factor_id,
        priced.factor_edition,
        priced.factor_geography_code,
        priced.base_quantity,
        priced.supplier_quantity,
        priced.line_kg_co2e,
        priced.factor_uncertainty_pct,
        priced.is_newest_edition,
        priced.alternative_line_kg_co2e,
        priced.period_end
    from priced
)

select * from final
