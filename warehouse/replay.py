"""Compiled models evaluated in process: what a figure would be over another mix of landed rows, reference lists and clocks.

dbt renders the models once per state of the code, with marks in place of the clocks; an evaluation puts the clocks in and runs only what the
asked figures depend on. Nothing is computed twice: a model's result is kept by the choices that reach it.
"""

from __future__ import annotations

import json
import tempfile
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from ingest.reference import ReferenceLists
from warehouse.build import compile_project
from warehouse.settings import Settings

# Days and instants that stand in no rule and no row: they mark where dbt puts the clocks.
AS_OF_MARK, RULES_MARK = "9876-05-04T03:02:01.000001", "9876-05-03"
COMPILED = "compiled.json"
CATALOG = "warehouse"


@dataclass(frozen=True)
class Node:
    """One model: how it is computed, and from what (names of models, seeds and sources, the latter as `landing.<source>`)."""

    name: str
    schema: str
    language: str
    code: str
    depends_on: tuple[str, ...]
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Project:
    """The compiled models by name, and the grain of each: the columns that its test of uniqueness names."""

    nodes: Mapping[str, Node]
    keys: Mapping[str, tuple[str, ...]]

    def marts(self) -> list[str]:
        return sorted(name for name, node in self.nodes.items() if node.schema == "marts")

    def upstream(self, targets: Iterable[str]) -> list[str]:
        """The models that `targets` depend on, themselves included, each after those it reads."""
        ordered: list[str] = []

        def visit(name: str) -> None:
            if name in self.nodes and name not in ordered:
                for parent in self.nodes[name].depends_on:
                    visit(parent)
                ordered.append(name)

        for target in targets:
            visit(target)
        return ordered


def _name_of(manifest: Mapping[str, Any], unique_id: str) -> str:
    if unique_id.startswith("source."):
        return f"landing.{manifest['sources'][unique_id]['name']}"
    return str(manifest["nodes"][unique_id]["name"])


def read_project(manifest: Mapping[str, Any]) -> Project:
    """The models of a dbt manifest that holds compiled code."""
    nodes, keys = {}, {}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            parents = tuple(_name_of(manifest, parent) for parent in node["depends_on"]["nodes"])
            code = node["compiled_code"] if node["language"] == "sql" else node["raw_code"]
            nodes[node["name"]] = Node(node["name"], node["schema"], node["language"], code, parents, node["config"])
        elif node["resource_type"] == "test" and (node.get("test_metadata") or {}).get("name") == "unique_combination":
            keys[_name_of(manifest, node["attached_node"])] = tuple(node["test_metadata"]["kwargs"]["columns"])
    return Project(nodes, keys)


def compiled_project(settings: Settings, version: str) -> Project:
    """The models of this checkout, compiled once per state of the code and kept below `builds/`."""
    kept = settings.builds / COMPILED
    if kept.exists():
        document = json.loads(kept.read_text(encoding="utf-8"))
        if document["code_version"] == version:
            return read_project(document["manifest"])
    settings.builds.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="compiling-", dir=settings.data) as room:
        manifest = compile_project(settings, Path(room), {"as_of": AS_OF_MARK, "rule_date": RULES_MARK})
    wanted = {"sources": {key: {"name": value["name"]} for key, value in manifest["sources"].items()}, "nodes": _slim(manifest["nodes"])}
    temporary = kept.with_suffix(".part")
    temporary.write_text(json.dumps({"code_version": version, "manifest": wanted}, ensure_ascii=False), encoding="utf-8")
    temporary.replace(kept)
    return read_project(wanted)


_NODE_FACTS = ("name", "schema", "language", "resource_type", "compiled_code", "depends_on", "config", "test_metadata", "attached_node")


def _slim(nodes: Mapping[str, Any]) -> dict[str, Any]:
    slim = {}
    for key, node in nodes.items():
        facts = {name: node[name] for name in _NODE_FACTS if name in node}
        if node.get("language") == "python":
            facts["raw_code"] = node["raw_code"]  # as written: what dbt adds for its own runner is not needed here
        slim[key] = facts
    return slim


@dataclass(frozen=True)
class Clocks:
    """Knowledge time and rule time, as dbt's variables."""

    as_of: str
    rule_date: str


@dataclass
class Mixture:
    """The inputs of evaluations: each may be taken as in the first state or as in the second.

    Args:
        landing: source -> SQL of its rows for the causes that count (a function of them).
        lists: the reference lists of the first and the second state.
        clocks: the clocks of the first and the second state.
        reaching: name of an input (`landing.<source>`, a seed, `as_of`, `rule_date`) -> the causes that change it.
        list_cause, rule_cause, as_of_cause: the cause whose presence takes lists, rule day and instant from the second state.
    """

    landing: Mapping[str, Any]
    lists: tuple[ReferenceLists, ReferenceLists]
    clocks: tuple[Clocks, Clocks]
    reaching: Mapping[str, frozenset[str]]
    rule_cause: str
    as_of_cause: str


