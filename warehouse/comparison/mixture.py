"""Figures over mixtures of two states: landed rows, reference lists and clocks, each as it was before or after, by cause.

The models are compiled once per state of the code, with marks in place of the clocks; an evaluation puts the clocks in and runs only what the
asked figures depend on. Nothing is computed twice: a model's result is kept by the causes that reach it.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from ingest.reference import ReferenceLists
from warehouse.build import Build, clock_variables, compile_project
from warehouse.comparison.causes import FACTORS, RULES, Difference
from warehouse.replay import DATABASE, Model, ModelGraph, Replay, read_graph
from warehouse.settings import Settings

# Days and instants that stand in no rule and no row: they mark where dbt puts the clocks.
AS_OF_MARK, RULES_MARK = "9876-05-04T03:02:01.000001", "9876-05-03"
COMPILED = "compiled.json"


def compiled_models(settings: Settings, version: str) -> ModelGraph:
    """The models of this checkout with marks for clocks, compiled once per state of the code and kept below `builds/`."""
    kept = settings.builds / COMPILED
    if kept.exists():
        document = json.loads(kept.read_text(encoding="utf-8"))
        if document["code_version"] == version:
            return ModelGraph.from_json(document["models"])
    settings.builds.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".compiling-", dir=settings.data) as room:
        graph = read_graph(compile_project(settings, Path(room), {"as_of": AS_OF_MARK, "rule_date": RULES_MARK}))
    _keep(settings, version, graph)
    return graph


def keep_build_models(settings: Settings, made: Build, version: str) -> bool:
    """Keep the models as a build compiled them, its clocks turned back into marks, so that dbt need not compile them again.

    The clocks stand in the code in the form that their macros give them and in no other: days of policy are rows of lists.
    """
    manifest = made.warehouse.parent / "target" / "manifest.json"
    if not manifest.exists():
        return False
    clocks = clock_variables(made.as_of, made.rule_date)
    graph = read_graph(manifest)
    marked = {
        place: dataclasses.replace(
            model,
            code=model.code.replace(f"cast('{clocks['rule_date']}' as date)", f"cast('{RULES_MARK}' as date)").replace(
                clocks["as_of"], AS_OF_MARK
            ),
        )
        for place, model in graph.models.items()
    }
    _keep(settings, version, ModelGraph(marked))
    return True


def _keep(settings: Settings, version: str, graph: ModelGraph) -> None:
    kept = settings.builds / COMPILED
    temporary = kept.with_suffix(".part")
    temporary.write_text(json.dumps({"code_version": version, "models": graph.as_json()}, ensure_ascii=False), encoding="utf-8")
    temporary.replace(kept)


def mart_keys(graph: ModelGraph) -> dict[str, tuple[str, ...]]:
    """The grain of each mart: the columns that its test of uniqueness names."""
    return {model.name: model.key for model in graph.marts()}


@dataclass(frozen=True)
class Clocks:
    """Knowledge time (an ISO instant, UTC) and rule time (a day)."""

    as_of: str
    rule_date: str


@dataclass(frozen=True)
class Sides:
    """What the two states differ in beside landed rows."""

    lists: tuple[ReferenceLists, ReferenceLists]
    clocks: tuple[Clocks, Clocks]

    def changed_lists(self) -> set[str]:
        old, new = (lists.files for lists in self.lists)
        return {
            name
            for name in old.keys() | new.keys()
            if name not in old or name not in new or old[name].read_bytes() != new[name].read_bytes()
        }


@dataclass
class Mixtures:
    """Evaluates models with some causes taken from the second state and the others from the first. One connection, kept results."""

    con: duckdb.DuckDBPyConnection
    graph: ModelGraph
    difference: Difference
    sides: Sides
    _kept: dict[tuple[str, frozenset[str]], str] = field(default_factory=dict)
    _reaching: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.con.execute(f"attach ':memory:' as {DATABASE}")
        self.con.execute("create schema if not exists kept")
        self.con.execute("set preserve_insertion_order = false")
        self._inputs = self._changed_inputs()

    def _changed_inputs(self) -> dict[str, frozenset[str]]:
        """Causes by input. The instant of knowledge counts with the factors: what it decides is which of them are published."""
        found = {f"landing.{source}": causes for source, causes in self.difference.causes.items()}
        found |= {f"reference.{name}": frozenset({RULES}) for name in self.sides.changed_lists()}
        old, new = self.sides.clocks
        if old.rule_date != new.rule_date:
            found[RULES_MARK] = frozenset({RULES})
        if old.as_of != new.as_of:
            found[AS_OF_MARK] = frozenset({FACTORS})
        return found

    def reaching(self, place: str) -> frozenset[str]:
        """The causes that can change a table."""
        if place not in self._reaching:
            found = self._inputs.get(place, frozenset())
            model = self.graph.models.get(place)
            if model is not None:
                found = found.union(*(self.reaching(parent) for parent in model.parents))
                found = found.union(*(self._inputs.get(mark, frozenset()) for mark in (AS_OF_MARK, RULES_MARK) if mark in model.code))
            self._reaching[place] = found
        return self._reaching[place]

    def evaluate(self, places: Iterable[str], causes: frozenset[str]) -> Mapping[str, str]:
        """Where the tables lie (SQL names by `schema.name`) as they are when these causes have happened and the others have not."""
        wanted = list(places)
        replay = Replay(self.con, self.graph)
        for model in self.graph.ancestors(wanted):
            chosen = self.reaching(model.place) & causes
            if (model.place, chosen) not in self._kept:
                for parent in model.parents:
                    if parent not in self.graph.models:
                        replay.read[parent] = self._input(parent, self.reaching(parent) & causes)
                self._kept[model.place, chosen] = self._run(replay, model, causes)
            replay.read[model.place] = self._kept[model.place, chosen]
        return {place: replay.read[place] for place in wanted}

    def _input(self, place: str, chosen: frozenset[str]) -> str:
        """A source or a list, as a view or table that is made once."""
        if (place, chosen) not in self._kept:
            schema, name = place.split(".", 1)
            kept = f'memory.kept."{name}__{len(self._kept)}"'
            if schema == "landing":
                self.con.execute(f"create view {kept} as {self.difference.rows(name, chosen)}")
            else:
                self.con.register("_list", self.sides.lists[int(bool(chosen))].table(name))
                self.con.execute(f"create table {kept} as from _list")
                self.con.unregister("_list")
            self._kept[place, chosen] = kept
        return self._kept[place, chosen]

    def _run(self, replay: Replay, model: Model, causes: frozenset[str]) -> str:
        as_of = self.sides.clocks[int(FACTORS in causes)].as_of
        rule_date = self.sides.clocks[int(RULES in causes)].rule_date
        replay.run([dataclasses.replace(model, code=model.code.replace(AS_OF_MARK, as_of).replace(RULES_MARK, rule_date))])
        kept = f"{model.name}__{len(self._kept)}"
        self.con.execute(f'alter table "{DATABASE}"."{model.schema}"."{model.name}" rename to "{kept}"')
        return f'"{DATABASE}"."{model.schema}"."{kept}"'
