-- The months of the progress table with the day whose state each shows: its last, in the current month the last known one.
with

standards as (
    select * from {{ ref('stg_pcf_standards') }}
),

factors as (
    select * from {{ ref('stg_emission_factors') }}
),

certificates as (
    select * from {{ ref('stg_label_certificates') }}
),

first_days as (
    select min(standards.stage_on) as first_on
    from standards
    union all
    select min(factors.published_on) as first_on
    from factors
    union all
    select min(certificates.state_on) as first_on
    from certificates
),

spans as (
    select min(first_days.first_on) as first_on
    from first_days
    having min(first_days.first_on) <= {{ as_of_day() }}
),

months as (
    select {{ months_of('spans.first_on', as_of_day()) }} as month_start
    from spans
),

final as (
    select
        cast(months.month_start as date) as month,
        least(cast(months.month_start + interval '1' month - interval '1' day as date), {{ as_of_day() }}) as shown_on,
        months.month_start + interval '1' month > {{ as_of_day() }} as is_current
    from months
)

select * from final
