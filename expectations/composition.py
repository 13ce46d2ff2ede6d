"""What must hold for what footprints are made of: paths, editions of factors, gaps, and what the public table costs (methods.md M2, M4, M13).

Written again from the marts and the landed rows by other queries than the models use; a wrong model does not pass by agreeing with itself.
"""

from __future__ import annotations

from dataclasses import replace

from expectations.check import Check, Limits, count_broken
from expectations.shape import is_close

# Rightly empty where no disclosure states its activities, no factor has been published, or all of them fit.
MARTS = (
    "footprint__contributions",
    "footprint__factor_impacts",
    "footprint__product_impacts_by_year",
    "footprint__factor_gaps_by_year",
    "footprint__suppressions_by_year",
)


def _check_contributions(limits: Limits) -> Check:
    tolerance = limits.value("contributions_add_up", "relative_tolerance")
    told = (
        "select disclosure_id, sum(contribution_kg_co2e) as kg, sum(contribution_share) as share,"
        " min(contribution_kg_co2e) >= 0 as is_positive, count(*) filter (where contribution_kind = 'other') <= 1 as has_one_rest"
        " from marts.footprint__contributions group by disclosure_id"
    )
    condition = (
        "(case when coalesce(product.recalculated_kg_co2e, 0) = 0 then told.kg is null"
        f" else {is_close('told.kg', 'product.recalculated_kg_co2e', tolerance)} and {is_close('told.share', '1', tolerance)}"
        " and told.is_positive and told.has_one_rest end) is not true"
    )
    shown = (
        "coalesce(product.disclosure_id, told.disclosure_id) || ': recalculated ' || coalesce(product.recalculated_kg_co2e::varchar, 'null')"
        " || ', paths ' || coalesce(told.kg::varchar, 'none')"
    )
    return count_broken(
        "contributions_add_up",
        condition,
        shown,
        f"marts.footprint__products as product full join ({told}) as told on product.disclosure_id = told.disclosure_id",
    )


def _check_impacts() -> Check:
    condition = (
        "(product.recalculation_status = impact.new_recalculation_status"
        " and impact.new_kg_co2e is not distinct from product.recalculated_kg_co2e"
        " and (impact.old_kg_co2e is distinct from impact.new_kg_co2e"
        " or impact.old_recalculation_status <> impact.new_recalculation_status)"
        " and (impact.old_recalculation_status = 'partial' or impact.new_recalculation_status = 'complete')) is not true"
    )
    shown = (
        "concat_ws(' ', impact.factor_id, impact.edition, impact.disclosure_id) || ': ' || coalesce(impact.new_kg_co2e::varchar, 'null')"
        " || ', in force ' || coalesce(product.recalculated_kg_co2e::varchar, 'null')"
    )
    rows = "marts.footprint__factor_impacts as impact left join marts.footprint__products as product on impact.disclosure_id = product.disclosure_id"
    return replace(count_broken("impacts_end_in_force", condition, shown, rows), may_be_empty=True)


def _check_product_impacts(limits: Limits) -> Check:
    tolerance = limits.value("product_impacts_add_up", "relative_tolerance")
    key = "product_code, boundary, gwp_set, reporting_year"
    compared = "impact.old_recalculation_status = 'complete' and impact.new_recalculation_status = 'complete'"
    told = (
        f"select impact.factor_id, impact.edition, {key}, count(*) as row_count,"
        f" coalesce(sum((impact.new_kg_co2e - impact.old_kg_co2e) * output_quantity) filter (where {compared}), 0) / 1000 as tonnes,"
        f" coalesce(sum(greatest(impact.new_kg_co2e, impact.old_kg_co2e) * output_quantity) filter (where {compared}), 0) / 1000 as size"
        " from marts.footprint__factor_impacts as impact join marts.footprint__products using (disclosure_id) group by all"
    )
    means = "mart.new_weighted_mean_kg_co2e - mart.old_weighted_mean_kg_co2e"
    condition = (
        f"(mart.changed_disclosure_count = told.row_count and abs(mart.total_change_t_co2e - told.tonnes) <= {tolerance!r} * told.size"
        " and (mart.weighted_mean_change_kg_co2e is null or"
        f" abs(mart.weighted_mean_change_kg_co2e - ({means})) <= {tolerance!r} * greatest(mart.new_weighted_mean_kg_co2e,"
        " mart.old_weighted_mean_kg_co2e))) is not true"
    )
    shown = "concat_ws(' ', factor_id, edition, product_code, reporting_year)"
    rows = f"marts.footprint__product_impacts_by_year as mart full join ({told}) as told using (factor_id, edition, {key})"
    return replace(count_broken("product_impacts_add_up", condition, shown, rows), may_be_empty=True)


def _check_gaps() -> Check:
    rows = (
        "(select (select coalesce(sum(unpriced_line_count), 0) from marts.footprint__factor_gaps_by_year) as named,"
        " (select coalesce(sum(line_count - priced_line_count), 0) from marts.footprint__products) as waiting)"
    )
    return count_broken("gaps_name_every_line", "(named = waiting) is not true", "named || ' lines, expected ' || waiting", rows)


def _check_suppressions() -> Check:
    cell = "boundary, gwp_set, reporting_year"
    counted = (
        f"select {cell}, count(*) as cells, count(suppression_reason) as withheld from marts.footprint__sectors_by_year_public group by all"
    )
    condition = (
        "(mart.cell_count = counted.cells and mart.suppressed_cell_count = counted.withheld"
        " and mart.suppressed_cell_count = mart.primary_cell_count + mart.complementary_cell_count) is not true"
    )
    shown = f"concat_ws(' ', {cell}) || ': ' || coalesce(mart.suppressed_cell_count, 0) || ' of ' || coalesce(mart.cell_count, 0)"
    rows = f"marts.footprint__suppressions_by_year as mart full join ({counted}) as counted using ({cell})"
    return count_broken("suppressions_counted", condition, shown, rows)


def _check_supplies() -> Check:
    counted = "select disclosure_id, sum(linked_line_count) as lines from marts.footprint__supplies group by disclosure_id"
    rows = f"marts.footprint__products as product full join ({counted}) as supplied using (disclosure_id)"
    condition = "(coalesce(product.linked_line_count, 0) = coalesce(supplied.lines, 0)) is not true"
    shown = "disclosure_id || ': ' || coalesce(supplied.lines, 0) || ' lines, linked ' || coalesce(product.linked_line_count, 0)"
    return count_broken("supplies_count_linked_lines", condition, shown, rows)


def list_composition_checks(limits: Limits) -> list[Check]:
    return [
        _check_contributions(limits),
        _check_impacts(),
        _check_product_impacts(limits),
        _check_gaps(),
        _check_suppressions(),
        _check_supplies(),
    ]
