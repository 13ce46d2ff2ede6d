with

plan_task as (
    select * from {{ ref('plan_task') }}
),

tasks as (
    select * from {{ ref('int_policy__tasks_resolved') }}
),

known as (
    select
        tasks.*,
        row_number() over (partition by tasks.task_no order by tasks.as_of desc) as recency_rank
    from tasks
    where tasks.as_of <= {{ as_of_day() }}
),

reported as (
    select
        known.task_no,
        count(*) as report_count,
        max(case when known.recency_rank = 1 then known.status end) as status,
        max(case when known.recency_rank = 1 then known.note end) as note,
        min(case when known.status = 'done' then known.as_of end) as first_done_on,
        max(known.as_of) as reported_on
    from known
    group by known.task_no
),

-- Every task of the plan, heard of or not, and what is reported on under a number that the plan lacks.
final as (
    select
        cast(coalesce(plan_task.task_no, reported.task_no) as integer) as task_no,
        plan_task.group_code,
        plan_task.group_zh,
        plan_task.group_en,
        plan_task.title_zh,
        plan_task.title_en,
        plan_task.document,
        coalesce(reported.status, 'not_reported') as task_status,
        reported.note,
        plan_task.citation,
        plan_task.confidence,
        coalesce(reported.report_count, 0) as report_count,
        coalesce(reported.status = 'done', false) as is_done,
        reported.first_done_on,
        reported.reported_on
    from plan_task
    full outer join reported
        on plan_task.task_no = reported.task_no
)

select * from final
