"""A kept release, opened so that its figures can be traced: its models and lists from beside it, its rows from landing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import duckdb

from ingest.contract import read_contracts
from ingest.lookups import parquet_relation
from warehouse.custody.chain import MANIFEST
from warehouse.ledger import Ledger
from warehouse.lineage.kept import FILE
from warehouse.lineage.steps import Steps, read_steps
from warehouse.lineage.trace import literal, quote
from warehouse.release import current_release, read_manifest
from warehouse.replay import ModelGraph, ReplayError
from warehouse.settings import Settings, SettingsError, parse_instant


class LineageAbsent(SettingsError):
    """A release that is not there, or was published before lineage was kept with releases."""


@dataclass
class Opened:
    """A release ready to be traced: `leaves` gives the SQL table of each place that no model makes."""

    release_id: str
    folder: Path
    manifest: dict[str, Any]
    con: duckdb.DuckDBPyConnection
    graph: ModelGraph
    steps: Steps
    leaves: dict[str, str]


def find_release(settings: Settings, release_id: str | None) -> Path:
    """The folder of a release that is kept; the one in force if none is named.

    Raises:
        LineageAbsent: there is none, or it cannot be explained.
    """
    named = None if release_id is None else settings.releases / release_id
    if named is not None and (Path(release_id or "").name != release_id or not (named / MANIFEST).is_file()):
        raise LineageAbsent(f"没有这个发布：{release_id}", f"no such release: {release_id}")
    folder = named or current_release(settings)
    if folder is None:
        raise LineageAbsent("还没有发布", "nothing has been released yet")
    if not (folder / FILE).is_file():
        raise LineageAbsent(f"{folder.name}: 没有保存来源信息", f"{folder.name}: no lineage was kept with it")
    return folder


@contextmanager
def open_release(settings: Settings, ledger: Ledger, release_id: str | None = None) -> Iterator[Opened]:
    """Open a release for tracing, in a scratch file of its own that is removed at the end.

    Raises:
        LineageAbsent: no such release, or none was kept with it.
        ReplayError: its kept models cannot be read.
    """
    folder = find_release(settings, release_id)
    manifest = read_manifest(folder)
    work = settings.data / "work"
    work.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(prefix="trace-", dir=work))
    try:
        with duckdb.connect(str(scratch / "rows.duckdb"), config={"threads": settings.threads}) as con:
            yield read_kept(con, folder, manifest, _landing(settings, ledger, manifest))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def read_kept(con: duckdb.DuckDBPyConnection, folder: Path, manifest: dict[str, Any], landing: dict[str, str]) -> Opened:
    """A release's models and lists from its folder, its rows from `landing` (`landing.<source>` -> SQL table).

    Raises:
        ReplayError: the kept models cannot be read.
    """
    con.execute(f"attach {literal(str(folder / FILE))} as kept (read_only)")
    found = con.execute("select graph from kept.models").fetchone()
    if found is None:
        raise ReplayError(f"{folder.name}: {FILE}")
    graph = ModelGraph.from_json(found[0])
    leaves = _lists(con) | landing
    columns = {place: _columns(con, table) for place, table in leaves.items()}
    steps = read_steps(list(graph.models.values()), columns)
    return Opened(folder.name, folder, manifest, con, graph, steps, leaves)


def _lists(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    rows = con.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = 'kept' and schema_name <> 'main' order by all"
    ).fetchall()
    return {f"{schema}.{name}": f"kept.{quote(schema)}.{quote(name)}" for schema, name in rows}


def _landing(settings: Settings, ledger: Ledger, manifest: dict[str, Any]) -> dict[str, str]:
    moment = parse_instant(manifest["as_of"])
    leaves = {}
    for source, contract in read_contracts().items():
        types = contract.landing_types()
        files = [settings.data / row["path"] for row in ledger.landing_files(source, moment)]
        columns = ", ".join(quote(name) for name in types)
        leaves[f"landing.{source}"] = f"(select {columns} from {parquet_relation(files, types)})"
    return leaves


def _columns(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in con.execute(f"describe select * from {table}").fetchall()]
