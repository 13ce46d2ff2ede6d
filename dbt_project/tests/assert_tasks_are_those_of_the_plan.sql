-- Each task of the plan stands there once, and as many are done as the progress table of the current month says.
with

tasks as (
    select
        count(case when reported.is_done then 1 end) as done_count,
        count(reported.group_code) as planned_count,
        count(case when reported.is_done <> (reported.task_status = 'done') then 1 end) as odd_count
    from {{ ref('policy__tasks') }} as reported
),

plan as (
    select count(*) as task_count
    from {{ ref('plan_task') }}
),

progress as (
    select max(current_month.value) as done_count
    from {{ ref('policy__target_progress_by_month') }} as current_month
    where
        current_month.indicator = 'tasks_done'
        and current_month.jurisdiction_code = 'CN'
        and current_month.month = (
            select max(latest.month) as latest_month
            from {{ ref('policy__target_progress_by_month') }} as latest
        )
)

select
    tasks.done_count,
    progress.done_count as progress_count
from tasks
cross join plan
cross join progress
where
    tasks.planned_count <> plan.task_count
    or tasks.odd_count > 0
    or tasks.done_count <> progress.done_count
