"""Readers' files held open: one connection per reader, on the release in force at each request, so that a new release is seen at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from warehouse.audience import quoted
from warehouse.reading.files import Reader, reader_files
from warehouse.release import current_release
from warehouse.settings import Settings

_LIMIT = "1GB"
_CATALOG = "reader"


@dataclass(frozen=True)
class Shelf:
    """One reader's file of one release: read-only, closed to the machine, its settings locked."""

    release_id: str
    reader: Reader
    connection: duckdb.DuckDBPyConnection

    @cached_property
    def columns(self) -> dict[str, dict[str, str]]:
        """Mart -> column -> SQL type."""
        rows = self.read(
            "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'marts' and database_name = $1"
            " order by table_name, column_index",
            [_CATALOG],
        )
        found: dict[str, dict[str, str]] = {}
        for row in rows:
            found.setdefault(row["table_name"], {})[row["column_name"]] = row["data_type"]
        return found

    def read(self, sql: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
        cursor = self.connection.cursor()
        cursor.execute(f"use {_CATALOG}")
        cursor.execute(sql, values or [])
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def open_file(path: Path) -> duckdb.DuckDBPyConnection:
    """A reader's file such that no query can reach beyond it. It is attached, not opened: a file that others in this process hold open
    would come with their settings.
    """
    con = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": _LIMIT, "autoinstall_known_extensions": False})
    con.execute(f"attach {quoted(str(path))} as {_CATALOG} (read_only)")
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")
    return con


class Shelves:
    """The open files of a server, by reader; those of a release that is no longer in force are closed with the last request on them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._open: dict[Reader, tuple[Shelf, ExitStack]] = {}

    @contextmanager
    def of(self, reader: Reader) -> Iterator[Shelf | None]:
        """The reader's file of the release in force; None before the first.

        Raises:
            UnknownReader: the release has no file for this reader.
        """
        with self._lock:
            shelf = self._take(reader)
        yield shelf

    def _take(self, reader: Reader) -> Shelf | None:
        folder = current_release(self._settings)
        if folder is None:
            return None
        held = self._open.get(reader)
        if held is not None and held[0].release_id == folder.name:
            return held[0]
        stack = ExitStack()
        file, _ = stack.enter_context(reader_files(self._settings, folder, reader))
        shelf = Shelf(folder.name, reader, open_file(file))
        self._open[reader] = (shelf, stack)
        if held is not None:
            held[1].close()  # whoever still reads the old file keeps it open; its name may go
        return shelf

    def close(self) -> None:
        with self._lock:
            for shelf, stack in self._open.values():
                shelf.connection.close()
                stack.close()
            self._open.clear()
