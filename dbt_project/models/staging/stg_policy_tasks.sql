with

tasks as (
    select * from {{ source('landing', 'policy_task') }}
),

final as (
    select
        cast(tasks.task_no as integer) as task_no,
        tasks.status,
        tasks.note,
        tasks.as_of,
        tasks._delivery_id,
        tasks._row_number,
        tasks._received_at,
        tasks._sequence
    from tasks
)

select * from final
