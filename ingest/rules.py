"""Row rules: contract -> SQL, and the faults that a delivery's rows have by them.

Five kinds, none of which knows a source by name:

- `predicate`: a SQL expression over the row (`r`) and what its `lookups` find (`ingest.lookups`); true breaks the rule;
- `reference`: the row names a row of another source; where that has not landed the row may wait;
- `no_overlap`: intervals of one group do not overlap;
- `peer_ratio`: a value lies within a ratio of the median of its peers in force;
- `balance`: what rows draw on a row of another source never exceeds what that one holds.

The populations of the last three (intervals, peers, draws) never hold a refused or duplicate row, and a row that waits is no part of them nor judged
by them: when it has stopped waiting, it is judged again by every rule. They decide in the contract's order; a row that one refused is no part of the next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

import duckdb
import pyarrow as pa

from ingest.contract import Contract, Rule
from ingest.lookups import Landed, lookup_joins

FAULT_TYPES = {"_record": pa.int32(), "code": pa.string(), "column_name": pa.string(), "value": pa.string()}


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


def _beside(shows: Mapping[str, str]) -> str:
    """SQL text of what a rule `shows` beside the offending value, name -> expression: `; a = 1, b = 2`, less what is unknown."""
    cells = ", ".join(
        f"'{name} = ' || case when typeof({value}) like 'DECIMAL%' then rtrim(rtrim(cast({value} as varchar), '0'), '.') "
        f"else cast({value} as varchar) end"
        for name, value in shows.items()
    )
    return f"coalesce('; ' || nullif(concat_ws(', ', {cells}), ''), '')" if shows else "''"


def _no_faults() -> pa.Table:
    return pa.table({name: pa.array([], kind) for name, kind in FAULT_TYPES.items()})


def predicate_faults(con: duckdb.DuckDBPyConnection, contract: Contract, landed: Landed) -> pa.Table:
    """Faults of table `candidates` by the contract's predicates, all in one scan."""
    rules = [rule for rule in contract.rules if rule.kind == "predicate"]
    if not rules:
        return _no_faults()
    lookups: dict[str, Any] = {}
    for rule in rules:
        for alias, lookup in rule.parameters.get("lookups", {}).items():
            if lookups.setdefault(alias, lookup) != lookup:
                raise ValueError(f"{contract.source}: lookup {alias} is declared twice, differently")
    broken = {rule.code: f"coalesce({_with_parameters(rule.parameters['violated'], dict(rule.parameters))}, false)" for rule in rules}
    shows = {rule.code: rule.parameters.get("shows", {}) for rule in rules}
    flags = ", ".join(f'({test}) as "{code}", {_beside(shows[code])} as "{code} beside"' for code, test in broken.items())
    expressions = [*broken.values(), *(value for shown_with in shows.values() for value in shown_with.values())]
    joins = lookup_joins(con, lookups, expressions, landed)
    con.execute(
        f"create or replace temp table broken as select * from (select r._record, {flags} from candidates r {joins}) "
        f"where {' or '.join(chr(34) + code + chr(34) for code in broken)}"
    )
    parts = [
        f"select b._record, '{rule.code}' as code, '{', '.join(rule.columns)}' as column_name, "
        f'{shown(contract, rule.columns)} || b."{rule.code} beside" as value '
        f'from broken b join candidates r on r._record = b._record where b."{rule.code}"'
        for rule in rules
    ]
    return con.execute(" union all ".join(parts)).to_arrow_table()


def _records(contract: Contract, rule: Rule, query: str, beside: str = "''") -> str:
    """SQL of the faults of some records; `beside` is what is shown after the offending value, over `found`."""
    return (
        f"select r._record, '{rule.code}' as code, '{', '.join(rule.columns)}' as column_name, {shown(contract, rule.columns)} || {beside} as value "
        f"from candidates r join ({query}) found on found._record = r._record"
    )


