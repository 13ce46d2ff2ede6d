"""Row rules: contract -> SQL, and the faults that a delivery's rows have by them.

Four kinds, none of which knows a source by name:

- `predicate`: a SQL expression over the row (`r`) and rows of reference lists found by `lookups`; true breaks the rule;
- `reference`: the row names a row of another source; where that has not landed the row may wait;
- `no_overlap`: intervals of one group do not overlap;
- `peer_ratio`: a value lies within a ratio of the median of its peers in force.

The population of the last two (intervals, peers) never holds a refused or duplicate row.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ingest.contract import Contract, Rule

Stored = Callable[[str], Sequence[Path]]
"""The landing files of a source, in received order."""

FAULT_TYPES = {"_record": pa.int32(), "code": pa.string(), "column_name": pa.string(), "value": pa.string()}


def parquet_relation(files: Iterable[Path], types: dict[str, str]) -> str:
    """SQL relation over landing files; an empty one with the right columns where there are none."""
    quoted = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    if not quoted:
        columns = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in types.items())
        return f"(select {columns} where false)"
    return f"read_parquet([{quoted}], union_by_name = true)"


def shown(contract: Contract, columns: Sequence[str]) -> str:
    """SQL text of the offending values: a single column's bare value, or `a = 1, b = 2`; decimals without idle zeros."""

    def text(name: str) -> str:
        cell = f"cast(r.{name} as varchar)"
        return f"rtrim(rtrim({cell}, '0'), '.')" if contract.column(name).type == "decimal" else cell

    if len(columns) == 1:
        return text(columns[0])
    cells = ", ".join(f"'{name} = ' || coalesce({text(name)}, '')" for name in columns)
    return f"concat_ws(', ', {cells})"


def _with_parameters(expression: str, parameters: dict[str, Any]) -> str:
    for name, value in parameters.items():
        if isinstance(value, int | float):
            expression = expression.replace("{" + name + "}", repr(value))
    return expression


def _lookup_joins(lookups: dict[str, Any]) -> str:
    """Left joins to reference lists, each made unique on what it is matched by so that a row never multiplies."""
    joins = []
    for alias, lookup in lookups.items():
        keys = list(lookup["match"])
        tests = " and ".join(f"{alias}.{key} = {value if '.' in value else 'r.' + value}" for key, value in lookup["match"].items())
        joins.append(f'left join (select distinct on ({", ".join(keys)}) * from reference."{lookup["list"]}") {alias} on {tests}')
    return " ".join(joins)


def predicate_faults(con: duckdb.DuckDBPyConnection, contract: Contract) -> pa.Table:
    """Faults of table `candidates` by the contract's predicates, all in one scan."""
    rules = [rule for rule in contract.rules if rule.kind == "predicate"]
    if not rules:
        return pa.table({name: pa.array([], kind) for name, kind in FAULT_TYPES.items()})
    lookups: dict[str, Any] = {}
    for rule in rules:
        for alias, lookup in rule.parameters.get("lookups", {}).items():
            if lookups.setdefault(alias, lookup) != lookup:
                raise ValueError(f"{contract.source}: lookup {alias} is declared twice, differently")
    broken = {rule.code: f"coalesce({_with_parameters(rule.parameters['violated'], dict(rule.parameters))}, false)" for rule in rules}
    flags = ", ".join(f'({test}) as "{code}"' for code, test in broken.items())
    con.execute(
        f"create or replace temp table broken as select * from (select r._record, {flags} from candidates r {_lookup_joins(lookups)}) "
        f"where {' or '.join(chr(34) + code + chr(34) for code in broken)}"
    )
    parts = [
        f"select b._record, '{rule.code}' as code, '{', '.join(rule.columns)}' as column_name, {shown(contract, rule.columns)} as value "
        f'from broken b join candidates r on r._record = b._record where b."{rule.code}"'
        for rule in rules
    ]
    return con.execute(" union all ".join(parts)).to_arrow_table()


def _records(contract: Contract, rule: Rule, query: str) -> str:
    return (
        f"select r._record, '{rule.code}' as code, '{', '.join(rule.columns)}' as column_name, {shown(contract, rule.columns)} as value "
        f"from candidates r join ({query}) found on found._record = r._record"
    )


def _reference_faults(con: duckdb.DuckDBPyConnection, rule: Rule, contract: Contract, referred: Contract, stored: Stored) -> pa.Table:
    columns = rule.parameters["match"]
    relation = parquet_relation(stored(referred.source), referred.landing_types())
    tests = " and ".join(f"known.{name} = r.{name}" for name in columns)
    known = f"(select distinct {', '.join(columns)} from {relation})"
    return con.execute(
        _records(contract, rule, f"select r._record from typed_candidates r where not exists (select 1 from {known} known where {tests})")
    ).to_arrow_table()


