-- How far outcomes lie above or below what was promised; groups of too few outcomes are counted and say nothing more.
with

grouped as (
    select * from {{ ref('int_eia__projects_grouped') }}
),

promise_bias_rule as (
    select * from {{ ref('promise_bias_rule') }}
),

ranked_rules as (
    select
        promise_bias_rule.minimum_outcome_count,
        row_number() over (order by promise_bias_rule.valid_from desc) as recency_rank
    from promise_bias_rule
    where promise_bias_rule.valid_from <= {{ rule_day() }}
),

measured as (
    select
        grouped.breakdown,
        grouped.member_code,
        count(*) as project_count,
        count(grouped.ex_post_gap_ratio) as outcome_count,
        {{ ordered_mean('grouped.ex_post_gap_ratio') }} as mean_gap_ratio,
        {{ percentile_linear('grouped.ex_post_gap_ratio', 0.5) }} as median_gap_ratio,
        {{ ordered_stddev('grouped.ex_post_gap_ratio') }} as stddev_gap_ratio,
        count(case when grouped.ex_post_gap_ratio > 0 then 1 end) as above_promise_count
    from grouped
    group by
        grouped.breakdown,
        grouped.member_code
),

-- Without a rule in force on the day nothing is shown: a count that nobody set is no count.
judged as (
    select
        measured.*,
        ranked_rules.minimum_outcome_count,
        coalesce(measured.outcome_count >= ranked_rules.minimum_outcome_count, false) and measured.outcome_count > 0 as is_shown
    from measured
    left join ranked_rules
        on ranked_rules.recency_rank = 1
),

final as (
    select
        judged.breakdown,
        judged.member_code,
        case when judged.is_shown then 'shown' else 'too_few' end as bias_status,
        judged.project_count,
        judged.outcome_count,
        cast(judged.minimum_outcome_count as bigint) as minimum_outcome_count,
        case when judged.is_shown then judged.mean_gap_ratio end as mean_gap_ratio,
        case when judged.is_shown then judged.median_gap_ratio end as median_gap_ratio,
        case when judged.is_shown then judged.stddev_gap_ratio end as stddev_gap_ratio,
        case when judged.is_shown then judged.above_promise_count / cast(judged.outcome_count as double) end as above_promise_share
    from judged
)

select * from final
