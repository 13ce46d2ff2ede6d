"""What a figure of a release is made of, as one document: its rule, its SQL, the rows with their shares, and where each row came from."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import yaml
from sqlglot import exp

from ingest.contract import Contract, read_contracts
from warehouse.facts import says_demonstration
from warehouse.lineage.condition import read_condition
from warehouse.lineage.named import SEEDS
from warehouse.lineage.opened import Opened
from warehouse.lineage.plan import Plan, plan_figure
from warehouse.lineage.steps import DIALECT, EXISTENCE
from warehouse.lineage.trace import CARRIES, Tracer, literal, quote, table_of
from warehouse.lineage.verdicts import Place, Verdicts
from warehouse.replay import Model
from warehouse.settings import ROOT

# What stands in both is said for the ministry, whose page this is.
_METHODS = [ROOT / "dashboards" / "reports" / name for name in ("audience_methods.yaml", "methods.yaml")]
MOST_ROWS = 2000  # of one source in a document; the counts and sums are over all
SHARE_TOLERANCE = 1e-9
_SECTION = re.compile(r"methods\.md (M\d+(?:[、, ]+M\d+)*)")
_HIDDEN = {"_delivery_id", "_row_number", "_source_file", "_received_at", "_sequence", "_extra"}


class FigureUnclear(LookupError):
    """No figure, or more than one, or a column that is none; carries the message key and its values."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(f"{key}: {values}")
        self.key, self.values = key, values


class FigureNotReproduced(RuntimeError):
    """The models, run again, give another figure than the release shows: what they say of it would be no explanation."""


def bilingual(text: str) -> dict[str, str]:
    """`zh | en`, as the dictionary and the models' descriptions are written."""
    chinese, _, english = text.partition(" | ")
    return {"zh": chinese.strip(), "en": (english or chinese).strip()}


def explain(opened: Opened, verdicts: Verdicts, mart: str, where: str, column: str) -> dict[str, Any]:
    """The explanation of one figure.

    Raises:
        FigureUnclear: no such mart or column, or the condition does not name exactly one row.
        ConditionError: the condition is not a plain one.
        FigureNotReproduced: the models give another figure now.
    """
    model = opened.graph.models.get(f"marts.{mart}")
    if model is None:
        raise FigureUnclear("explain.no_mart", mart=mart, known=", ".join(sorted(each.name for each in opened.graph.marts())))
    if column not in model.outputs:
        raise FigureUnclear("explain.no_column", mart=mart, column=column, known=", ".join(model.outputs))
    row = find_row(opened, model, where)
    key = {name: row[name] for name in model.key}
    plan = plan_figure(opened.steps, opened.steps.final[model.place], {column, *model.key})
    tracer = Tracer(opened.con, opened.graph, opened.steps, opened.leaves)
    tracer.prepare(plan)
    start = opened.steps.final[model.place]
    _check_reproduced(opened, model, start, key, column, row[column])
    tracer.start(start, column, _match(key))
    steps: list[str] = []
    tracer.walk(plan, steps.append)
    split = _split(opened.con, plan.leaves)
    told = {name: opened.manifest[name] for name in ("release_id", "as_of", "rule_date", "code_version")}
    return {
        "release": told | {"is_demonstration": says_demonstration(opened.folder / "ministry.duckdb")},
        "mart": mart,
        "key": key,
        "column": column,
        "value": row[column],
        "rule": bilingual(model.columns.get(column, column)),
        "method": bilingual(model.description) | _section(model),
        "steps": _describe_steps(opened, plan, steps),
        "is_additive": split.is_additive,
        "sources": _describe_sources(opened, verdicts, plan, split),
        "lists": _describe_lists(opened, plan, split),
    }


def find_row(opened: Opened, model: Model, where: str) -> dict[str, Any]:
    """The one row of the released mart that a condition names; the file is read in a connection that can reach nothing else.

    Raises:
        FigureUnclear: none, or several.
        ConditionError: the condition is not a plain one.
    """
    condition = read_condition(where, model.outputs)
    with duckdb.connect(str(opened.folder / "ministry.duckdb"), read_only=True) as con:
        con.execute("set enable_external_access = false")
        con.execute("set lock_configuration = true")
        try:
            found = con.execute(f"select * from marts.{quote(model.name)} where {condition} limit 6").to_arrow_table().to_pylist()
        except duckdb.Error as error:
            raise FigureUnclear("explain.not_comparable", message=str(error).splitlines()[0]) from error
    if not found:
        raise FigureUnclear("explain.no_row", mart=model.name)
    if len(found) > 1:
        keys = "; ".join(" and ".join(f"{name} = {row[name]!s}" for name in model.key) for row in found[:5])
        raise FigureUnclear("explain.many_rows", mart=model.name, keys=keys)
    return dict(found[0])


