{{ config(materialized='view') }}

with

tasks as (
    select * from {{ ref('stg_policy_tasks') }}
),

ranked as (
    select
        tasks.*,
        row_number() over (
            partition by
                tasks.task_no,
                tasks.as_of
            order by tasks._received_at desc, tasks._sequence desc, tasks._row_number desc
        ) as recency_rank
    from tasks
),

final as (
    select
        ranked.task_no,
        ranked.status,
        ranked.note,
        ranked.as_of,
        ranked._delivery_id,
        ranked._row_number
    from ranked
    where ranked.recency_rank = 1
)

select * from final
