"""From which columns each column of a mart is made, back to the landed ones: read from the compiled SQL of a build."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer import build_scope, qualify

Place = tuple[str, str]  # relation and column
DIALECT = "duckdb"


@dataclass
class Lineage:
    """`direct`: relation -> column -> the columns it is made from. `opaque`: relations that are programs, not SQL; their inputs are known by
    relation only.
    """

    direct: dict[str, dict[str, list[Place]]] = field(default_factory=dict)
    opaque: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)  # relation -> seed, model or source

    def origins(self, relation: str, column: str) -> list[Place]:
        """The landed and reference columns at the far end, and programs on the way by their name alone."""
        found: set[Place] = set()
        seen: set[Place] = set()
        open_places = [(relation, column)]
        while open_places:
            place = open_places.pop()
            if place in seen:
                continue
            seen.add(place)
            inputs = self.direct.get(place[0], {}).get(place[1])
            if inputs:
                open_places += inputs
            elif place[0] in self.opaque:
                found.add((place[0], "*"))
            elif place != (relation, column):
                found.add(place)
        return sorted(found)


def find_build(builds: Path) -> Path | None:
    """The newest kept build with its compiled models."""
    kept = [path for path in builds.glob("*") if (path / "target" / "manifest.json").exists() and (path / "warehouse.duckdb").exists()]
    return max(kept, key=lambda path: path.stat().st_mtime, default=None)


def read_lineage(build: Path) -> Lineage:
    """The lineage of every model of a build."""
    manifest = json.loads((build / "target" / "manifest.json").read_text(encoding="utf-8"))
    schema, found = _read_schema(build / "warehouse.duckdb"), Lineage()
    for node in [*manifest["nodes"].values(), *manifest["sources"].values()]:
        if node["resource_type"] in ("seed", "source", "model"):
            found.kinds[node["name"]] = node["resource_type"]
    for node in manifest["nodes"].values():
        if node["resource_type"] != "model":
            continue
        if node["language"] == "sql" and node.get("compiled_code"):
            found.direct[node["name"]] = _columns_of(node["compiled_code"], schema)
        else:
            found.opaque[node["name"]] = sorted(name.split(".")[-1] for name in node["depends_on"]["nodes"])
    return found


def _read_schema(warehouse: Path) -> dict[str, Any]:
    """Schema -> relation -> column -> type, as the optimiser wants it."""
    schema: dict[str, Any] = {}
    with duckdb.connect(str(warehouse), read_only=True) as con:
        rows = con.execute("select schema_name, table_name, column_name, data_type from duckdb_columns() where not internal").fetchall()
    for room, table, column, kind in rows:
        schema.setdefault(room, {}).setdefault(table, {})[column] = kind
    return schema


def _columns_of(sql: str, schema: dict[str, Any]) -> dict[str, list[Place]]:
    """Output column -> the relations' columns that it reads; a model that the parser cannot follow has none."""
    try:
        tree = parse_one(sql, dialect=DIALECT)
        for table in tree.find_all(exp.Table):
            table.set("catalog", None)
        tree = qualify.qualify(tree, schema=schema, dialect=DIALECT, validate_qualify_columns=False, identify=False)
        scope = build_scope(tree)
        if scope is None or not isinstance(tree, exp.Query):
            return {}
        found = lineage(None, tree, schema=schema, dialect=DIALECT, scope=scope, copy=False)
        return {name: _leaves(node) for name, node in found.items()} if isinstance(found, dict) else {}
    except SqlglotError:
        return {}


def _leaves(node: Node) -> list[Place]:
    found = set()
    for step in node.walk():
        if not step.downstream and isinstance(step.expression, exp.Table):
            found.add((step.expression.name, step.name.rpartition(".")[2].strip('"')))
    return sorted(found)
