"""Parquet: typed cells are written out as text, losslessly, so that one strict parser per type serves every format."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.faults import unreadable
from ingest.readers import RawTable
from ingest.readers.delimited import no_data_rows
from ingest.readers.limits import check_columns


def _as_text(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_nested(kind):
        raise unreadable(f"列 {name} 是嵌套类型，无法作为一个单元格读取。", f"Column {name} is nested and cannot be read as one cell.")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        try:
            column = column.cast(pa.large_string() if pa.types.is_large_binary(kind) else pa.string())
        except pa.ArrowInvalid as error:
            raise unreadable(f"列 {name} 含有非文本字节。", f"Column {name} holds bytes that are not text.") from error
    elif pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    text = column.cast(pa.string())
    return pc.fill_null(text, "")


def read(data: bytes) -> RawTable:
    """Read a Parquet file as all-text columns.

    Raises:
        FileRefused: `unreadable` or `no_data_rows`.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        check_columns(file.metadata.num_columns)
        table = file.read()
        table.validate(full=True)  # Arrow takes the file's word that its text is text
    except (
        pa.ArrowInvalid,
        pa.ArrowNotImplementedError,
        OSError,
    ) as error:  # nothing is read from a disk here: Arrow's OSError is a broken page
        raise unreadable(f"Parquet 文件损坏（{str(error)[:120]}）。", f"The Parquet file is broken ({str(error)[:120]}).") from error
    if table.num_rows != file.metadata.num_rows:
        raise unreadable(
            f"Parquet 文件的页脚写明 {file.metadata.num_rows} 行，实际为 {table.num_rows} 行。",
            f"The footer of the Parquet file tells of {file.metadata.num_rows} rows, and it holds {table.num_rows}.",
        )
    if table.num_rows == 0:
        raise no_data_rows()
    columns = [_as_text(name, column) for name, column in zip(table.column_names, table.columns, strict=True)]
    for name, column in zip(table.column_names, columns, strict=True):
        if pc.any(pc.match_substring(column, "\x00")).as_py():
            raise unreadable(f"列 {name} 含有 NUL 字节。", f"Column {name} holds NUL bytes.")
    return RawTable(list(table.column_names), columns, {"format": "parquet"})
