"""What is kept with a release so that it can be explained later: the compiled models and the lists in force, for the ministry alone.

Rows are not kept again: landing never changes, and the ledger tells which of its files were known at the release's `as_of`. So the file is
small, and a build may be thrown away.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from warehouse.lineage.trace import literal, quote
from warehouse.replay import DATABASE, Model, ModelGraph, read_graph

FILE = "lineage.duckdb"
_EARLIER = "earlier.totals"
_PARQUET = re.compile(r"read_parquet\('((?:[^']|'')*)'\)")


def _keep_earlier(model: Model) -> Model:
    """A model that read a file of the build reads the kept copy of it."""
    if not _PARQUET.search(model.code):
        return model
    schema, name = _EARLIER.split(".")
    code = _PARQUET.sub(f'"{DATABASE}"."{schema}"."{name}"', model.code)
    return replace(model, code=code, parents=(*model.parents, _EARLIER))


def keep_lineage(build: Path, folder: Path) -> dict[str, Any]:
    """Keep beside a release what explains it; gives what the manifest says of the file. It is part of no audience's file."""
    target = folder / FILE
    write_lineage_file(build, target)
    target.chmod(0o444)
    with target.open("rb") as stream:
        os.fsync(stream.fileno())
    return {"file": FILE, "sha256": hashlib.sha256(target.read_bytes()).hexdigest()}


def write_lineage_file(build: Path, target: Path) -> None:
    """Write what explains a build, from its folder (`warehouse.duckdb` and `target/manifest.json`)."""
    warehouse = build / "warehouse.duckdb"
    graph = read_graph(build / "target" / "manifest.json", warehouse)
    read = [found[1].replace("''", "'") for model in graph.models.values() if (found := _PARQUET.search(model.code))]
    kept = ModelGraph({place: _keep_earlier(model) for place, model in graph.models.items()})
    with duckdb.connect() as con:
        # Small blocks: many small tables would each fill a block of the usual size.
        con.execute(f"attach {literal(str(target))} as kept (block_size 16384)")
        con.execute(f"attach {literal(str(warehouse))} as build (read_only)")
        con.execute("create schema kept.reference")
        for (name,) in con.execute(
            "select table_name from duckdb_tables() where database_name = 'build' and schema_name = 'reference' order by 1"
        ).fetchall():
            con.execute(f"create table kept.reference.{quote(name)} as select * from build.reference.{quote(name)} order by all")
        for path in read[:1]:
            con.execute("create schema kept.earlier")
            con.execute(f"create table kept.{_EARLIER} as select * from read_parquet({literal(path)})")
        con.execute("create table kept.models as select ?::varchar as graph", [kept.as_json()])
