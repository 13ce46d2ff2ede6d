with

forecasts as (
    select * from {{ ref('policy__forecast_backtests_by_month') }}
),

policy_target as (
    select * from {{ ref('policy_target') }}
),

scored as (
    select
        forecasts.document,
        forecasts.indicator,
        forecasts.jurisdiction_code,
        forecasts.target_year,
        count(*) as origin_count,
        count(forecasts.probability) as milestone_count,
        count(case when forecasts.is_in_interval then 1 end) as hit_count,
        count(case when forecasts.is_milestone_met then 1 end) as met_count,
        {{ ordered_mean('forecasts.brier_score') }} as brier_score,
        {{ ordered_mean('forecasts.actual_value - forecasts.expected_value') }} as mean_miss_count,
        min(forecasts.month) as first_month,
        max(forecasts.month) as last_month
    from forecasts
    group by
        forecasts.document,
        forecasts.indicator,
        forecasts.jurisdiction_code,
        forecasts.target_year
),

compared as (
    select
        policy_target.document,
        policy_target.indicator,
        policy_target.jurisdiction_code,
        policy_target.target_year,
        coalesce(scored.origin_count, 0) as origin_count,
        coalesce(scored.milestone_count, 0) as milestone_count,
        coalesce(scored.origin_count, 0) >= {{ var('backtest_min_origins') }} as has_enough_origins,
        coalesce(scored.milestone_count, 0) >= {{ var('backtest_min_origins') }} as has_enough_milestones,
        scored.hit_count,
        scored.met_count / cast(nullif(scored.milestone_count, 0) as double) as met_share,
        scored.brier_score,
        scored.mean_miss_count,
        scored.first_month,
        scored.last_month
    from policy_target
    left join scored
        on
            policy_target.document = scored.document
            and policy_target.indicator = scored.indicator
            and policy_target.jurisdiction_code = scored.jurisdiction_code
            and policy_target.target_year = scored.target_year
    where policy_target.indicator = 'pcf_standards'
),

final as (
    select
        compared.document,
        compared.indicator,
        compared.jurisdiction_code,
        compared.target_year,
        case when compared.has_enough_origins then 'scored' else 'too_little_history' end as backtest_status,
        compared.origin_count,
        cast({{ var('forecast_share') }} as double) as interval_share,
        case when compared.has_enough_origins then compared.hit_count / cast(compared.origin_count as double) end as interval_hit_share,
        case when compared.has_enough_origins then compared.mean_miss_count end as mean_miss_count,
        compared.milestone_count,
        case when compared.has_enough_milestones then compared.met_share end as milestone_met_share,
        case when compared.has_enough_milestones then compared.brier_score end as brier_score,
        -- What somebody scores who always says the share that came true in the end, and knows it beforehand.
        case when compared.has_enough_milestones then compared.met_share * (1 - compared.met_share) end as reference_brier_score,
        cast(compared.first_month as date) as first_origin_on,
        cast(compared.last_month as date) as last_origin_on
    from compared
)

select * from final
