"""A reader's marts as files: which form writes what, and how a mart's rows are read for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from warehouse.settings import SettingsError

BATCH = 5000


@dataclass(frozen=True)
class Source:
    """A reader's file, open: its marts, their columns and rows in a fixed order."""

    connection: duckdb.DuckDBPyConnection
    marts: dict[str, dict[str, str]]

    def rows(self, mart: str) -> Iterator[tuple[Any, ...]]:
        cursor = self.connection.cursor()
        cursor.execute(f'select * from marts."{mart}" order by all')
        while batch := cursor.fetchmany(BATCH):
            yield from batch

    def read(self, sql: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
        cursor = self.connection.cursor()
        cursor.execute(sql, values or [])
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def open_source(file: Path) -> Source:
    """Open a reader's file read-only."""
    con = duckdb.connect(str(file), read_only=True)
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in con.execute(
        "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'marts' order by table_name, column_index"
    ).fetchall():
        found.setdefault(table, {})[column] = kind
    return Source(con, found)


def _form(name: str) -> Callable[[Source, list[str], Path, str], list[Path]]:
    """The writer of a form; each is imported when it is asked for, since some bring large libraries."""
    from warehouse.exchange import cbam, sdmx, shared, tables

    return {
        "csv": tables.write_csv_files,
        "xlsx": tables.write_workbook,
        "parquet": tables.write_parquet_files,
        "sdmx": sdmx.write_sdmx,
        "pact": shared.write_shared_footprints,
        "cbam": cbam.write_gap_list,
    }[name]


FORMS = ("xlsx", "csv", "parquet", "sdmx", "pact", "cbam")


def write_export(form: str, file: Path, marts: list[str], out: Path, lang: str) -> list[Path]:
    """Write a reader's file in a form below the folder `out`; gives the files written.

    Raises:
        SettingsError: a mart asked for is not in the reader's file, or the form has nothing to write from it.
    """
    source = open_source(file)
    try:
        if missing := sorted(set(marts) - set(source.marts)):
            raise SettingsError(f"读者的文件没有 {', '.join(missing)}", f"the reader's file holds no {', '.join(missing)}")
        out.mkdir(parents=True, exist_ok=True)
        return _form(form)(source, marts or list(source.marts), out, lang)
    finally:
        source.connection.close()


def need(source: Source, *marts: str) -> None:
    """Refuse a form whose marts the reader's file does not hold.

    Raises:
        SettingsError: naming them.
    """
    if missing := sorted(set(marts) - set(source.marts)):
        raise SettingsError(f"读者的文件没有所需的 {', '.join(missing)}", f"the reader's file lacks {', '.join(missing)}")
