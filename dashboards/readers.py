"""Who reads a release through Superset: the audiences of its manifest, with the tables that each one's file holds."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from dashboards.assets import MINISTRY, Reader
from dashboards.errors import DashboardError


def read_readers(data_dir: Path) -> list[Reader]:
    """The readers of the release in force, the ministry first.

    Raises:
        DashboardError: there is no release yet.
    """
    folder = data_dir / "releases" / "current"
    if not (folder / f"{MINISTRY}.duckdb").exists():
        raise DashboardError(
            f"还没有发布：找不到 {folder / 'ministry.duckdb'}。请先运行 tanlian release。",
            f"There is no release yet: {folder / 'ministry.duckdb'} is not there. Run tanlian release first.",
        )
    manifest = folder / "manifest.json"
    listed = json.loads(manifest.read_text(encoding="utf-8"))["audiences"] if manifest.exists() else []
    described = [entry for entry in listed if isinstance(entry, dict) and entry["name"] != MINISTRY]
    return [Reader(), *(_read_reader(entry, folder) for entry in described)]


def _read_reader(entry: dict[str, object], folder: Path) -> Reader:
    title = entry.get("title")
    texts = title if isinstance(title, dict) else {"zh": str(entry["name"]), "en": str(entry["name"])}
    with duckdb.connect(str((folder / str(entry["file"])).resolve()), read_only=True) as connection:
        rows = connection.execute("select table_name from information_schema.tables where table_schema = 'marts'").fetchall()
    member = entry.get("member")
    return Reader(
        str(entry["name"]), str(entry["kind"]), texts, frozenset(name for (name,) in rows), None if member is None else str(member)
    )
