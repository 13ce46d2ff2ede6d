with

loans as (
    select * from {{ ref('int_finance__loans_resolved') }}
),

summed as (
    select
        loans.bank_id,
        loans.borrower_id,
        loans.as_of,
        sum(loans.outstanding_cny) as outstanding_cny,
        -- Loans of one borrower may state its value differently: the largest attributes least.
        max(loans.borrower_total_value_cny) as total_value_cny
    from loans
    group by
        loans.bank_id,
        loans.borrower_id,
        loans.as_of
),

shared as (
    select
        summed.*,
        cast(summed.outstanding_cny as double) / cast(nullif(summed.total_value_cny, 0) as double) as value_share
    from summed
),

final as (
    select
        shared.bank_id,
        shared.borrower_id,
        shared.as_of,
        cast(shared.outstanding_cny as decimal(38, 8)) as outstanding_cny,
        shared.total_value_cny,
        case when shared.value_share > 1 then 1.0 else shared.value_share end as attribution,
        shared.value_share > 1 as is_attribution_capped
    from shared
)

select * from final
