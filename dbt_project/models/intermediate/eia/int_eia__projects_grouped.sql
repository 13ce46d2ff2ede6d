-- One row per project and group that its promise is judged in: the country, its sector, province, level of approval, and pilots or not.
with

assessments as (
    select * from {{ ref('eia__assessments') }}
),

final as (
    select
        'country' as breakdown,
        '000000' as member_code,
        assessments.eia_id,
        assessments.ex_post_gap_ratio
    from assessments
    union all
    select
        'sector' as breakdown,
        -- The division of GB/T 4754: two digits stand in every code of two to four.
        coalesce(substring(assessments.industry_code, 1, 2), 'not_stated') as member_code,
        assessments.eia_id,
        assessments.ex_post_gap_ratio
    from assessments
    union all
    select
        'province' as breakdown,
        coalesce(assessments.province_code, 'not_stated') as member_code,
        assessments.eia_id,
        assessments.ex_post_gap_ratio
    from assessments
    union all
    select
        'approval_level' as breakdown,
        coalesce(assessments.approval_level, 'not_stated') as member_code,
        assessments.eia_id,
        assessments.ex_post_gap_ratio
    from assessments
    union all
    select
        'pilot' as breakdown,
        case when assessments.is_pilot_project then 'pilot' else 'other' end as member_code,
        assessments.eia_id,
        assessments.ex_post_gap_ratio
    from assessments
)

select * from final
