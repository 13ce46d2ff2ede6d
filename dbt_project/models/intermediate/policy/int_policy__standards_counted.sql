-- From when to when each issued standard counts towards a target, per jurisdiction. It leaves with its next stage, or on the day on
-- which another standard that supersedes it is issued.
with

standards as (
    select * from {{ ref('stg_pcf_standards') }}
),

staged as (
    select
        standards.standard_code,
        standards.standard_stage,
        standards.level,
        standards.jurisdiction_code,
        standards.is_counted_to_target,
        standards.stage_on,
        lead(standards.stage_on) over (
            partition by standards.standard_code
            order by
                standards.stage_on asc,
                case standards.standard_stage
                    when 'planned' then 1
                    when 'drafting' then 2
                    when 'consultation' then 3
                    when 'issued' then 4
                    else 5
                end asc
        ) as next_stage_on
    from standards
),

superseded as (
    select
        standards.supersedes_standard_code as standard_code,
        min(standards.stage_on) as superseded_on
    from standards
    where
        standards.standard_stage = 'issued'
        and standards.supersedes_standard_code is not null
    group by standards.supersedes_standard_code
),

issued as (
    select
        staged.standard_code,
        staged.jurisdiction_code,
        staged.stage_on as issued_on,
        case
            when superseded.superseded_on is null then staged.next_stage_on
            when staged.next_stage_on is null then superseded.superseded_on
            else least(staged.next_stage_on, superseded.superseded_on)
        end as left_on
    from staged
    left join superseded
        on staged.standard_code = superseded.standard_code
    where
        staged.standard_stage = 'issued'
        and staged.is_counted_to_target
        -- The country counts what holds everywhere; a province what it issued itself.
        and (staged.jurisdiction_code <> 'CN' or staged.level = 'national')
),

final as (
    select
        issued.standard_code,
        issued.jurisdiction_code,
        issued.issued_on,
        issued.left_on
    from issued
)

select * from final