def _reference_faults(con: duckdb.DuckDBPyConnection, rule: Rule, contract: Contract, landed: Landed) -> pa.Table:
    columns = rule.parameters["match"]
    tests = " and ".join(f"known.{name} = r.{name}" for name in columns)
    known = f"(select distinct {', '.join(columns)} from {landed.rows(rule.parameters['source'])})"
    given = " and ".join(f"r.{name} is not null" for name in columns)  # what names nothing waits for nothing
    # Few distinct things are named by many rows, and mostly all of them are known: the rows are looked at only for what is missing.
    con.execute(
        f"create or replace temp table missing as select r.* from (select distinct {', '.join(columns)} from typed_candidates r where {given}) r "
        f"where not exists (select 1 from {known} known where {tests})"
    )
    if not con.execute("select 1 from missing limit 1").fetchone():
        return _no_faults()
    named = " and ".join(f"missing.{name} = r.{name}" for name in columns)
    return con.execute(
        _records(contract, rule, f"select r._record from typed_candidates r where exists (select 1 from missing where {named})")
    ).to_arrow_table()


def _peer_ratio_faults(con: duckdb.DuckDBPyConnection, rule: Rule, contract: Contract, landed: Landed) -> pa.Table:
    parameters = rule.parameters
    in_force_by = parameters.get("in_force_by", [])
    order = parameters.get("in_force_order", [])
    withdrawn = f"coalesce({contract.withdrawn_column}, false)" if contract.withdrawn_column else "false"
    columns = sorted(
        {*rule.columns, *parameters["by"], *in_force_by, *order, *([contract.withdrawn_column] if contract.withdrawn_column else [])}
    )
    listed = ", ".join(columns)
    joins = lookup_joins(con, parameters.get("lookups", {}), [parameters["value"]], landed)
    group = ", ".join(f"r.{name}" for name in parameters["by"])
    names = ", ".join(parameters["by"])
    # Where every row stays in force only the delivery's own groups matter; else a newer row may stand in another group than the one it replaces.
    near = "true" if in_force_by else f"({names}) in (select {names} from judged_candidates)"
    con.execute(
        f"create or replace temp view known as select null::integer as _record, {listed} from {landed.rows(contract.source)} where {near} "
        f"union all select _record, {listed} from good_candidates"
    )
    # A median of zero has no multiples: something that mostly stands still may run.
    beyond = f"v.value > s.middle * {parameters['ratio']} and s.middle > 0"
    if parameters.get("side", "both") == "both":
        beyond = f"v.value > s.middle * {parameters['ratio']} or v.value < s.middle / {parameters['ratio']}"
    same_group = " and ".join(f"v.{name} = s.{name}" for name in parameters["by"])
    newest = ", ".join(f"{name} desc" for name in order)
    # Where the newest is withdrawn nothing is in force, and who withdraws is not asked whether the figure was a likely one.
    first = f"row_number() over (partition by {', '.join(in_force_by)} order by {newest}, {withdrawn} desc) = 1"
    in_force = f"qualify {first} and not {withdrawn}" if in_force_by else ""
    con.execute(
        f"create or replace temp table valued as select r._record, {group}, {parameters['value']} as value "
        f"from (select * from judged_candidates where not {withdrawn}) r {joins}"
    )

    def judged(admitted: str) -> str:
        return (
            f"with r as (select * from known where {admitted} {in_force}), "
            f"peers as (select {group}, {parameters['value']} as value from r {joins}) "
            f"select v._record, s.middle from valued v join (select {names}, median(value) as middle, count(*) as members from peers group by {names}) s "
            f"on {same_group} where s.members >= {parameters['at_least']} and ({beyond})"
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


def _overlap_faults(con: duckdb.DuckDBPyConnection, rule: Rule, contract: Contract, landed: Landed) -> pa.Table:
    parameters = rule.parameters
    by = parameters["by"]
    exclusive = 0 if parameters.get("end_is_exclusive", False) else 1
    interval = (
        f"date_diff('day', date '1900-01-01', {parameters['start']}) as starts, "
        f"coalesce(date_diff('day', date '1900-01-01', {parameters['end']}) + {exclusive}, 1000000) as ends"
    )
    names = ", ".join(by)
    order = "_record is not null, _record, starts"
    con.execute(
        f"create or replace temp table intervals as select null::integer as _record, true as is_good, {names}, {interval} from {landed.rows(contract.source)} "
        f"where ({names}) in (select {names} from judged_candidates) "
        f"union all select _record, _record in (select _record from good_candidates), {names}, {interval} from judged_candidates "
        f"where _record not in (select _record from conflicts) and {parameters['start']} is not null"
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


def _overdrawn(rows: list[tuple[int, bool, Decimal, Decimal]]) -> list[tuple[int, Decimal]]:
    """Records that draw more than is left when their turn comes, and what is left then. Rows are (record, is_good, amount, left at first), in order."""
    found = []
    left = rows[0][3] if rows else Decimal(0)
    for record, is_good, amount, _ in rows:
        if amount > left:
            found.append((record, left))
        elif is_good:
            left -= amount
    return found


def _balance_faults(con: duckdb.DuckDBPyConnection, rule: Rule, contract: Contract, landed: Landed) -> pa.Table:
    parameters = rule.parameters
    by, amount = parameters["match"], parameters["amount"]
    names = ", ".join(by)
    near = f"({names}) in (select {names} from draws)"
    con.execute(
        f"create or replace temp table draws as select _record, {names}, {amount} as amount, "
        f"_record in (select _record from good_candidates) as is_good from judged_candidates where _record not in (select _record from conflicts)"
    )
    limits = landed.in_force(parameters["source"], by, [parameters["limit"]], near)
    con.execute(
        f"create or replace temp table purses as select {names}, l.{parameters['limit']} - coalesce(d.drawn, 0) as at_first "
        f"from {limits} l left join (select {names}, sum({amount}) as drawn from {landed.rows(contract.source)} where {near} group by {names}) d using ({names})"
    )
    # Only purses that come out empty are walked row by row, in order of arrival; on sound data there are none.
    rows = con.execute(
        f"with empty as (select {names} from draws join purses using ({names}) where amount > 0 group by {names}, at_first having sum(amount) > at_first) "
        f"select {names}, _record, is_good, amount, at_first from draws join purses using ({names}) join empty using ({names}) "
        f"where amount > 0 order by {names}, _record"
    ).fetchall()
    found: list[tuple[int, Decimal]] = []
    for _, group in groupby(rows, key=lambda row: row[: len(by)]):
        found += _overdrawn([row[len(by) :] for row in group])
    left = pa.array([f"; left = {remaining.normalize():f}" for _, remaining in found], pa.string())
    con.register("found_records", pa.table({"_record": pa.array([record for record, _ in found], pa.int32()), "beside": left}))
    return con.execute(_records(contract, rule, "select _record, beside from found_records", "found.beside")).to_arrow_table()


_POPULATIONS = {"no_overlap": _overlap_faults, "peer_ratio": _peer_ratio_faults, "balance": _balance_faults}


def relation_faults(con: duckdb.DuckDBPyConnection, contract: Contract, landed: Landed) -> list[pa.Table]:
    """Faults by rules that look beyond the row.

    Needs, in `con`: `candidates`; `typed_candidates` (those whose cells could all be typed and that repeat nothing stored);
    `conflicts`; `own_faults`.
    """
    refused: list[pa.Table] = []
    waiting: list[pa.Table] = []
    for rule in contract.rules:
        if rule.kind == "reference":
            (waiting if rule.waits else refused).append(_reference_faults(con, rule, contract, landed))
    if not any(rule.kind in _POPULATIONS for rule in contract.rules):
        return refused + waiting
    con.register("waiting_records", _record_numbers(waiting))
    con.execute("create or replace temp table waiting_candidates as select _record from waiting_records")
    con.execute("create or replace temp view judged_candidates as from typed_candidates where _record not in (from waiting_candidates)")
    for rule in contract.rules:
        if rule.kind in _POPULATIONS:
            con.register("refused_records", _record_numbers(refused))
            con.execute(
                "create or replace temp view good_candidates as from judged_candidates where _record not in (select _record from conflicts) "
                "and _record not in (select _record from own_faults) and _record not in (from refused_records)"
            )
            refused.append(_POPULATIONS[rule.kind](con, rule, contract, landed))
    return refused + waiting


def _record_numbers(faults: list[pa.Table]) -> pa.Table:
    return pa.concat_tables([_no_faults(), *faults]).select(["_record"])
