"""JSON documents: bytes -> rows under the contract's column names, with everything a document says kept beside its row.

A kind of document is recognised by what it holds; which kinds a source accepts stands in its contract. Reading needs the bytes alone. What a
document cannot say by itself (which chain of versions it belongs to, which product of the catalogue it names) is settled in `resolution`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ingest.contract import Message
from ingest.documents import catena_x, ilcd_epd, pact
from ingest.documents.record import Document, Kind, Record, find
from ingest.faults import FileRefused, unreadable
from ingest.readers import RawTable
from ingest.readers.strict_json import parse, write

# Catena-X before PACT: its payloads have PACT's two fields as well.
KINDS: dict[str, Kind] = {kind.name: kind for kind in (catena_x.KIND, pact.KIND, ilcd_epd.KIND)}
LARGEST_BYTES = 64 * 1024**2

# Columns beside the contract's. The first four stay beside the row; the others are used up in `resolution`.
KEPT = ("document_kind", "document_id", "document_preceding", "document")
USED = ("document_products", "document_faults")


def _kind_of(value: Any, kinds: Sequence[str]) -> Kind | None:
    if not isinstance(value, dict):
        return None
    return next((kind for kind in KINDS.values() if kind.name in kinds and kind.recognises(value)), None)


def _first_line(data: bytes) -> Document | None:
    """The object of the first line where more stands below it, which is JSON Lines; None where the bytes are one value over many lines."""
    first, _, rest = data.removeprefix(b"\xef\xbb\xbf").strip().partition(b"\n")
    if not rest.strip() or not first.startswith(b"{") or not first.rstrip().endswith(b"}"):
        return None
    try:
        value = parse(first)
    except FileRefused:
        return None
    return value if isinstance(value, dict) else None


def _is_flat(value: Any) -> bool:
    return isinstance(value, dict) and not any(isinstance(cell, dict | list) for cell in value.values())


def _values(data: bytes, per_line: bool) -> list[Any]:
    """The documents of a file: one object, an array, the answer of an interface (`{"data": …}`), or one per line."""
    if per_line:
        return [parse(line) for line in data.split(b"\n") if line.strip()]
    value = parse(data)
    if isinstance(value, dict) and isinstance(value.get("data"), dict | list) and "pcf" not in value:
        value = value["data"]
    return value if isinstance(value, list) else [value]


def might_be_documents(data: bytes) -> bool:
    return data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def read_documents(data: bytes, kinds: Sequence[str]) -> RawTable | None:
    """Read a file of JSON documents of the kinds that a source accepts; None where the bytes are something else (flat objects, one per line).

    Raises:
        FileRefused: `unreadable` (no JSON, a document of no accepted kind among others, an unknown version), `unsafe`, `too_large` or `no_data_rows`.
    """
    first = _first_line(data)
    if first is not None and _kind_of(first, kinds) is None:
        return None
    if len(data) > LARGEST_BYTES:
        raise FileRefused("too_large", Message("JSON 文件超过 64 MB，请分成几个文件。", "The JSON file is larger than 64 MB: split it."))
    values = _values(data, first is not None)
    if not values:
        raise FileRefused("no_data_rows", Message("文件里没有任何记录。", "The file holds no records."))
    found = [_kind_of(value, kinds) for value in values]
    if len(values) == 1 and not any(found) and _is_flat(values[0]):
        return None
    records = [(kind, value, kind.read(value)) for kind, value in zip(found, values, strict=True) if kind is not None]
    if len(records) < len(values):
        raise _not_recognised(found.index(None) + 1, kinds)
    return _table(records)


def _not_recognised(number: int, kinds: Sequence[str]) -> FileRefused:
    known_zh = "、".join(KINDS[name].title.zh for name in kinds)
    known_en = ", ".join(KINDS[name].title.en for name in kinds)
    return unreadable(
        f"第 {number} 条记录不是此数据源接收的 JSON 文档（{known_zh}），整个文件未读。",
        f"Record {number} is none of the JSON documents that this source accepts ({known_en}): nothing of the file was read.",
    )


def _table(records: list[tuple[Kind, Document, Record]]) -> RawTable:
    names = list(dict.fromkeys(name for _, _, record in records for name in record.cells))
    columns: dict[str, list[str]] = {name: [record.cells.get(name, "") for _, _, record in records] for name in names}
    for name in ("disclosure_id", "revision", "product_code"):
        columns.setdefault(name, [""] * len(records))
    columns["document_kind"] = [f"{kind.name} {record.version}" for kind, _, record in records]
    columns["document_id"] = [record.document_id for _, _, record in records]
    columns["document_preceding"] = ["" if record.preceding is None else write(list(record.preceding)) for _, _, record in records]
    columns["document"] = [write(document) for _, document, _ in records]
    columns["document_products"] = [write(list(record.products)) for _, _, record in records]
    columns["document_faults"] = [write([list(fault) for fault in record.faults]) for _, _, record in records]
    kinds = Counter(columns["document_kind"])
    notes = {"format": "json", "documents": ", ".join(f"{name} ({count})" for name, count in sorted(kinds.items()))}
    missing = _missing_fields(records)
    if missing:
        notes["fields_missing"] = missing
    return RawTable(list(columns), [pa.chunked_array([pa.array(values, pa.string())]) for values in columns.values()], notes)


def _missing_fields(records: list[tuple[Kind, Document, Record]]) -> str:
    """What the published schema requires and documents lack, with how many. What a figure needs is refused later; the rest is told, no more."""
    counted = Counter(path for kind, document, record in records for path in kind.required(record.version) if find(document, path) is None)
    return ", ".join(f"{path} ({count})" for path, count in sorted(counted.items()))
