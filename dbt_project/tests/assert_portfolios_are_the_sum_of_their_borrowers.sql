-- Money is decimal: a bank's portfolio is its borrowers, and its borrowers are its loans, to the last digit (methods.md M10).
with

summed as (
    select
        borrowers.bank_id,
        borrowers.as_of,
        sum(borrowers.outstanding_cny) as outstanding_cny,
        sum(borrowers.financed_t_co2e) as financed_t_co2e
    from {{ ref('finance__borrowers') }} as borrowers
    group by
        borrowers.bank_id,
        borrowers.as_of
),

lent as (
    select
        loans.bank_id,
        loans.as_of,
        sum(loans.outstanding_cny) as outstanding_cny
    from {{ ref('int_finance__loans_resolved') }} as loans
    group by
        loans.bank_id,
        loans.as_of
)

select
    lent.bank_id,
    lent.as_of
from lent
left join summed
    on
        lent.bank_id = summed.bank_id
        and lent.as_of = summed.as_of
left join {{ ref('finance__portfolios') }} as portfolios
    on
        lent.bank_id = portfolios.bank_id
        and lent.as_of = portfolios.as_of
where
    coalesce(portfolios.outstanding_cny <> lent.outstanding_cny, true)
    or coalesce(summed.outstanding_cny <> lent.outstanding_cny, true)
    or coalesce(portfolios.financed_t_co2e, 0) <> coalesce(summed.financed_t_co2e, 0)
