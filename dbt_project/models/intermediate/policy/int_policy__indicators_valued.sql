-- Each indicator of a target at the day that its month shows. Indicators other than standards are of the whole country.
with

months as (
    select * from {{ ref('int_policy__months_listed') }}
),

counted as (
    select * from {{ ref('int_policy__standards_counted') }}
),

policy_target as (
    select * from {{ ref('policy_target') }}
),

factors as (
    select * from {{ ref('stg_emission_factors') }}
),

certificates as (
    select * from {{ ref('stg_label_certificates') }}
),

tiers as (
    select * from {{ ref('footprint__product_tiers') }}
),

tasks as (
    select * from {{ ref('int_policy__tasks_resolved') }}
),

jurisdictions as (
    select distinct policy_target.jurisdiction_code
    from policy_target
    where policy_target.indicator = 'pcf_standards'
),

standard_values as (
    select
        months.month,
        'pcf_standards' as indicator,
        jurisdictions.jurisdiction_code,
        count(counted.standard_code) as value
    from months
    cross join jurisdictions
    left join counted
        on
            jurisdictions.jurisdiction_code = counted.jurisdiction_code
            and months.shown_on >= counted.issued_on
            and (counted.left_on is null or months.shown_on < counted.left_on)
    group by
        months.month,
        jurisdictions.jurisdiction_code
),

-- Published is published: a factor that expired covers what it covered.
covered as (
    select
        factors.activity_code,
        factors.geography_code,
        min(factors.published_on) as first_published_on
    from factors
    where factors.factor_family = 'footprint'
    group by
        factors.activity_code,
        factors.geography_code
),

coverage_values as (
    select
        months.month,
        'factor_coverage' as indicator,
        'CN' as jurisdiction_code,
        count(covered.activity_code) as value
    from months
    left join covered
        on months.shown_on >= covered.first_published_on
    group by months.month
),

certificate_states as (
    select
        certificates.certificate_no,
        certificates.product_code,
        certificates.state,
        certificates.state_on,
        certificates.issued_on,
        certificates.expires_on,
        lead(certificates.state_on) over (
            partition by certificates.certificate_no
            order by certificates.state_on asc, certificates._received_at asc, certificates._sequence asc, certificates._row_number asc
        ) as next_state_on
    from certificates
),

label_values as (
    select
        months.month,
        'labelled_products' as indicator,
        'CN' as jurisdiction_code,
        count(distinct certificate_states.product_code) as value
    from months
    left join certificate_states
        on
            certificate_states.state = 'valid'
            and months.shown_on >= certificate_states.state_on
            and (certificate_states.next_state_on is null or months.shown_on < certificate_states.next_state_on)
            and months.shown_on between certificate_states.issued_on and certificate_states.expires_on
    group by months.month
),

tiered_products as (
    select
        tiers.product_code,
        min(tiers.reporting_year) as first_year
    from tiers
    where tiers.tier is not null
    group by tiers.product_code
),

tier_values as (
    select
        months.month,
        'tiered_products' as indicator,
        'CN' as jurisdiction_code,
        count(tiered_products.product_code) as value
    from months
    left join tiered_products
        on {{ year_of('months.month') }} > tiered_products.first_year
    group by months.month
),

task_states as (
    select
        tasks.task_no,
        tasks.status,
        tasks.as_of,
        lead(tasks.as_of) over (
            partition by tasks.task_no
            order by tasks.as_of asc
        ) as next_as_of
    from tasks
),

task_values as (
    select
        months.month,
        'tasks_done' as indicator,
        'CN' as jurisdiction_code,
        count(task_states.task_no) as value
    from months
    left join task_states
        on
            task_states.status = 'done'
            and months.shown_on >= task_states.as_of
            and (task_states.next_as_of is null or months.shown_on < task_states.next_as_of)
    group by months.month
),

final as (
    select * from standard_values
    union all
    select * from coverage_values
    union all
    select * from label_values
    union all
    select * from tier_values
    union all
    select * from task_values
)

select * from final
