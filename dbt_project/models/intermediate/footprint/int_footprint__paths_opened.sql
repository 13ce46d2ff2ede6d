-- Down the chain from each disclosure: every supplier whose part in it reaches the smallest share that is shown, opened into its own
-- lines. A part is known before it is opened, since the whole system is solved: what is not opened, in a loop too, is a remainder.
with recursive

disclosures as (
    select * from {{ ref('int_footprint__disclosures_entered') }}
),

links as (
    select
        valued.network_number,
        valued.supplier_number,
        valued.supplier_quantity,
        valued.line_kg_co2e,
        {{ json_quoted('valued.supplier_disclosure_id') }} as supplier_name
    from {{ ref('int_footprint__lines_valued') }} as valued
    where
        valued.is_recalculated
        and valued.line_kg_co2e > 0
),

rules as (
    select
        contribution_rule.minimum_share,
        contribution_rule.depth_limit,
        row_number() over (order by contribution_rule.valid_from desc) as recency_rank
    from {{ ref('contribution_rule') }} as contribution_rule
    where contribution_rule.valid_from <= {{ rule_day() }}
),

opened as (
    select
        disclosures.network_number as root_number,
        disclosures.network_number,
        0 as path_depth,
        '[' || {{ json_quoted('disclosures.disclosure_id') }} as path,
        cast(1 as double) as unit_quantity,
        disclosures.recalculated_kg_co2e as root_kg_co2e,
        rules.minimum_share * disclosures.recalculated_kg_co2e as smallest_kg_co2e,
        rules.depth_limit
    from disclosures
    inner join rules
        on rules.recency_rank = 1
    where disclosures.recalculated_kg_co2e > 0
    union all
    select
        opened.root_number,
        links.supplier_number as network_number,
        opened.path_depth + 1 as path_depth,
        opened.path || ',' || links.supplier_name as path,
        opened.unit_quantity * links.supplier_quantity as unit_quantity,
        opened.root_kg_co2e,
        opened.smallest_kg_co2e,
        opened.depth_limit
    from opened
    inner join links
        on opened.network_number = links.network_number
    where
        opened.path_depth < opened.depth_limit
        and opened.unit_quantity * links.line_kg_co2e >= opened.smallest_kg_co2e
),

final as (
    select
        opened.root_number,
        opened.network_number,
        opened.path_depth,
        opened.path || ']' as path,
        opened.unit_quantity,
        opened.root_kg_co2e,
        opened.smallest_kg_co2e,
        opened.path_depth < opened.depth_limit as is_opening
    from opened
)

select * from final