def _match(key: dict[str, Any]) -> str:
    """A row's key as SQL: values come from the release, not from who asks, and are written as text."""
    return " and ".join(
        f"cast({quote(name)} as varchar) = {literal(_text(value))}" if value is not None else f"{quote(name)} is null"
        for name, value in key.items()
    )


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _check_reproduced(opened: Opened, model: Model, start: str, key: dict[str, Any], column: str, value: Any) -> None:
    kind = model.types.get(column)
    cell = f"cast({quote(column)} as {kind})" if kind else quote(column)
    found = opened.con.execute(f"select {cell} from {table_of(start)} where {_match(key)}").fetchall()
    if len(found) != 1 or found[0][0] != value:
        raise FigureNotReproduced(f"{model.name}.{column}: {value} ≠ {found[0][0] if found else None}")


def _section(model: Model) -> dict[str, Any]:
    """The sections of the methods that a mart's description names, with what each says in two sentences."""
    found = _SECTION.search(model.description)
    codes = re.findall(r"M\d+", found[1]) if found else []
    methods = {item["code"]: item for path in _METHODS for item in yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)}
    return {"section": ", ".join(codes), "texts": [methods[code] for code in codes if code in methods]}


def _describe_steps(opened: Opened, plan: Plan, walked: list[str]) -> list[dict[str, Any]]:
    """The models on the way, the figure's own first, each with its compiled SQL and how many of its rows the figure rests on."""
    counts: dict[str, int] = dict(opened.con.execute("select step, count(distinct id) from selected group by step").fetchall())
    carried = opened.con.execute(f"select distinct step, col from selected where role = {CARRIES} order by all").fetchall()
    described = []
    for place in reversed(list(opened.graph.models)):
        model = opened.graph.models[place]
        final = opened.steps.final[place]
        if final in walked and final in plan.steps:
            described.append(
                {
                    "model": model.name,
                    "schema": model.schema,
                    "description": bilingual(model.description),
                    "language": model.language,
                    "row_count": counts.get(final, 0),
                    "expressions": _expressions(plan, place, carried),
                    "reads": [parent.split(".", 1)[1] for parent in model.parents],
                    "sql": model.code if model.language == "sql" else "",
                    "path": model.path,
                }
            )
    return described


def _expressions(plan: Plan, place: str, carried: list[tuple[str, str]]) -> list[dict[str, str]]:
    """How a model makes the columns that carry the figure, where it does more than pass them on."""
    found = []
    for step, column in carried:
        planned = plan.steps.get(step)
        if planned is None or column == EXISTENCE or step.split("/")[0].split("#")[0] != place or planned.step.query is None:
            continue
        node = planned.step.columns[column]
        if not isinstance(node, exp.Column):
            found.append({"column": column, "sql": node.sql(DIALECT, pretty=True, comments=False)})
    return found


@dataclass(frozen=True)
class Split:
    """Which columns' shares add up to the whole figure. `each`: those that do by themselves; `joint`: those that do together."""

    each: frozenset[tuple[str, str]]
    joint: frozenset[tuple[str, str]]
    sums: dict[tuple[str, str], float]

    @property
    def is_additive(self) -> bool:
        return bool(self.each or self.joint)

    def columns(self, place: str) -> list[str]:
        """The columns whose shares, added up, stand for a row of a table."""
        own = sorted(column for table, column in self.each if table == place)
        return own[:1] if own else sorted(column for table, column in self.joint if table == place)


def _split(con: duckdb.DuckDBPyConnection, leaves: Collection[str]) -> Split:
    """A quantity and a factor each have the whole of their product; a figure that is less another is split between their columns."""
    rows = con.execute(
        f"select step, col, sum(share), count(distinct id) from selected where role = {CARRIES} and share is not null group by all order by all"
    ).fetchall()
    found = {(step, column): float(total) for step, column, total, _ in rows if step in leaves}
    each = frozenset(key for key, total in found.items() if abs(total - 1) <= SHARE_TOLERANCE)
    rest = frozenset(found) - each
    joint = rest if rest and abs(sum(found[key] for key in rest) - 1) <= SHARE_TOLERANCE else frozenset()
    return Split(each, joint, found)