def _peer_ratio_faults(con: duckdb.DuckDBPyConnection, rule: Rule, contract: Contract, stored: Stored) -> pa.Table:
    parameters = rule.parameters
    columns = sorted({*rule.columns, *parameters["by"], *parameters["in_force_by"], *parameters["in_force_order"]})
    listed = ", ".join(columns)
    newest = ", ".join(f"{name} desc" for name in parameters["in_force_order"])
    joins = _lookup_joins(parameters["lookups"])
    group = ", ".join(f"r.{name}" for name in parameters["by"])
    relation = parquet_relation(stored(contract.source), contract.landing_types())
    con.execute(
        f"create or replace temp view known as select null::integer as _record, {listed} from {relation} "
        f"union all select _record, {listed} from good_candidates"
    )
    beyond = f"(v.value > s.middle * {parameters['ratio']} or v.value < s.middle / {parameters['ratio']})"
    same_group = " and ".join(f"v.{name} = s.{name}" for name in parameters["by"])
    names = ", ".join(parameters["by"])
    con.execute(
        f"create or replace temp table valued as select r._record, {group}, {parameters['value']} as value from typed_candidates r {joins}"
    )

    def judged(admitted: str) -> str:
        return (
            f"with r as (select * from known where {admitted} "
            f"qualify row_number() over (partition by {', '.join(parameters['in_force_by'])} order by {newest}) = 1), "
            f"peers as (select {group}, {parameters['value']} as value from r {joins}) "
            f"select v._record from valued v join (select {names}, median(value) as middle, count(*) as members from peers group by {names}) s "
            f"on {same_group} where s.members >= {parameters['at_least']} and {beyond}"
        )

    # Once more without the rows just found: a refused row neither makes the quorum nor moves the median, nor puts its predecessor out of force.
    con.execute(f"create or replace temp table first_found as {judged('true')}")
    con.execute(
        f"create or replace temp table last_found as {judged('_record is null or _record not in (select _record from first_found)')}"
        if con.execute("select 1 from first_found limit 1").fetchone()
        else "create or replace temp table last_found as from first_found"
    )
    return con.execute(_records(contract, rule, "select _record from last_found")).to_arrow_table()


def _overlapping(rows: list[tuple[int | None, bool, int, int]]) -> list[int]:
    """Records that overlap an earlier sound interval of their group. Rows are (record or None where stored, is_good, start, end), in order of arrival."""
    starts: list[int] = []
    ends: list[int] = []
    found = []
    for record, is_good, start, end in rows:
        place = bisect_right(starts, start)
        clear = (place == 0 or ends[place - 1] <= start) and (place == len(starts) or starts[place] >= end)
        if not clear and record is not None:
            found.append(record)
        elif is_good and clear:
            starts.insert(place, start)
            ends.insert(place, end)
    return found


def _overlap_faults(con: duckdb.DuckDBPyConnection, rule: Rule, contract: Contract, stored: Stored) -> pa.Table:
    parameters = rule.parameters
    by = parameters["by"]
    exclusive = 0 if parameters.get("end_is_exclusive", False) else 1
    interval = (
        f"date_diff('day', date '1900-01-01', {parameters['start']}) as starts, "
        f"coalesce(date_diff('day', date '1900-01-01', {parameters['end']}) + {exclusive}, 1000000) as ends"
    )
    names = ", ".join(by)
    relation = parquet_relation(stored(contract.source), contract.landing_types())
    order = "_record is not null, _record, starts"
    con.execute(
        f"create or replace temp table intervals as select null::integer as _record, true as is_good, {names}, {interval} from {relation} "
        f"union all select _record, _record in (select _record from good_candidates), {names}, {interval} from unkeyed_candidates "
        f"where {parameters['start']} is not null"
    )
    # Only groups in which something overlaps are walked row by row; on sound data there are none.
    con.execute(
        f"create or replace temp table crowded as select distinct {names} from (select *, max(ends) over (partition by {names} "
        f"order by starts, ends rows between unbounded preceding and 1 preceding) > starts as touches from intervals where starts < ends) where touches"
    )
    rows = con.execute(
        f"select {names}, _record, is_good, starts, ends from intervals join crowded using ({names}) where starts < ends order by {names}, {order}"
    ).fetchall()
    found: list[int] = []
    group: list[tuple[int | None, bool, int, int]] = []
    last: tuple[Any, ...] | None = None
    for row in rows:
        key = row[: len(by)]
        if key != last:
            found += _overlapping(group)
            group, last = [], key
        group.append(row[len(by) :])
    found += _overlapping(group)
    con.register("found_records", pa.table({"_record": pa.array(found, pa.int32())}))
    return con.execute(_records(contract, rule, "select _record from found_records")).to_arrow_table()


def relation_faults(con: duckdb.DuckDBPyConnection, contract: Contract, contracts: dict[str, Contract], stored: Stored) -> list[pa.Table]:
    """Faults by rules that look beyond the row.

    Needs, in `con`: `candidates`; `typed_candidates` (those whose cells could all be typed and that repeat nothing stored);
    `unkeyed_candidates` (the same without key conflicts); `good_candidates` (those with no fault so far).
    """
    tables = []
    for rule in contract.rules:
        if rule.kind == "reference":
            tables.append(_reference_faults(con, rule, contract, contracts[rule.parameters["source"]], stored))
        elif rule.kind == "peer_ratio":
            tables.append(_peer_ratio_faults(con, rule, contract, stored))
        elif rule.kind == "no_overlap":
            tables.append(_overlap_faults(con, rule, contract, stored))
    return tables
