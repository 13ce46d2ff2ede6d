"""What a public table must keep to itself: unsafe cells are withheld, and nobody can work them out again (methods.md M4, R15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from expectations.attack import COUNTRY, AttackUnsolved, Interval, Publication, solve_bounds
from expectations.check import Check, list_examples, quote_text

Run = Callable[[str], list[tuple[Any, ...]]]

PUBLIC = "marts.footprint__sectors_by_year_public"
TRUTH = "marts.footprint__sectors_by_year"
PRODUCTS = "marts.footprint__products"
BEFORE = "intermediate.int_footprint__totals_published"
THRESHOLDS = "intermediate.int_footprint__contributions_ranked"
ATTACKED = "attack.intervals"
UNPLACED = "unplaced"
REASONS = ("primary_threshold", "primary_p_percent", "complementary")

_TABLE = ("product_code", "boundary", "gwp_set", "reporting_year")
_CELL = (*_TABLE, "province_code")
_FIGURES = (
    "disclosure_count", "enterprise_count", "output_quantity", "weighted_mean_kg_co2e", "mean_kg_co2e", "stddev_kg_co2e", "p10_kg_co2e",
    "p25_kg_co2e", "p50_kg_co2e", "p75_kg_co2e", "p90_kg_co2e", "total_t_co2e", "verified_share", "primary_data_share",
)  # fmt: skip
_CHANGES = ("yoy_change_kg_co2e", "yoy_within_kg_co2e", "yoy_mix_kg_co2e", "yoy_entry_exit_kg_co2e")
_TABLE_LIST = ", ".join(_TABLE)
_CELL_LIST = ", ".join(_CELL)
_NAME = f"concat_ws(' ', {_TABLE_LIST})"

# Enterprises' contributions, counted again from the disclosures: in each province, in the country, and where there is no province.
_UNSAFE = f"""
with placed as (
    select {_TABLE_LIST}, coalesce(province_code, '{UNPLACED}') as province_code, enterprise_id, declared_kg_co2e * output_quantity as kg
    from {PRODUCTS}
    union all
    select {_TABLE_LIST}, '{COUNTRY}', enterprise_id, declared_kg_co2e * output_quantity from {PRODUCTS}
),
enterprises as (select {_CELL_LIST}, enterprise_id, coalesce(sum(kg), 0) / 1000 as tonnes from placed group by all),
cells as (
    select {_CELL_LIST}, count(*) as enterprises, sum(tonnes) as total, list_reverse_sort(list(tonnes)) as ranked
    from enterprises group by all
),
thresholds as (select distinct minimum_enterprise_count, p_share from {THRESHOLDS})
select {_CELL_LIST}, total,
    enterprises < minimum_enterprise_count as is_few,
    ranked[1] > 0 and total - ranked[1] - coalesce(ranked[2], 0) < p_share * ranked[1] as is_dominated