def _leaf_rows(opened: Opened, place: str, names: list[str], split: Split) -> tuple[list[dict[str, Any]], int, int]:
    """Rows of a table that the figure rests on, those that carry it first; how many there are, and how many of them carry it."""
    con = opened.con
    con.execute(
        "create or replace temp table leaf as select id, col, sum(share) as share, min(role) as role from selected where step = ? group by all",
        [place],
    )
    counts = con.execute(f"select count(distinct id), count(distinct id) filter (where role = {CARRIES}) from leaf").fetchone() or (0, 0)
    standing = ", ".join(literal(name) for name in split.columns(place)) or "null"
    columns = ", ".join(f"t.{quote(name)}" for name in names)
    found = con.execute(
        f"select {columns}, l.role, l.share, l.columns from (select id, min(role) as role,"
        f" sum(share) filter (where col in ({standing})) as share,"
        f" list({{'column': col, 'share': share, 'role': role}} order by role, col) filter (where col <> {literal(EXISTENCE)}) as columns"
        f" from leaf group by id) as l inner join {table_of(place)} as t on t.__id = l.id"
        f" order by l.role, abs(l.share) desc nulls last, t.__id limit {MOST_ROWS}"
    ).to_arrow_table()
    return found.to_pylist(), int(counts[0]), int(counts[1])


def _describe_sources(opened: Opened, verdicts: Verdicts, plan: Plan, split: Split) -> list[dict[str, Any]]:
    contracts = read_contracts()
    described = []
    for place in sorted(plan.leaves):
        schema, source = place.split(".", 1)
        if schema != "landing":
            continue
        names = opened.steps.leaves[place]
        rows, count, carrying = _leaf_rows(opened, place, names, split)
        if count:
            contract = contracts[source]
            histories = verdicts.histories(contract, rows)
            described.append(
                {
                    "source": source,
                    "title": {"zh": contract.title.in_language("zh"), "en": contract.title.in_language("en")},
                    "row_count": count,
                    "carrying_count": carrying,
                    "share_columns": split.columns(place),
                    "share_sums": {column: total for (table, column), total in split.sums.items() if table == place},
                    "rows": [_describe_row(row, names, contract, verdicts, histories) for row in rows],
                }
            )
    return sorted(described, key=lambda item: (not item["share_columns"], -item["carrying_count"], item["source"]))


def write_unit(contract: Contract, name: str, row: Mapping[str, Any]) -> str | None:
    """The unit of a delivered figure: its column's, the row's own, or the one per the other; null where there is none or it was left empty."""
    column = next((column for column in contract.columns if column.name == name), None)
    if column is None or row.get(name) is None:
        return None
    own = row.get(column.unit_column) if column.unit_column else None
    unit = column.shown_unit
    if unit is None or column.unit_column is None:
        return own if unit is None else unit.replace(" per ", "/")
    return f"{unit.removesuffix(' per unit')}/{own}" if own else None


def _describe_row(
    row: dict[str, Any],
    names: list[str],
    contract: Contract,
    verdicts: Verdicts,
    histories: dict[Place, list[dict[str, Any]]],
) -> dict[str, Any]:
    used = {entry["column"]: entry for entry in row["columns"] or []}
    return {
        "file": row["_source_file"],
        "row_number": row["_row_number"],
        "role": "carries" if row["role"] == CARRIES else "decides",
        "share": row["share"],
        "key": {name: row[name] for name in contract.key},
        "cells": {
            name: {
                "value": row[name],
                "unit": write_unit(contract, name, row),
                "share": used[name]["share"],
                "role": "carries" if used[name]["role"] == CARRIES else "decides",
            }
            for name in names
            if name in used and name not in _HIDDEN
        },
        "delivery": verdicts.delivery(row["_sequence"]),
        "history": histories[row["_sequence"], row["_row_number"]],
    }


def _describe_lists(opened: Opened, plan: Plan, split: Split) -> list[dict[str, Any]]:
    """Rows of reference lists and dated policy seeds that the figure rests on."""
    seeds = yaml.load(SEEDS.read_bytes(), Loader=yaml.CSafeLoader)["seeds"]
    titles = {seed["name"]: bilingual(seed.get("description", seed["name"])) for seed in seeds}
    described = []
    for place in sorted(plan.leaves):
        schema, name = place.split(".", 1)
        if schema == "landing":
            continue
        names = opened.steps.leaves[place]
        rows, count, _ = _leaf_rows(opened, place, names, split)
        if count:
            described.append(
                {
                    "list": name,
                    "title": titles.get(name, {"zh": name, "en": name}),
                    "row_count": count,
                    "is_policy": any(each.startswith(("valid_from", "citation")) for each in names),
                    "rows": [
                        {"role": "carries" if row["role"] == CARRIES else "decides", "cells": {each: row[each] for each in names}}
                        for row in rows
                    ],
                }
            )
    return described
