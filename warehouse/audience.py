"""Audiences: which marts, and which of their rows, stand in the file that a kind of reader gets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import yaml

POLICY = Path(__file__).parent / "audiences.yaml"


class AudienceError(ValueError):
    """An audience that asks for a mart that is not there."""


@dataclass(frozen=True)
class Audience:
    """One kind of reader. `marts` maps a mart to a SQL condition on its rows (null: all rows)."""

    name: str
    takes_all: bool
    marts: dict[str, str | None]

    @property
    def file_name(self) -> str:
        return f"{self.name}.duckdb"


def read_audiences(path: Path = POLICY) -> list[Audience]:
    """The declared audiences, in order."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        Audience(
            entry["audience"],
            bool(entry.get("all")),
            {mart: (rule or {}).get("where") for mart, rule in (entry.get("marts") or {}).items()},
        )
        for entry in document["audiences"]
    ]


def write_audience_file(audience: Audience, build: Path, own_tables: dict[str, str], target: Path) -> None:
    """Write an audience's file: schema `marts`, nothing else.

    Args:
        build: the build's DuckDB file.
        own_tables: tables that the release adds, name -> SQL.
        target: a path that does not exist yet.

    Raises:
        AudienceError: a mart of the policy is not in the build.
    """
    with duckdb.connect(str(target)) as con:
        con.execute(f"attach '{str(build).replace(chr(39), chr(39) * 2)}' as build (read_only)")
        there = [
            name
            for (name,) in con.execute(
                "select table_name from information_schema.tables where table_catalog = 'build' and table_schema = 'marts' order by 1"
            ).fetchall()
        ]
        missing = sorted(set(audience.marts) - set(there))
        if missing:
            raise AudienceError(f"{audience.name}: no such marts {', '.join(missing)}")
        con.execute("create schema marts")
        for mart in there if audience.takes_all else sorted(audience.marts):
            condition = audience.marts.get(mart)
            where = f" where {condition}" if condition else ""
            con.execute(f'create table marts."{mart}" as select * from build.marts."{mart}"{where} order by all')
        for name, query in own_tables.items():
            con.execute(f'create table marts."{name}" as {query}')
        con.execute("detach build")
        con.execute("checkpoint")
