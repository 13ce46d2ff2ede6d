"""From a source row to the published figures that it moves.

What `--reverse` promises: every figure of every mart that would not be what it is, were this row withheld from the build, or this cell
another, with all other landed rows as they are; and no other figure. A trace alone cannot keep that promise: a row below the median may
be withheld and leave the median where it is, a row that supersedes another moves figures it is no part of. So the trace only tells which
models a change can reach, by columns; these are run again with the change, and what they give is compared with what was published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import duckdb

from warehouse.figures import ChangedFigure, changed_figures
from warehouse.lineage.attribution import columns_of
from warehouse.lineage.plan import StepPlan, branch_columns, plan_step
from warehouse.lineage.steps import EXISTENCE, Steps
from warehouse.lineage.trace import literal, quote
from warehouse.replay import Model, ModelGraph, Replay

AFTER = "changed"


class RowUnclear(LookupError):
    """No landed row, or more than one, or a cell that cannot be so; carries the message key and its values."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(f"{key}: {values}")
        self.key, self.values = key, values


@dataclass(frozen=True)
class Change:
    """One landed row withheld, or, with `cells` (column -> text, None for null), read with other cells."""

    source: str
    sequence: int
    row_number: int
    cells: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"landing.{self.source}"


def find_row(con: duckdb.DuckDBPyConnection, leaves: Mapping[str, str], file: str, row_number: int) -> Change:
    """The landed row of a file, by the file's name, or by its number in the ledger as `#9`.

    Raises:
        RowUnclear: it has not landed in this release, or the name stands for several deliveries.
    """
    found: list[tuple[str, int]] = []
    for place, table in leaves.items():
        schema, source = place.split(".", 1)
        if schema == "landing":
            named = "cast(_sequence as varchar) = ?" if file.startswith("#") else "_source_file = ?"
            rows = con.execute(
                f"select distinct _sequence from {table} where {named} and _row_number = ?", [file.removeprefix("#"), row_number]
            ).fetchall()
            found += [(source, int(sequence)) for (sequence,) in rows]
    if not found:
        raise RowUnclear("reverse.no_row", file=file, row=row_number)
    if len(found) > 1:
        raise RowUnclear("reverse.many_rows", file=file, places=", ".join(f"#{sequence} ({source})" for source, sequence in found))
    return Change(found[0][0], found[0][1], row_number)


def change_table(con: duckdb.DuckDBPyConnection, change: Change, table: str) -> str:
    """SQL of the source's rows as they would be.

    Raises:
        RowUnclear: a cell is not of its column's type, or there is no such column.
    """
    row = f"_sequence = {change.sequence} and _row_number = {change.row_number}"
    if not change.cells:
        return f"(select * from {table} where not ({row}))"
    types = {name: kind for name, kind, *_ in con.execute(f"describe select * from {table}").fetchall()}
    cells = []
    for name, text in change.cells.items():
        if name not in types or name.startswith("_"):
            raise RowUnclear("reverse.no_column", column=name, known=", ".join(each for each in types if not each.startswith("_")))
        value = f"cast({'null' if text is None else literal(text)} as {types[name]})"
        try:
            con.execute(f"select {value}")
        except duckdb.Error as error:
            raise RowUnclear("reverse.no_value", column=name, value=text) from error
        cells.append(f"case when {row} then {value} else {quote(name)} end as {quote(name)}")
    return f"(select * replace ({', '.join(cells)}) from {table})"


def reachable_columns(steps: Steps, place: str, columns: Iterable[str]) -> dict[str, set[str]]:
    """Which columns of which steps a change of some columns of a table can reach; a row that comes or goes is the column `*`."""
    reached: dict[str, set[str]] = {place: set(columns)}
    for key, step in steps.by_key.items():
        if any(each.source in reached for each in step.inputs):
            found = _reach_step(plan_step(step, {*step.columns, EXISTENCE}, steps), steps, reached)
            if found:
                reached[key] = found
    return reached


def _reach_step(plan: StepPlan, steps: Steps, reached: Mapping[str, set[str]]) -> set[str]:
    step = plan.step
    everything = {*step.columns, EXISTENCE}
    if step.kind == "declared":
        return everything
    if step.kind == "union":
        return {
            ours
            for each in step.inputs
            for ours, theirs in branch_columns(plan, each.source, steps).items()
            if theirs in reached.get(each.source, ())
        }
    touched = {(each.alias, column) for each in step.inputs for column in reached.get(each.source, ())}
    deciding = set(plan.deciders)
    if step.query is not None:
        for join in step.query.args.get("joins") or []:
            deciding |= columns_of(join.args.get("on"))
    if deciding & touched or any((each.alias, EXISTENCE) in touched for each in step.inputs):
        return everything
    return {name for name, part in plan.parts.items() if (set(part.weights) | part.sides) & touched}


@dataclass
class Reverse:
    """A standing state that changes are tried on: `tables` gives each table's SQL name, by place; the connection may write `changed`."""

    con: duckdb.DuckDBPyConnection
    graph: ModelGraph
    steps: Steps
    tables: Mapping[str, str]

    def reached_models(self, change: Change) -> list[Model]:
        """The models that a change can reach, parents first."""
        reached = reachable_columns(self.steps, change.place, change.cells or [EXISTENCE])
        made = {place for place, key in self.steps.final.items() if key in reached}
        return [model for place, model in self.graph.models.items() if place in made]

    def changed_figures(self, change: Change) -> list[ChangedFigure]:
        """Every figure that a change moves, in order.

        Raises:
            RowUnclear: a cell that cannot be so.
        """
        models = self.reached_models(change)
        self.con.execute(f"attach ':memory:' as {AFTER}")
        try:
            read = dict(self.tables) | {change.place: change_table(self.con, change, self.tables[change.place])}
            replay = Replay(self.con, self.graph, AFTER, read)
            replay.run(models)
            marts = [model for model in models if model.schema == "marts"]
            return [
                figure
                for model in marts
                for figure in changed_figures(self.con, self.tables[model.place], replay.table(model.place), model)
            ]
        finally:
            self.con.execute(f"detach {AFTER}")


def stand(con: duckdb.DuckDBPyConnection, graph: ModelGraph, steps: Steps, leaves: Mapping[str, str], places: Iterable[str]) -> Reverse:
    """Run what models at `places` need, themselves included, so that changes can be tried."""
    con.execute("attach ':memory:' as standing")
    replay = Replay(con, graph, "standing", dict(leaves))
    replay.run(graph.ancestors(places))
    tables = dict(leaves) | {model.place: replay.table(model.place) for model in graph.ancestors(places)}
    return Reverse(con, graph, steps, tables)
