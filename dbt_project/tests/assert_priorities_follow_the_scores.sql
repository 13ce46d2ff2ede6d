-- The first place has the greatest score, and a place says how many scores are greater (methods.md M12).
with

counted as (
    select
        priorities.product_code,
        priorities.priority_rank,
        count(better.product_code) as better_count
    from {{ ref('policy__standard_priorities') }} as priorities
    left join {{ ref('policy__standard_priorities') }} as better
        on round(better.score, 12) > round(priorities.score, 12)
    where priorities.score is not null
    group by
        priorities.product_code,
        priorities.priority_rank
)

select
    counted.product_code,
    counted.priority_rank
from counted
where coalesce(counted.priority_rank <> counted.better_count + 1, true)
