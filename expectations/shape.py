"""Checks of shape that every instrument's marts are held to: filled, keyed, finite, present."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from expectations.check import Check, Limits, list_examples, quote_name, quote_text
from expectations.structure import compare_filling, count_faults


def is_close(left: str, right: str, tolerance: float) -> str:
    """A condition on two figures; unknown when either is null, which `is not true` then counts as broken."""
    return f"abs({left} - {right}) <= {tolerance!r} * greatest(abs({left}), abs({right}))"


def _add_up(parts: Sequence[str]) -> str:
    """One answer from the answers for several marts, each a query with `examined`, `broken` and `evidence`."""
    rows = " union all ".join(f"({part})" for part in parts)
    # A mart without rows or with an unknown count makes the whole unknown: sums would pass over its null.
    return (
        "select case when count(*) = count(examined) then sum(examined) end as examined,"
        " case when count(*) = count(broken) then sum(broken) end as broken,"
        f" string_agg(nullif(evidence, ''), '; ') as evidence from ({rows})"
    )


def check_filled() -> Check:
    """`marts.examined` has one row per mart; the number of rows examined by a suite is taken from here."""
    return Check(
        "marts_filled",
        "select sum(row_count) as examined, count(*) filter (where (row_count > 0) is not true) as broken,"
        f" {list_examples('mart', '(row_count > 0) is not true')} as evidence from marts.examined",
    )


def check_keys(keys: Mapping[str, Sequence[str]]) -> Check:
    parts = []
    for mart, names in keys.items():
        key = ", ".join(quote_name(name) for name in names)
        unknown = " or ".join(f"{quote_name(name)} is null" for name in names)
        shown = f"{quote_text(mart + ': ')} || concat_ws(' ', {key})"
        parts.append(
            f"select sum(copies) as examined, count(*) filter (where copies > 1 or {unknown}) as broken,"
            f" {list_examples(shown, f'copies > 1 or {unknown}')} as evidence"
            f" from (select {key}, count(*) as copies from marts.{mart} group by {key})"
        )
    return Check("keys_unique", _add_up(parts))


def check_finite(marts: Sequence[str], columns: Mapping[str, Mapping[str, str]]) -> Check:
    parts = []
    for mart in marts:
        doubles = [name for name, kind in columns.get(f"marts.{mart}", {}).items() if kind in ("DOUBLE", "FLOAT")]
        if doubles:
            parts.append(count_faults([(f"{mart}.{name}", f"not isfinite({quote_name(name)})") for name in doubles], f"marts.{mart}"))
    return Check("figures_finite", _add_up(parts) if parts else "select 0 as examined, 0 as broken, 'no figures at all' as evidence")


def check_present(figures: Mapping[str, Sequence[str]]) -> Check:
    parts = [
        count_faults([(f"{mart}.{name}", f"{quote_name(name)} is null") for name in names], f"marts.{mart}")
        for mart, names in figures.items()
    ]
    return Check("figures_present", _add_up(parts))


def check_emptied(marts: Sequence[str], columns: Mapping[str, Mapping[str, str]], limits: Limits) -> Check:
    """Columns that the last release filled and this one does not. Marts or columns that only one of them has are not compared."""
    rows = limits.value("column_emptied", "expected_rows")
    parts = []
    for mart in marts:
        before = columns.get(f"previous.{mart}", {})
        common = [name for name in columns.get(f"marts.{mart}", {}) if name in before]
        if common:
            parts.append(compare_filling(common, f"marts.{mart}", f"previous.{mart}", rows))
    query = _add_up(parts) if parts else "select 0 as examined, 0 as broken, '' as evidence"
    return Check("column_emptied", query, may_be_empty=True)
