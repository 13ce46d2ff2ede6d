"""What a rule may look up beside its row: reference lists, and rows that have landed, of another source or of its own.

A lookup is declared in the contract under a name (`alias`) by which the rule's SQL uses what was found:

    {list: <reference list>, match: {<its column>: <value>}}                     a row of a reference list
    {list: …, match: {…}, previous: <its column>}                                and `previous_<column>`, the value before it in that list
    {source: <source>, match: {<its column>: <value>}}                           the row in force of a source

A value is a column of the judged row, or a SQL expression over the row (`r.`) and other lookups. Nothing found is null, and a predicate of
something unknown is not broken. Where several rows of a source match, the one in force is found: its newest revision, else its newest delivery.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ingest.contract import Contract

Stored = Callable[[str], Sequence[Path]]
"""The landing files of a source, in received order."""


def parquet_relation(files: Iterable[Path], types: dict[str, str]) -> str:
    """SQL relation over landing files, with the right columns also where there are none, or only files from before a column was added."""
    quoted = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    columns = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in types.items())
    empty = f"select {columns} where false"
    return f"({empty} union all by name select * from read_parquet([{quoted}], union_by_name = true))" if quoted else f"({empty})"


@dataclass(frozen=True)
class Landed:
    """What rules may ask beyond the delivery: every contract, and the landing files as they were before it."""

    contracts: Mapping[str, Contract]
    stored: Stored

    def rows(self, source: str) -> str:
        """SQL relation of all landed rows of a source."""
        return parquet_relation(self.stored(source), self.contracts[source].landing_types())

    def in_force(self, source: str, by: Sequence[str], columns: Sequence[str], where: str = "true") -> str:
        """SQL relation: the row in force for each value of some columns, as `s`."""
        contract = self.contracts[source]
        listed = ", ".join(dict.fromkeys((*by, *columns)))
        newest = "_received_at desc, _sequence desc, _row_number desc"
        if contract.revision_column:
            newest = f"{contract.revision_column} desc, {newest}"
        rows = f"from {self.rows(source)} s where {where}"
        if contract.history != "restated" and not contract.withdrawn_column and set(contract.key) <= set(by):
            return f"(select {listed} {rows})"
        return f"(select distinct on ({', '.join(by)}) {listed} {rows} order by {', '.join(by)}, {newest})"


def value_of(match: str) -> str:
    """SQL of what a lookup is matched by: a column of the row, or an expression."""
    return f"r.{match}" if re.fullmatch(r"\w+", match) else match


def _used_columns(alias: str, expressions: Iterable[str]) -> list[str]:
    return sorted({name for expression in expressions for name in re.findall(rf"\b{alias}\.(\w+)", expression)})


def _list_join(lookup: Mapping[str, Any]) -> str:
    """Unique on what it is matched by, so that a row never multiplies."""
    rows = f'(select distinct on ({", ".join(lookup["match"])}) * from reference."{lookup["list"]}")'
    if column := lookup.get("previous"):
        return f"(select *, lag({column}) over (order by {column}) as previous_{column} from {rows})"
    return rows


def _count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    return int((con.execute(f"select count(*) from {relation}").fetchone() or (0,))[0])


def _source_join(
    con: duckdb.DuckDBPyConnection, alias: str, lookups: Mapping[str, Any], expressions: list[str], landed: Landed, judged: str
) -> str:
    lookup = lookups[alias]
    # Of a source far larger than the delivery, only what the delivery may meet is looked at.
    own = {key: value_of(match) for key, match in lookup["match"].items() if not any(f"{other}." in match for other in lookups)}
    where = "true"
    if own and _count(con, landed.rows(lookup["source"])) > _count(con, judged):
        keys = ", ".join(f"s.{key}" for key in own)
        where = f"({keys}) in (select {', '.join(own.values())} from {judged} r)"
    return landed.in_force(lookup["source"], list(lookup["match"]), _used_columns(alias, expressions), where)


def lookup_joins(
    con: duckdb.DuckDBPyConnection, lookups: Mapping[str, Any], expressions: Iterable[str], landed: Landed, judged: str = "candidates"
) -> str:
    """SQL left joins that bring each lookup's row beside the judged row `r`.

    Args:
        expressions: the SQL that uses the lookups; only the columns it names are read.
        judged: the relation that `r` stands for.
    """
    used = [*expressions, *(match for lookup in lookups.values() for match in lookup["match"].values())]
    joins = []
    for alias, lookup in lookups.items():
        found = _list_join(lookup) if "list" in lookup else _source_join(con, alias, lookups, used, landed, judged)
        tests = " and ".join(f"{alias}.{key} = {value_of(match)}" for key, match in lookup["match"].items())
        joins.append(f"left join {found} {alias} on {tests}")
    return " ".join(joins)
