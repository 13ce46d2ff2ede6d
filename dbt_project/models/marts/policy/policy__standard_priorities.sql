with

measured as (
    select * from {{ ref('int_policy__products_measured') }}
),

priority_weight as (
    select * from {{ ref('priority_weight') }}
),

dated_weights as (
    select
        priority_weight.component,
        priority_weight.weight,
        row_number() over (partition by priority_weight.component order by priority_weight.valid_from desc) as recency_rank
    from priority_weight
    where priority_weight.valid_from <= {{ rule_day() }}
),

weights_in_force as (
    select
        dated_weights.component,
        dated_weights.weight
    from dated_weights
    where dated_weights.recency_rank = 1
),

ranked as (
    select
        measured.*,
        {{ rank_share('measured.output_share') }} as output_rank,
        {{ rank_share('measured.industry_total_t_co2e') }} as industry_rank,
        {{ rank_share('measured.chain_product_count') }} as chain_rank,
        {{ rank_share('measured.total_t_co2e') }} as emission_rank
    from measured
),

components as (
    select
        ranked.product_code,
        'output_rank' as component,
        ranked.output_rank as rank_share
    from ranked
    union all
    select
        ranked.product_code,
        'industry_rank' as component,
        ranked.industry_rank as rank_share
    from ranked
    union all
    select
        ranked.product_code,
        'chain_rank' as component,
        ranked.chain_rank as rank_share
    from ranked
    union all
    select
        ranked.product_code,
        'emission_rank' as component,
        ranked.emission_rank as rank_share
    from ranked
),

scored as (
    select
        components.product_code,
        {{ ordered_sum('weights_in_force.weight * components.rank_share') }}
        / nullif({{ ordered_sum('weights_in_force.weight') }}, 0) as score
    from components
    inner join weights_in_force
        on components.component = weights_in_force.component
    where components.rank_share is not null
    group by components.product_code
),

final as (
    select
        ranked.product_code,
        ranked.product_name_zh,
        ranked.product_name_en,
        ranked.output_share,
        cast(ranked.industry_total_t_co2e as decimal(38, 12)) as industry_total_t_co2e,
        ranked.chain_product_count,
        ranked.total_t_co2e,
        ranked.output_rank,
        ranked.industry_rank,
        ranked.chain_rank,
        ranked.emission_rank,
        scored.score,
        -- Equal scores differ in their last binary digit by the order of addition: compared, they are rounded.
        case
            when scored.score is not null
                then rank() over (order by case when scored.score is null then 1 else 0 end asc, round(scored.score, 12) desc)
        end as priority_rank
    from ranked
    left join scored
        on ranked.product_code = scored.product_code
)

select * from final
