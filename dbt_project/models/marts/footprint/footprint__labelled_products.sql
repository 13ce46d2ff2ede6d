-- One row per label certificate: the footprint it vouches for, where it stands, and what sharing that footprint by PACT still lacks.
-- A label in force is made to be shown, so a footprint under one may be shared.
with

certificates as (
    select * from {{ ref('stg_label_certificates') }}
),

footprints as (
    select * from {{ ref('stg_product_footprints') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_resolved') }}
),

enterprises as (
    select * from {{ ref('int_footprint__enterprises_resolved') }}
),

product_catalogue as (
    select * from {{ ref('product_catalogue') }}
),

unit as (
    select * from {{ ref('unit') }}
),

ranked_states as (
    select
        certificates.*,
        row_number() over (
            partition by certificates.certificate_no
            order by
                certificates.state_on desc,
                certificates._received_at desc,
                certificates._sequence desc,
                certificates._row_number desc
        ) as recency_rank
    from certificates
    where certificates.state_on <= {{ as_of_day() }}
),

-- The row of the revision in force, whatever else was received under the same number.
in_force as (
    select
        footprints.disclosure_id,
        footprints.product_name,
        footprints.standard_code,
        footprints.document_kind,
        footprints.exchange_document,
        footprints.submitted_at,
        disclosures.revision,
        disclosures.declared_unit,
        disclosures.boundary,
        disclosures.gwp_set,
        disclosures.reporting_year,
        disclosures.declared_kg_co2e,
        disclosures.removals_kg_co2e
    from footprints
    inner join disclosures
        on
            footprints.disclosure_id = disclosures.disclosure_id
            and footprints.revision = disclosures.revision
            and footprints._delivery_id = disclosures._delivery_id
            and footprints._row_number = disclosures._row_number
),

final as (
    select
        ranked_states.certificate_no,
        ranked_states.disclosure_id,
        in_force.revision,
        ranked_states.enterprise_id,
        enterprises.enterprise_name,
        ranked_states.product_code,
        product_catalogue.name_zh as product_name_zh,
        product_catalogue.name_en as product_name_en,
        in_force.product_name,
        in_force.standard_code,
        in_force.declared_unit,
        in_force.boundary,
        in_force.gwp_set,
        ranked_states.state,
        ranked_states.scheme,
        ranked_states.certifier,
        ranked_states.pilot_region_code,
        in_force.document_kind,
        in_force.exchange_document,
        case
            when in_force.document_kind like 'pact 3.%' then null
            else concat(
                    case when in_force.disclosure_id is null then 'pcf, ' else '' end,
                    case when coalesce(unit.dimension, '') not in ('mass', 'energy') then 'productMassPerDeclaredUnit, ' else '' end,
                    case when in_force.removals_kg_co2e is null then 'pcfIncludingBiogenicUptake, ' else '' end,
                    'fossilGhgEmissions, fossilCarbonContent, exemptedEmissionsPercent'
                )
        end as missing_exchange_facts,
        in_force.reporting_year,
        in_force.declared_kg_co2e,
        in_force.removals_kg_co2e,
        ranked_states.state = 'valid'
        and ranked_states.issued_on <= {{ as_of_day() }}
        and ranked_states.expires_on >= {{ as_of_day() }} as is_label_valid,
        ranked_states.state_on,
        ranked_states.issued_on,
        ranked_states.expires_on,
        in_force.submitted_at
    from ranked_states
    left join in_force
        on ranked_states.disclosure_id = in_force.disclosure_id
    left join enterprises
        on ranked_states.enterprise_id = enterprises.enterprise_id
    left join product_catalogue
        on ranked_states.product_code = product_catalogue.product_code
    left join unit
        on in_force.declared_unit = unit.unit
    where ranked_states.recency_rank = 1
)

select * from final
