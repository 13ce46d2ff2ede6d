-- What the enterprise disclosed of the product in the first full calendar year after the start of operation.
with

projects as (
    select * from {{ ref('int_eia__projects_resolved') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

started as (
    select
        projects.eia_id,
        projects.enterprise_id,
        projects.product_code,
        -- A start on 1 January makes that year a full one: the day before it lies in the year before.
        {{ year_of("projects.operational_on - interval '1' day") }} + 1 as ex_post_year
    from projects
    where projects.operational_on <= {{ as_of_day() }}
),

disclosed as (
    select
        disclosures.enterprise_id,
        disclosures.product_code,
        disclosures.reporting_year,
        {{ ordered_sum(
            'coalesce(disclosures.raw_material_kg_co2e + disclosures.production_kg_co2e, disclosures.declared_kg_co2e)'
            ~ ' * disclosures.output_quantity'
        ) }} as output_kg_co2e,
        {{ ordered_sum('disclosures.output_quantity') }} as output_quantity
    from disclosures
    where disclosures.output_quantity is not null
    group by
        disclosures.enterprise_id,
        disclosures.product_code,
        disclosures.reporting_year
),

final as (
    select
        started.eia_id,
        started.ex_post_year,
        disclosed.output_kg_co2e / nullif(disclosed.output_quantity, 0) as ex_post_kg_co2e
    from started
    left join disclosed
        on
            started.enterprise_id = disclosed.enterprise_id
            and started.product_code = disclosed.product_code
            and started.ex_post_year = disclosed.reporting_year
)

select * from final
