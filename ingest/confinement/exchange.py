"""What the reading process hands back: one Arrow file with the cells, or with a refusal. Nothing of it is code, and all of it is checked."""

from __future__ import annotations

import json
import mmap
import os
from typing import IO

import pyarrow as pa

from ingest.contract import Message
from ingest.faults import FileRefused
from ingest.readers import RawTable

_PLACES = "places"


def write_table(table: RawTable, stream: IO[bytes]) -> None:
    """Write a table as an Arrow file; headers and notes stand in its metadata, since a header may be any text."""
    columns = {f"f{number}": column for number, column in enumerate(table.columns)}
    if table.places is not None:
        columns[_PLACES] = pa.chunked_array([table.places])
    said = json.dumps({"headers": table.headers, "notes": table.notes})
    _write(pa.table(columns).replace_schema_metadata({"said": said}), stream)


def write_refusal(refusal: FileRefused, stream: IO[bytes]) -> None:
    """Write why the file is refused."""
    said = json.dumps({"code": refusal.code, "zh": refusal.message.zh, "en": refusal.message.en})
    _write(pa.table({}).replace_schema_metadata({"refused": said}), stream)


def _write(table: pa.Table, stream: IO[bytes]) -> None:
    with pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)
    stream.flush()


def read_result(handle: int) -> RawTable:
    """The table in a result file, mapped into memory and checked: text that is text, offsets that stay inside.

    Raises:
        FileRefused: the one that was written.
        pa.ArrowInvalid: the file is no whole result.
    """
    if os.fstat(handle).st_size == 0:
        raise pa.ArrowInvalid("no result")
    with pa.ipc.open_file(pa.py_buffer(mmap.mmap(handle, 0, prot=mmap.PROT_READ))) as reader:
        table = reader.read_all()
    metadata = table.schema.metadata or {}
    if b"refused" in metadata:
        said = json.loads(metadata[b"refused"])
        raise FileRefused(said["code"], Message(said["zh"], said["en"]))
    table.validate(full=True)
    said = json.loads(metadata[b"said"])
    columns = [column for name, column in zip(table.column_names, table.columns, strict=True) if name != _PLACES]
    places = table[_PLACES].combine_chunks() if _PLACES in table.column_names else None
    return RawTable(said["headers"], columns, said["notes"], places)
