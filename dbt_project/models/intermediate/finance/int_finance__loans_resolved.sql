{{ config(materialized='view') }}

with

loans as (
    select * from {{ ref('stg_loans') }}
),

ranked as (
    select
        loans.*,
        row_number() over (
            partition by
                loans.bank_id,
                loans.loan_id,
                loans.as_of
            order by loans._received_at desc, loans._sequence desc, loans._row_number desc
        ) as recency_rank
    from loans
),

final as (
    select
        ranked.bank_id,
        ranked.loan_id,
        ranked.borrower_id,
        ranked.eia_id,
        ranked.catalogue_code,
        ranked.use_of_proceeds,
        ranked.outstanding_cny,
        ranked.borrower_total_value_cny,
        ranked.as_of,
        ranked._delivery_id,
        ranked._row_number
    from ranked
    where ranked.recency_rank = 1
)

select * from final