class _Ref:
    """What a Python model of dbt sees: its inputs as relations, and its configuration."""

    def __init__(self, replay: Replay, node: Node) -> None:
        self._replay, self._node = replay, node
        self.config = _Config(node.config)

    def ref(self, name: str) -> duckdb.DuckDBPyRelation:
        return self._replay.relation(name)


class _Config:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __call__(self, **_: object) -> None:
        """What a model says of itself is known already."""

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, default)


@dataclass
class Replay:
    """Evaluates models over mixtures of two states. One connection, one set of kept results."""

    project: Project
    mixture: Mixture
    con: duckdb.DuckDBPyConnection
    _kept: dict[tuple[str, frozenset[str]], str] = field(default_factory=dict)
    _reaching: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.con.execute(f"attach ':memory:' as {CATALOG}")
        for schema in ("landing", "reference", "kept", *sorted({node.schema for node in self.project.nodes.values()})):
            self.con.execute(f"create schema if not exists {CATALOG}.{schema}")
        self.con.execute("set preserve_insertion_order = false")

    def reaching(self, name: str) -> frozenset[str]:
        """The causes that can change a model or an input."""
        if name in self._reaching:
            return self._reaching[name]
        node = self.project.nodes.get(name)
        found = self.mixture.reaching.get(name, frozenset())
        if node is not None:
            found = found.union(*(self.reaching(parent) for parent in node.depends_on))
            if AS_OF_MARK in node.code:
                found |= self.mixture.reaching.get("as_of", frozenset())
            if RULES_MARK in node.code:
                found |= self.mixture.reaching.get("rule_date", frozenset())
        self._reaching[name] = found
        return found

    def relation(self, name: str) -> duckdb.DuckDBPyRelation:
        node = self.project.nodes.get(name)
        schema = node.schema if node else "reference"
        return self.con.sql(f'from {CATALOG}.{schema}."{name}"')

    def evaluate(self, targets: Iterable[str], causes: frozenset[str]) -> None:
        """Make the targets, as models `"warehouse"."<schema>"."<name>"`, with these causes taken from the second state."""
        for name in self.project.upstream(targets):
            node = self.project.nodes[name]
            chosen = self.reaching(name) & causes
            kept = self._kept.get((name, chosen))
            if kept is None:
                kept = f"{name}__{len(self._kept)}"
                self._offer_inputs(node, causes)
                self._make(node, kept, causes)
                self._kept[name, chosen] = kept
            self.con.execute(f'create or replace view {CATALOG}.{node.schema}."{name}" as from {CATALOG}.kept."{kept}"')

    def _offer_inputs(self, node: Node, causes: frozenset[str]) -> None:
        for parent in node.depends_on:
            if parent.startswith("landing."):
                source = parent.removeprefix("landing.")
                self.con.execute(f'create or replace view {CATALOG}.landing."{source}" as {self.mixture.landing[source](causes)}')
            elif parent not in self.project.nodes:
                self._offer_list(parent, self.mixture.rule_cause in causes)

    def _offer_list(self, name: str, is_second: bool) -> None:
        """A seed as dbt loads it: its typed rows."""
        side = int(is_second)
        if (f"{name}#", frozenset({str(side)})) not in self._kept:
            table = self.mixture.lists[side].table(name)
            self.con.register("_list", table)
            kept = f"{name}__list_{side}"
            self.con.execute(f'create table {CATALOG}.kept."{kept}" as from _list')
            self.con.unregister("_list")
            self._kept[f"{name}#", frozenset({str(side)})] = kept
        self.con.execute(f'create or replace view {CATALOG}.reference."{name}" as from {CATALOG}.kept."{name}__list_{side}"')

    def _make(self, node: Node, kept: str, causes: frozenset[str]) -> None:
        target = f'{CATALOG}.kept."{kept}"'
        if node.language == "sql":
            as_of = self.mixture.clocks[int(self.mixture.as_of_cause in causes)].as_of
            rule_date = self.mixture.clocks[int(self.mixture.rule_cause in causes)].rule_date
            code = node.code.replace(AS_OF_MARK, as_of).replace(RULES_MARK, rule_date)
            self.con.execute(f"create table {target} as {code}")
            return
        module = types.ModuleType(node.name)
        exec(compile(node.code, node.name, "exec"), module.__dict__)
        self.con.register("_made", module.model(_Ref(self, node), self.con))
        self.con.execute(f"create table {target} as from _made")
        self.con.unregister("_made")
