"""The suite that follows from a contract: what every landed delivery of any source is held to.

The queries read three views that the gate prepares: `delivery.landing` (the rows to be accepted), `delivery.verdicts` (one row per
received row) and `delivery.previous` (the last accepted delivery).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from expectations.check import Check, Limits, list_examples, quote_name, quote_text
from ingest.contract import LINEAGE_COLUMNS, Column, Contract

OPTIONAL_LINEAGE = "_extra"
BOUNDED_TYPES = ("integer", "double", "decimal")


def count_faults(faults: Iterable[tuple[str, str]], view: str) -> str:
    """One pass over `view` that counts the rows of each (name, condition): a scan per column would read the delivery many times."""
    named = list(faults)
    counts = ", ".join(f"count(*) filter (where {condition}) as f{place}" for place, (_, condition) in enumerate(named))
    broken = " + ".join(f"f{place}" for place in range(len(named)))
    evidence = ", ".join(f"case when f{place} > 0 then {quote_text(name + ': ')} || f{place} end" for place, (name, _) in enumerate(named))
    return (
        f"select examined, {broken} as broken, concat_ws(', ', {evidence}) as evidence"
        f" from (select count(*) as examined, {counts} from {view})"
    )


def _check_columns(contract: Contract) -> Check:
    expected = ", ".join(f"({quote_text(name)}, {quote_text(kind.upper())})" for name, kind in contract.landing_types().items())
    condition = "expected.sql_type is distinct from found.column_type"
    shown = (
        "coalesce(expected.name, found.column_name) || ': expected ' || coalesce(expected.sql_type, 'no such column')"
        " || ', found ' || coalesce(found.column_type, 'none')"
    )
    return Check(
        "columns",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        f" from (values {expected}) as expected (name, sql_type)"
        " full join (select column_name, column_type from (describe select * from delivery.landing)) as found"
        " on expected.name = found.column_name",
    )


def _describe_missing(name: str, is_text: bool) -> tuple[str, str]:
    quoted = quote_name(name)
    return name, f"{quoted} is null or trim({quoted}) = ''" if is_text else f"{quoted} is null"


def _check_required(contract: Contract, may_be_empty: bool) -> Check:
    lineage = [(name, kind == "varchar") for name, kind in LINEAGE_COLUMNS.items() if name != OPTIONAL_LINEAGE]
    columns = [(column.name, column.type == "text") for column in contract.columns if column.required] + lineage
    return Check("required", count_faults((_describe_missing(*column) for column in columns), "delivery.landing"), may_be_empty)


def _describe_unlisted(column: Column) -> tuple[str, str]:
    allowed = ", ".join(quote_text(value) for value in column.values + column.also_allowed)
    return column.name, f"{quote_name(column.name)} not in ({allowed})"


def _describe_outside(column: Column) -> tuple[str, str]:
    name = quote_name(column.name)
    sides = [f"{name} < {column.minimum}"] if column.minimum is not None else []
    sides += [f"{name} > {column.maximum}"] if column.maximum is not None else []
    return column.name, " or ".join(sides)


def _check_key(contract: Contract, may_be_empty: bool) -> Check:
    key = ", ".join(quote_name(name) for name in contract.key)
    shown = "concat_ws(' | ', " + ", ".join(f"cast({quote_name(name)} as varchar)" for name in contract.key) + ")"
    # What withdraws a key stands beside what it withdraws.
    standing = f" where not coalesce({quote_name(contract.withdrawn_column)}, false)" if contract.withdrawn_column else ""
    return Check(
        "key_unique",
        f"select (select count(*) from delivery.landing) as examined, count(*) as broken, {list_examples(shown, 'true')} as evidence"
        f" from (select {key} from delivery.landing{standing} group by {key} having count(*) > 1)",
        may_be_empty,
    )


def _check_lineage(delivery_id: str, may_be_empty: bool) -> Check:
    """Row number by row number, as many landed rows as accepted ones. A layout may make several records of one row of a file."""
    rows = "select _row_number, count(*) as records from {} group by _row_number"
    accepted = rows.format("delivery.verdicts where verdict = 'accepted'")
    condition = "landed.records is distinct from accepted.records"
    examples = list_examples("'row ' || coalesce(landed._row_number, accepted._row_number)", condition)
    return Check(
        "lineage",
        "select landed_rows as examined, foreign_rows + different as broken, concat_ws(', ', case when foreign_rows > 0"
        " then foreign_rows || ' rows of another delivery' end, case when different > 0"
        " then different || ' rows landed more or less often than they were accepted' end, examples) as evidence"
        f" from (select count(*) filter (where {condition}) as different, {examples} as examples from ({rows.format('delivery.landing')})"
        f" as landed full join ({accepted}) as accepted on landed._row_number = accepted._row_number)"
        " cross join (select count(*) as landed_rows,"
        f" count(*) filter (where _delivery_id is distinct from {quote_text(delivery_id)}) as foreign_rows from delivery.landing)",
        may_be_empty,
    )


def _check_conservation(counts: Mapping[str, int]) -> Check:
    """The counts of the receipt against a recount of the verdicts; rows that wait are kept aside, so they count as quarantined."""
    expected = {name: int(counts.get(name, 0)) for name in ("received", "accepted", "duplicate", "quarantined", "waiting")}
    found = {
        "received": "received",
        "accepted": "accepted",
        "duplicate": "duplicate",
        "quarantined": "received - accepted - duplicate",
        "waiting": "waiting",
    }
    faults = [(f"{name} {expected[name]} in the receipt, recounted ", f"{found[name]}", expected[name]) for name in expected]
    broken = " + ".join(f"(({value}) is distinct from {figure})::int" for _, value, figure in faults)
    evidence = ", ".join(
        f"case when ({value}) is distinct from {figure} then {quote_text(text)} || ({value}) end" for text, value, figure in faults
    )
    sums = expected["accepted"] + expected["duplicate"] + expected["quarantined"]
    return Check(
        "conservation",
        f"select received as examined, {broken} + unnamed + unplaced + ({expected['received']} <> {sums})::int as broken,"
        f" concat_ws(', ', {evidence}, case when unnamed > 0 then unnamed || ' rows without a known verdict' end,"
        " case when unplaced > 0 then unplaced || ' rows without a row number' end) as evidence"
        " from (select count(*) as received, count(*) filter (where verdict = 'accepted') as accepted,"
        " count(*) filter (where verdict = 'duplicate') as duplicate, count(*) filter (where verdict = 'waiting') as waiting,"
        " count(*) filter (where (verdict in ('accepted', 'duplicate', 'quarantined', 'waiting')) is not true) as unnamed,"
        " count(*) - count(_row_number) as unplaced from delivery.verdicts)",
    )


def _check_bad_rows(tolerance: float) -> Check:
    """Recounted from the verdicts: rows that only wait for another delivery are not bad rows."""
    return Check(
        "too_many_bad_rows",
        f"select received as examined, case when (bad / nullif(received, 0) <= {tolerance!r}) is not true then greatest(bad, 1) else 0 end"
        f" as broken, bad || ' of ' || received || ' rows are bad (' || coalesce(round(100.0 * bad / nullif(received, 0), 1)::varchar, '?')"
        f" || ' %), tolerated {tolerance:.0%}' as evidence"
        " from (select count(*) as received, count(*) filter (where (verdict in ('accepted', 'duplicate', 'waiting')) is not true) as bad"
        " from delivery.verdicts)",
    )


def compare_filling(columns: Sequence[str], now: str, before: str, expected_rows: float) -> str:
    """A query for the columns that `now` leaves empty although at the rate of `before` so many rows would hold a value."""
    counted = ", ".join(f"count({quote_name(name)}) as c{place}" for place, name in enumerate(columns))
    emptied = [f"(now.c{place} = 0 and before.c{place} * now.total >= {expected_rows!r} * before.total)" for place in range(len(columns))]
    names = ", ".join(f"case when {condition} then {quote_text(name)} end" for name, condition in zip(columns, emptied, strict=True))
    # With too few rows on either side no column is judged, and nothing was examined.
    judged = f"(now.total >= {expected_rows!r} and before.total > 0)"
    return (
        f"select case when {judged} then {len(columns)} else 0 end as examined,"
        f" case when {judged} then {' + '.join(f'{condition}::int' for condition in emptied)} else 0 end as broken,"
        f" case when {judged} then concat_ws(', ', {names}) else '' end as evidence"
        f" from (select count(*) as total, {counted} from {now}) as now, (select count(*) as total, {counted} from {before}) as before"
    )


def list_structural_checks(contract: Contract, delivery_id: str, counts: Mapping[str, int], limits: Limits) -> list[Check]:
    """The checks of a contract. A delivery of which nothing was accepted (all duplicates) rightly has no landed row to look at."""
    empty = counts.get("accepted", 0) == 0
    checks = [
        _check_columns(contract),
        Check("row_count", "", empty, row_count=counts.get("accepted", -1)),
        _check_lineage(delivery_id, empty),
        _check_conservation(counts),
        _check_bad_rows(contract.tolerance),
        _check_required(contract, empty),
        _check_key(contract, empty),
    ]
    listed = [_describe_unlisted(column) for column in contract.columns if column.values]
    bounded = [_describe_outside(column) for column in contract.columns if column.minimum is not None or column.maximum is not None]
    formed = [
        (column.name, f"not regexp_full_match({quote_name(column.name)}, {quote_text(column.pattern)})")
        for column in contract.columns
        if column.pattern
    ]
    doubles = [(column.name, f"not isfinite({quote_name(column.name)})") for column in contract.columns if column.type == "double"]
    for code, faults in (("enumeration", listed), ("range", bounded), ("pattern", formed), ("finite", doubles)):
        if faults:
            checks.append(Check(code, count_faults(faults, "delivery.landing"), empty))
    optional = [column.name for column in contract.columns if not column.required]
    if optional:
        rows = limits.value("column_emptied", "expected_rows")
        query = compare_filling(optional, "delivery.landing", "delivery.previous", rows)
        checks.append(Check("column_emptied", query, may_be_empty=True))
    return checks


def plan_structural_codes(contract: Contract, limits: Limits) -> frozenset[str]:
    """The codes a contract's suite must evaluate, told from the contract alone and not from the suite that is to be controlled."""
    inapplicable = {
        "enumeration": not any(column.values for column in contract.columns),
        "range": all(column.minimum is None and column.maximum is None for column in contract.columns),
        "pattern": not any(column.pattern for column in contract.columns),
        "finite": not any(column.type == "double" for column in contract.columns),
        "column_emptied": all(column.required for column in contract.columns),
    }
    return frozenset(code for code in limits.codes if not inapplicable.get(code, False))