from cells cross join thresholds
"""


def _read_publications(run: Run) -> dict[str, list[Publication]]:
    """Per table what is public now, then what was before."""
    unplaced = {
        name: (float(total), bool(few or dominated))
        for name, total, few, dominated in run(
            f"select {_NAME}, total, is_few, is_dominated from ({_UNSAFE}) where province_code = '{UNPLACED}'"
        )
    }
    tables: dict[str, list[Publication]] = {}
    for name, shown, withheld in run(
        f"select {_NAME} as name,"
        " map_from_entries(list((province_code, coalesce(truth.total_t_co2e, 0))) filter (where reason is null)),"
        " map_from_entries(list((province_code, coalesce(truth.total_t_co2e, 0))) filter (where reason is not null))"
        f" from (select {_CELL_LIST}, suppression_reason as reason from {PUBLIC}) join {TRUTH} as truth using ({_CELL_LIST}) group by name"
    ):
        tables[name] = [Publication(shown or {}, withheld or {}, *unplaced.get(name, (0.0, False)))]
    for name, _, shown, withheld, hidden, is_sought in run(
        f"select {_NAME} as name, version,"
        " map_from_entries(list((province_code, total_t_co2e)) filter (where is_published)),"
        f" map_from_entries(list((province_code, total_t_co2e)) filter (where not is_published and province_code <> '{UNPLACED}')),"
        f" coalesce(sum(total_t_co2e) filter (where province_code = '{UNPLACED}'), 0),"
        f" coalesce(bool_or(is_protected) filter (where province_code = '{UNPLACED}'), false) from {BEFORE} group by name, version"
        " order by name, version"
    ):
        if name in tables:
            tables[name].append(Publication(shown or {}, withheld or {}, float(hidden), bool(is_sought)))
    return tables


def _withhold_all(now: Publication) -> Publication:
    return Publication({}, {**now.shown, **now.withheld}, now.unplaced, now.is_unplaced_sought)


def _list_findings(tables: Mapping[str, Sequence[Publication]], share: float) -> list[tuple[Interval, str, bool, bool]]:
    """Intervals from this release alone, and from all that was ever public; of those recovered, whether this release had a part in it."""
    found = [(interval, "this release", interval.is_recovered(share), False) for interval in solve_bounds({name: part[:1] for name, part in tables.items()})]  # fmt: skip
    followed = {name: part for name, part in tables.items() if len(part) > 1}
    jointly = solve_bounds(followed)
    suspicious = {interval.table for interval in jointly if interval.is_recovered(share)}
    told = {
        (interval.table, interval.province_code, interval.truth)
        for interval in solve_bounds({name: [_withhold_all(followed[name][0]), *followed[name][1:]] for name in suspicious})
        if interval.is_recovered(share)
    }
    found += [
        (interval, "all releases", interval.is_recovered(share), (interval.table, interval.province_code, interval.truth) in told)
        for interval in jointly
    ]
    return found


def record_attack(run: Run, columns: Mapping[str, Mapping[str, str]]) -> None:
    """Attack what the build would make public, and lay down the bounds where the checks read them.

    Where a mart is missing or the programme has no solution nothing is laid down, and a withheld cell without bounds is a failure.
    """
    run("create schema if not exists attack")
    run(
        f"create or replace table {ATTACKED} (name varchar, province_code varchar, truth double, low double, high double, scope varchar,"
        " is_recovered boolean, was_told boolean)"
    )
    if any(view not in columns for view in (PUBLIC, TRUTH, PRODUCTS, BEFORE, THRESHOLDS)):
        return
    shares = run(f"select max(protection_share) from {THRESHOLDS}")
    if shares[0][0] is None:
        return
    try:
        findings = _list_findings(_read_publications(run), float(shares[0][0]))
    except AttackUnsolved:
        return
    rows = [
        f"({quote_text(interval.table)}, {quote_text(interval.province_code or UNPLACED)}, {float(interval.truth)!r}, {float(interval.low)!r},"
        f" {float(interval.high)!r}, {quote_text(scope)}, {recovered}, {told})"
        for interval, scope, recovered, told in findings
    ]
    for start in range(0, len(rows), 5000):
        run(f"insert into {ATTACKED} values {', '.join(rows[start : start + 5000])}")


def _check_values() -> Check:
    """A public cell shows the ministry's figures, or nothing but its key and the reason."""
    same = " and ".join(f"public.{name} is not distinct from truth.{name}" for name in _FIGURES)
    alike = " and ".join(f"(public.{name} is null or public.{name} = truth.{name})" for name in _CHANGES)
    empty = f"coalesce({', '.join(f'public.{name}::double' for name in (*_FIGURES, *_CHANGES))}) is null"
    reasons = ", ".join(quote_text(reason) for reason in REASONS)
    condition = (
        f"(public.product_code is not null and truth.product_code is not null and case when public.suppression_reason is null"
        f" then {same} and {alike} else {empty} and public.suppression_reason in ({reasons}) end) is not true"
    )
    shown = f"concat_ws(' ', {', '.join(f'coalesce(public.{name}, truth.{name})' for name in _CELL)}, public.suppression_reason)"
    keys = " and ".join(f"public.{name} = truth.{name}" for name in _CELL)
    return Check(
        "public_cells_true_or_empty",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        f" from {PUBLIC} as public full join {TRUTH} as truth on {keys}",
    )


