with

paths as (
    select * from {{ ref('int_footprint__paths_opened') }}
),

lines as (
    select * from {{ ref('int_footprint__lines_valued') }}
),

disclosures as (
    select * from {{ ref('int_footprint__disclosures_entered') }}
),

contribution_rule as (
    select * from {{ ref('contribution_rule') }}
),

ranked_rules as (
    select
        contribution_rule.path_limit,
        row_number() over (order by contribution_rule.valid_from desc) as recency_rank
    from contribution_rule
    where contribution_rule.valid_from <= {{ rule_day() }}
),

-- The ends of all paths: a line that stands for itself, since it is priced by a factor or a total, or is too small or too deep to open.
-- Most are too small to show: they are only added up, so no text is carried along for them.
shown as (
    select
        paths.root_number,
        paths.path_depth,
        paths.path,
        lines.line_no,
        lines.stage,
        lines.activity_code,
        lines.geography_code,
        lines.factor_id,
        lines.factor_edition,
        lines.supplier_disclosure_id,
        lines.is_recalculated,
        paths.root_kg_co2e,
        paths.unit_quantity * lines.line_kg_co2e as contribution_kg_co2e
    from paths
    inner join lines
        on
            paths.network_number = lines.network_number
            and paths.unit_quantity * lines.line_kg_co2e >= paths.smallest_kg_co2e
    where not (lines.is_recalculated and paths.is_opening and lines.line_kg_co2e > 0)
),

small as (
    select
        paths.root_number,
        paths.root_kg_co2e,
        paths.unit_quantity * lines.line_kg_co2e as contribution_kg_co2e
    from paths
    inner join lines
        on
            paths.network_number = lines.network_number
            and paths.unit_quantity * lines.line_kg_co2e < paths.smallest_kg_co2e
),

ranked as (
    select
        shown.*,
        row_number() over (
            partition by shown.root_number
            order by shown.contribution_kg_co2e desc, shown.path_depth asc, shown.path asc, shown.line_no asc
        ) as contribution_rank
    from shown
),

listed as (
    select
        ranked.root_number,
        ranked.contribution_rank,
        ranked.path,
        case
            when ranked.factor_id is not null then 'factor'
            when ranked.is_recalculated then 'recalculated_total'
            else 'declared_total'
        end as contribution_kind,
        ranked.stage,
        ranked.activity_code,
        ranked.geography_code,
        ranked.factor_id,
        ranked.factor_edition,
        ranked.supplier_disclosure_id,
        ranked.line_no,
        ranked.path_depth,
        1 as path_count,
        ranked.contribution_kg_co2e,
        ranked.contribution_kg_co2e / ranked.root_kg_co2e as contribution_share
    from ranked
    inner join ranked_rules
        on
            ranked_rules.recency_rank = 1
            and ranked.contribution_rank <= ranked_rules.path_limit
),

folded as (
    select
        small.root_number,
        small.root_kg_co2e,
        small.contribution_kg_co2e
    from small
    union all
    select
        ranked.root_number,
        ranked.root_kg_co2e,
        ranked.contribution_kg_co2e
    from ranked
    inner join ranked_rules
        on
            ranked_rules.recency_rank = 1
            and ranked.contribution_rank > ranked_rules.path_limit
),

-- Shares are added as whole numbers of 1e-17, which is the same sum in every order and costs no sorting of millions of small parts.
remainders as (
    select
        folded.root_number,
        folded.root_kg_co2e,
        count(*) as path_count,
        cast(sum(cast(round(folded.contribution_kg_co2e / folded.root_kg_co2e * 1e17) as bigint)) as double) / 1e17 as contribution_share
    from folded
    group by
        folded.root_number,
        folded.root_kg_co2e
),

listed_counts as (
    select
        listed.root_number,
        count(*) as row_count
    from listed
    group by listed.root_number
),

gathered as (
    select * from listed
    union all
    select
        remainders.root_number,
        coalesce(listed_counts.row_count, 0) + 1 as contribution_rank,
        {{ text_of('null') }} as path,
        'other' as contribution_kind,
        {{ text_of('null') }} as stage,
        {{ text_of('null') }} as activity_code,
        {{ text_of('null') }} as geography_code,
        {{ text_of('null') }} as factor_id,
        {{ text_of('null') }} as factor_edition,
        {{ text_of('null') }} as supplier_disclosure_id,
        cast(null as bigint) as line_no,
        cast(null as integer) as path_depth,
        remainders.path_count,
        remainders.contribution_share * remainders.root_kg_co2e as contribution_kg_co2e,
        remainders.contribution_share
    from remainders
    left join listed_counts
        on remainders.root_number = listed_counts.root_number
),

final as (
    select
        disclosures.disclosure_id,
        gathered.contribution_rank,
        gathered.path,
        gathered.contribution_kind,
        gathered.stage,
        gathered.activity_code,
        gathered.geography_code,
        gathered.factor_id,
        gathered.factor_edition as edition,
        gathered.supplier_disclosure_id,
        cast(gathered.line_no as bigint) as line_no,
        cast(gathered.path_depth as bigint) as path_depth,
        cast(gathered.path_count as bigint) as path_count,
        gathered.contribution_kg_co2e,
        gathered.contribution_share
    from gathered
    inner join disclosures
        on gathered.root_number = disclosures.network_number
)

select * from final
