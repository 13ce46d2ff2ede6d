"""A publication in several files, in one zip: every table's rows under one another, with a column that says which file a row is from.

A delivery is one file, so tables that only mean something together (a register's installations, emissions and allocations) come as a
zip of the files exactly as published. Nothing is unpacked to disk and no member's name is a path: it only tells the tables apart.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath

import pyarrow as pa

from ingest.contract import Message
from ingest.faults import FileRefused, unreadable
from ingest.readers import RawTable
from ingest.readers.archive import BROKEN_ZIP, expand

TABLE_COLUMN = "_table"
MOST_TABLES = 64
_ZIP = b"PK\x03\x04"
_PACKAGE_PARTS = ("[content_types].xml", "mimetype")


def is_bundle(data: bytes) -> bool:
    """Whether a zip is a bundle of tables rather than a workbook or another document; one whose directory is broken is neither."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except BROKEN_ZIP:
        return False
    return bool(names) and not any(name.casefold() in _PACKAGE_PARTS for name in names)


def _table_name(name: str) -> str:
    return PurePosixPath(name).name.casefold()


def _tables(data: bytes) -> dict[str, bytes]:
    """The members that are tables; what a desktop adds to a zip by itself is left out."""
    members = {
        name: content
        for name, content in expand(data).items()
        if not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")
    }
    names = [_table_name(name) for name in members]
    if not members or len(members) > MOST_TABLES or len(set(names)) != len(names):
        raise unreadable(
            f"压缩包应含 1 至 {MOST_TABLES} 个不重名的数据表。",
            f"A zip should hold 1 to {MOST_TABLES} tables, each with a name of its own.",
        )
    if any(content.startswith(_ZIP) for content in members.values()):
        raise unreadable(
            "压缩包内还有压缩包或工作簿，请直接打包数据表。", "The zip holds another zip or a workbook: pack the tables themselves."
        )
    return {_table_name(name): content for name, content in sorted(members.items())}


def _stacked(tables: dict[str, RawTable]) -> tuple[list[str], list[pa.ChunkedArray]]:
    """The union of the tables' columns, empty where a table has none of the name."""
    headers = list(dict.fromkeys(header.strip() for table in tables.values() for header in table.headers))
    parts = []
    for name, table in tables.items():
        trimmed = [header.strip() for header in table.headers]
        if len(set(trimmed)) != len(trimmed):
            raise FileRefused("header_repeated", Message(f"{name} 的表头有重复。", f"A header is repeated in {name}."))
        own = dict(zip(trimmed, table.columns, strict=True))
        empty = pa.chunked_array([pa.repeat("", table.row_count)])
        parts.append(
            pa.table([own.get(header, empty) for header in headers] + [pa.repeat(name, table.row_count)], [*headers, TABLE_COLUMN])
        )
    whole = pa.concat_tables(parts)
    return [*headers, TABLE_COLUMN], list(whole.columns)


def read_bundle(data: bytes, read: Callable[[bytes], RawTable]) -> RawTable:
    """Read the tables of a zip, each by what it is; a zip of one table is that table.

    Raises:
        FileRefused: as any table in it; `unreadable` for no table, too many, or an archive within.
    """
    tables = {name: read(content) for name, content in _tables(data).items()}
    if len(tables) == 1:
        (table,) = tables.values()
        return RawTable(table.headers, table.columns, table.notes | {"compression": "zip"})
    if any(TABLE_COLUMN in table.headers for table in tables.values()):
        raise unreadable(f"表头 {TABLE_COLUMN} 留作他用。", f"The header {TABLE_COLUMN} is taken.")
    headers, columns = _stacked(tables)
    return RawTable(headers, columns, {"tables": ", ".join(f"{name} {table.row_count}" for name, table in tables.items())})
