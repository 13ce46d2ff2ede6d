with

withdrawn as (
    select * from {{ ref('int_footprint__impacts_solved') }}
),

editions as (
    select * from {{ ref('int_footprint__editions_numbered') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_entered') }}
),

final as (
    select
        editions.factor_id,
        editions.factor_edition as edition,
        disclosures.disclosure_id,
        case when withdrawn.is_complete_without then 'complete' else 'partial' end as old_recalculation_status,
        disclosures.recalculation_status as new_recalculation_status,
        withdrawn.without_kg_co2e as old_kg_co2e,
        disclosures.recalculated_kg_co2e as new_kg_co2e,
        disclosures.recalculated_kg_co2e - withdrawn.without_kg_co2e as change_kg_co2e
    from withdrawn
    inner join editions
        on withdrawn.edition_number = editions.edition_number
    inner join disclosures
        on withdrawn.network_number = disclosures.network_number
)

select * from final
