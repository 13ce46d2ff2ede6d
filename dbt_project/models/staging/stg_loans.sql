with

loans as (
    select * from {{ source('landing', 'loan') }}
),

final as (
    select
        loans.bank_id,
        loans.loan_id,
        loans.borrower_id,
        loans.eia_id,
        loans.catalogue_code,
        loans.use_of_proceeds,
        cast(loans.outstanding_cny as decimal(28, 8)) as outstanding_cny,
        cast(loans.borrower_total_value_cny as decimal(28, 8)) as borrower_total_value_cny,
        loans.as_of,
        loans._delivery_id,
        loans._row_number,
        loans._received_at,
        loans._sequence
    from loans
)

select * from final
