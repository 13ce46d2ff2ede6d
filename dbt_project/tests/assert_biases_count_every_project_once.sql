-- Each breakdown counts every assessed project and outcome once, and a group of too few outcomes shows no figure (methods.md M9).
with

told as (
    select
        biases.breakdown,
        sum(biases.project_count) as project_count,
        sum(biases.outcome_count) as outcome_count,
        sum(case when biases.bias_status = 'too_few' and biases.mean_gap_ratio is not null then 1 else 0 end) as dishonest_count
    from {{ ref('eia__promise_biases') }} as biases
    group by biases.breakdown
),

assessed as (
    select
        count(*) as project_count,
        count(assessments.ex_post_gap_ratio) as outcome_count
    from {{ ref('eia__assessments') }} as assessments
)

select told.breakdown
from told
cross join assessed
where
    told.project_count <> assessed.project_count
    or told.outcome_count <> assessed.outcome_count
    or told.dishonest_count > 0
