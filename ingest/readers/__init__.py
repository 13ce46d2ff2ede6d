"""One reader per format. Each gives a `RawTable`: every cell as text, nothing guessed, nothing dropped.

What reads a delivery calls `ingest.confinement.read_confined`, which runs `read` in a process that can do nothing else.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from dataclasses import dataclass

import pyarrow as pa

from ingest.faults import unreadable

# Of a publication in several files, the column that says which file a row is from.
TABLE_COLUMN = "_table"
_PARQUET = b"PAR1"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


@dataclass(frozen=True)
class RawTable:
    """A file's cells as they stand.

    Attributes:
        headers: the header cells, trimmed of nothing.
        columns: one string array per header, all of one length; an empty cell is the empty text.
        notes: how the file was read (encoding, separator, sheet), for the receipt.
        places: where each row stands in the file, from 1: the row of the sheet, the line of JSON; None where the format has no such number.
    """

    headers: list[str]
    columns: list[pa.ChunkedArray]
    notes: dict[str, str]
    places: pa.Array | None = None

    @property
    def row_count(self) -> int:
        return len(self.columns[0]) if self.columns else 0


def load_all() -> None:
    """Import every reader now, for a process that may open no file later."""
    documents = importlib.import_module("ingest.documents")
    for package in (sys.modules[__name__], documents):
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")


def _read_text(data: bytes, documents: tuple[str, ...]) -> RawTable:
    from ingest.readers import delimited, json_lines

    if documents:
        from ingest.documents import might_be_documents, read_documents

        found = read_documents(data, documents) if might_be_documents(data) else None
        if found is not None:
            return found
    text, encoding = delimited.decode(data)
    start = text[:4096].lstrip()[:1]
    if start == b"[":
        raise unreadable(
            "这是 JSON 数组；应为 JSON Lines：每行一个对象，行间无逗号。",
            "This is a JSON array; expected JSON Lines: one object per line, no commas between them.",
        )
    if start == b"{":
        if encoding != "utf-8":
            raise unreadable(
                f"JSON 应为 UTF-8 编码（RFC 8259），此文件是 {encoding}。", f"JSON is UTF-8 (RFC 8259); this file is {encoding}."
            )
        return json_lines.read(text)
    return delimited.read(text, encoding)


def _read_plain(data: bytes, sheet_names: tuple[str, ...], documents: tuple[str, ...]) -> RawTable:
    from ingest.readers import bundle, parquet, workbook
    from ingest.readers.foreign import refuse_foreign

    if data.startswith(_PARQUET):
        return parquet.read(data)
    if data.startswith(_ZIP):
        if bundle.is_bundle(data):
            return bundle.read_bundle(data, read)
        return workbook.read(data, sheet_names)
    refuse_foreign(data)
    return _read_text(data, documents)


def read(data: bytes, sheet_names: tuple[str, ...] = (), documents: tuple[str, ...] = ()) -> RawTable:
    """Read a delivery's bytes by what they are, whatever the file is called.

    Args:
        data: the file.
        sheet_names: names of the sheet that is meant, should it be a workbook.
        documents: kinds of JSON document that the source accepts.

    Raises:
        FileRefused: no bytes, an unknown or unsafe format, or text that cannot be split strictly.
    """
    from ingest.readers import gzipped
    from ingest.readers.limits import check_cells, check_columns

    notes: dict[str, str] = {}
    if not data:
        raise unreadable("文件为空（0 字节）。", "The file is empty (0 bytes).")
    if data.startswith(gzipped.MAGIC):
        data = gzipped.expand(data)
        notes["compression"] = "gzip"
        if not data:
            raise unreadable("文件解压后为空。", "The file is empty once expanded.")
    table = _read_plain(data, sheet_names, documents)
    if not table.columns:
        raise unreadable("文件没有任何列。", "The file has no columns.")
    check_columns(len(table.columns))
    if not documents:  # a document is kept whole beside its row
        check_cells(table.columns)
    return RawTable(table.headers, table.columns, notes | table.notes, table.places)
