"""How wide a table and how long a cell may be, whatever the format: far beyond any real table, and far below what fills a memory."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ingest.contract import Message
from ingest.faults import FileRefused

MOST_COLUMNS = 1_000
LONGEST_CELL = 1 << 18  # bytes; a workbook's cell ends at 32 767 characters


def check_columns(count: int) -> None:
    """Refuse a table of more than MOST_COLUMNS columns."""
    if count > MOST_COLUMNS:
        raise FileRefused(
            "unsafe",
            Message(
                f"表有 {count} 列，超过 {MOST_COLUMNS} 列的限制。", f"The table has {count} columns, more than the limit of {MOST_COLUMNS}."
            ),
        )


def check_cells(columns: list[pa.ChunkedArray]) -> None:
    """Refuse a cell of more than LONGEST_CELL bytes, by its place."""
    for number, column in enumerate(columns, 1):
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest > LONGEST_CELL:
            row = pc.index(pc.binary_length(column), longest).as_py() + 1
            raise FileRefused(
                "unsafe",
                Message(
                    f"第 {row} 行第 {number} 列的单元格有 {longest} 字节，超过 {LONGEST_CELL} 字节的限制。",
                    f"The cell in row {row}, column {number} has {longest} bytes, more than the limit of {LONGEST_CELL}.",
                ),
            )
