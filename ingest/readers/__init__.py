"""One reader per format. Each gives a `RawTable`: every cell as text, nothing guessed, nothing dropped."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import pyarrow as pa

from ingest.contract import Message
from ingest.faults import FileRefused, unreadable

LARGEST_EXPANDED_BYTES = 8 * 1024**3
_LARGEST_RATIO = 200
# Of a publication in several files, the column that says which file a row is from.
TABLE_COLUMN = "_table"
_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class RawTable:
    """A file's cells as they stand.

    Attributes:
        headers: the header cells, trimmed of nothing.
        columns: one string array per header, all of one length; an empty cell is the empty text.
        notes: how the file was read (encoding, separator), for the receipt.
    """

    headers: list[str]
    columns: list[pa.ChunkedArray]
    notes: dict[str, str]

    @property
    def row_count(self) -> int:
        return len(self.columns[0]) if self.columns else 0


def _expand(data: bytes) -> bytes:
    """Undo gzip within limits: a small file that expands beyond reason is refused before it fills the memory."""
    limit = min(LARGEST_EXPANDED_BYTES, max(len(data) * _LARGEST_RATIO, 1 << 20))
    parts: list[bytes] = []
    total = 0
    rest = data
    while rest:
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(rest, limit - total + 1)
        except zlib.error as error:
            raise unreadable("gzip 压缩损坏，无法解压。", "The gzip compression is broken and cannot be undone.") from error
        total += len(part)
        if total > limit:
            raise FileRefused("unsafe", Message("解压后体积超过限制。", "The file expands beyond the limit."))
        if not member.eof:
            raise unreadable("gzip 文件不完整。", "The gzip file is cut short.")
        parts.append(part)
        rest = member.unused_data
    return b"".join(parts)


def read(data: bytes) -> RawTable:
    """Read a delivery's bytes by what they are, whatever the file is called.

    Raises:
        FileRefused: no bytes, an unknown or unsafe format, or text that cannot be split strictly.
    """
    from ingest.readers import delimited, parquet

    notes: dict[str, str] = {}
    if not data:
        raise unreadable("文件为空（0 字节）。", "The file is empty (0 bytes).")
    if data.startswith(_GZIP):
        data = _expand(data)
        notes["compression"] = "gzip"
    if data.startswith(_PARQUET):
        table = parquet.read(data)
    elif data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise unreadable(
            "尚不支持工作簿（XLSX/XLS），请另存为 CSV（UTF-8）。", "Workbooks (XLSX/XLS) are not read yet: save as CSV (UTF-8)."
        )
    else:
        table = delimited.read(data)
    if not table.columns:
        raise unreadable("文件没有任何列。", "The file has no columns.")
    return RawTable(table.headers, table.columns, notes | table.notes)
