with

borrowers as (
    select * from {{ ref('finance__borrowers') }}
),

summed as (
    select
        borrowers.bank_id,
        borrowers.as_of,
        count(*) as borrower_count,
        sum(borrowers.outstanding_cny) as outstanding_cny,
        sum(borrowers.financed_t_co2e) as financed_t_co2e,
        sum(borrowers.outstanding_cny * cast(borrowers.pcaf_score as integer)) as scored_cny,
        sum(case when borrowers.is_eligible then borrowers.outstanding_cny else 0 end) as eligible_cny,
        sum(case when borrowers.emissions_t_co2e is not null then borrowers.outstanding_cny end) as emitting_cny
    from borrowers
    group by
        borrowers.bank_id,
        borrowers.as_of
),

final as (
    select
        summed.bank_id,
        summed.as_of,
        summed.borrower_count,
        cast(summed.outstanding_cny as decimal(38, 8)) as outstanding_cny,
        cast(summed.financed_t_co2e as decimal(38, 12)) as financed_t_co2e,
        cast(summed.scored_cny as double) / cast(nullif(summed.outstanding_cny, 0) as double) as pcaf_score,
        cast(summed.eligible_cny as double) / cast(nullif(summed.outstanding_cny, 0) as double) as eligible_share,
        cast(summed.financed_t_co2e as double) / (cast(nullif(summed.emitting_cny, 0) as double) / 1000000)
            as intensity_t_co2e_per_million_cny
    from summed
)

select * from final