def _check_changes() -> Check:
    """A change tells the year before to whoever knows this year: both cells must be shown for it."""
    keys = " and ".join(f"now.{name} = earlier.{name}" for name in _CELL if name != "reporting_year")
    condition = (
        f"(coalesce({', '.join(f'now.{name}' for name in _CHANGES)}) is null"
        " or (now.suppression_reason is null and earlier.product_code is not null and earlier.suppression_reason is null)) is not true"
    )
    shown = f"concat_ws(' ', {', '.join(f'now.{name}' for name in _CELL)})"
    return Check(
        "changes_tell_no_neighbour",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        f" from {PUBLIC} as now left join {PUBLIC} as earlier on {keys} and now.reporting_year = earlier.reporting_year + 1",
    )


def _check_unsafe() -> Check:
    missing = "public.product_code is null"
    shown = "concat_ws(' ', product_code, boundary, gwp_set, reporting_year, province_code)"
    reason = "coalesce(public.suppression_reason, 'shown')"
    condition = (
        f"({missing} or case when unsafe.is_few then {reason} <> 'primary_threshold'"
        f" when unsafe.is_dominated then {reason} <> 'primary_p_percent' else {reason} not in ('shown', 'complementary') end) is not false"
    )
    return Check(
        "unsafe_cells_withheld",
        "select count(*) as examined, count(*) filter (where broken) as broken, " + list_examples("shown", "broken") + " as evidence from"
        f" (select {condition} as broken, {shown} as shown from ({_UNSAFE}) as unsafe left join {PUBLIC} as public using ({_CELL_LIST})"
        f" where unsafe.province_code <> '{UNPLACED}')",
    )


def _check_attack() -> Check:
    """Every public cell is looked at: a withheld one without bounds was not attacked, and that is no pass."""
    bounds = (
        f"select name, province_code, count(*) as attacks, bool_or(is_recovered and not was_told) as is_recovered,"
        f" arg_max(scope || ' bounds ' || round(truth, 6) || ' t within ' || round(low, 6) || ' and ' || round(high, 6), is_recovered) as shown"
        f" from {ATTACKED} group by name, province_code"
    )
    condition = "((is_withheld and coalesce(attacks, 0) = 0) or coalesce(is_recovered, false)) is not false"
    cells = (
        f"select {_NAME} as name, province_code, suppression_reason is not null as is_withheld from {PUBLIC} union all"
        f" select distinct name, province_code, false from {ATTACKED} where province_code = '{UNPLACED}'"
    )
    counted = "count(*) filter (where is_withheld) || ' withheld cells attacked'"
    return Check(
        "withheld_cells_unrecoverable",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {counted} || coalesce(': ' ||"
        f" {list_examples('name || chr(32) || province_code || chr(32) || coalesce(shown, chr(63))', condition)}, '') as evidence"
        f" from ({cells}) left join ({bounds}) using (name, province_code)",
    )


def _check_told() -> Check:
    shown = "name || ' ' || province_code"
    condition = "is_recovered and was_told"
    return Check(
        "figures_told_before",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        f" from {ATTACKED}",
        may_be_empty=True,  # nothing may be withheld, and there may be no earlier release
    )


def list_disclosure_checks() -> list[Check]:
    """The checks of the public table; `record_attack` has laid down what the attacker found."""
    return [_check_values(), _check_changes(), _check_unsafe(), _check_attack(), _check_told()]
