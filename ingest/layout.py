"""Layouts: declared mappings from one publisher's file to a contract's columns. Data, not code: one YAML per layout.

A layout names the headers by which it is recognised, intermediate expressions (`let`), and one or more `records` per file row,
each giving the contract's columns as text from a header, a constant or a SQL expression over the file's cells. Every cell then goes
through the same folding, typing and rules as any delivery. What a layout maps stays beside the row as it was (`_extra`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import yaml

from ingest.contract import Contract, Message
from ingest.faults import FileRefused
from ingest.headers import fold_header, match_headers
from ingest.readers import RawTable

_KEYS = {"layout", "source", "version", "title", "publisher", "citation", "match", "let", "constants", "records", "maps", "notes"}


class LayoutError(ValueError):
    """A layout that does not fit its contract; names the file."""


@dataclass(frozen=True)
class Layout:
    """A read layout; `headers` are the folded headers that recognise it."""

    name: str
    source: str
    title: Message
    headers: tuple[str, ...]
    let: dict[str, str]
    constants: dict[str, str]
    records: tuple[dict[str, Any], ...]
    maps: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Mapped:
    """A file's cells under the contract's column names.

    Attributes:
        cells: contract column -> text cells, `record_count` long.
        row_numbers: the file row (from 1) of each record.
        flags: what a layout declares about its records, by flag column.
        unknown: position -> header of the columns kept beside the row.
        folded: folded headers and mapped records, by kind.
    """

    cells: dict[str, pa.ChunkedArray]
    record_count: int
    row_numbers: pa.Array
    flags: dict[str, pa.Array]
    unknown: dict[int, str]
    folded: Counter[str]
    layout: str | None = None


def read_layout(path: Path) -> Layout:
    """Read one layout file; unknown keys are refused."""
    document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    unknown = set(document) - _KEYS
    if unknown or document.get("layout") != path.stem:
        raise LayoutError(f"{path.name}: unknown keys {sorted(unknown)}, or a name that is not the file's")
    if document["records"][0].get("when"):
        raise LayoutError(f"{path.name}: the first record of a row is unconditional, so that no row can vanish")
    return Layout(
        name=document["layout"],
        source=document["source"],
        title=Message(**document["title"]),
        headers=tuple(document["match"]["headers"]),
        let=document.get("let", {}),
        constants={name: str(value) for name, value in document.get("constants", {}).items()},
        records=tuple(document["records"]),
        maps={name: {str(key): str(value) for key, value in pairs.items()} for name, pairs in document.get("maps", {}).items()},
    )


def layouts_of(contract: Contract) -> dict[str, Layout]:
    """The layouts of a source, by name."""
    return {path.stem: read_layout(path) for path in contract.layouts}


def _recognised(contract: Contract, raw: RawTable) -> list[Layout]:
    present = {fold_header(header) for header in raw.headers}
    return [layout for layout in layouts_of(contract).values() if {fold_header(header) for header in layout.headers} <= present]


def choose_layout(contract: Contract, raw: RawTable, name: str | None) -> Layout | None:
    """The layout named, else the one whose headers the file has, else None: the contract's own form.

    Raises:
        FileRefused: `layout_unknown` where the name is none of the source's or several layouts fit.
    """
    if name is not None:
        layout = layouts_of(contract).get(name)
        if layout is None:
            known = ", ".join(sorted(layouts_of(contract))) or "-"
            raise FileRefused(
                "layout_unknown", Message(f"没有名为 {name} 的布局（已有：{known}）。", f"There is no layout {name} (known: {known}).")
            )
        return layout
    found = _recognised(contract, raw)
    if len(found) > 1:
        names = ", ".join(layout.name for layout in found)
        raise FileRefused(
            "layout_unknown",
            Message(f"多个布局都符合（{names}），请用 --layout 指明。", f"Several layouts fit ({names}): name one with --layout."),
        )
    return found[0] if found else None


def map_cells(con: duckdb.DuckDBPyConnection, contract: Contract, raw: RawTable, layout_name: str | None) -> Mapped:
    """Bring a file's cells under the contract's columns, by its headers or by a layout.

    Raises:
        FileRefused: `header_repeated`, `column_missing` or `layout_unknown`.
    """
    layout = choose_layout(contract, raw, layout_name)
    if layout is not None:
        return _map_by_layout(con, contract, raw, layout)
    headers = match_headers(contract, raw.headers)
    return Mapped(
        cells={name: raw.columns[position] for name, position in headers.columns.items()},
        record_count=raw.row_count,
        row_numbers=_numbers(raw.row_count),
        flags={flag: pa.nulls(raw.row_count, pa.bool_()) for flag in contract.layout_flags},
        unknown=headers.unknown,
        folded=Counter(headers.folded),
    )


def _numbers(count: int) -> pa.Array:
    return pa.array(np.arange(1, count + 1, dtype=np.int32))


def _cell(spec: Any, layout: Layout) -> str:
    """SQL of one column of a record."""
    if isinstance(spec, str):
        return spec
    if "header" in spec:
        return f'"{spec["header"]}"'
    if "constant" in spec:
        return "'" + str(spec["constant"]).replace("'", "''") + "'"
    pairs = layout.maps[spec["map"]]
    cases = " ".join("when '" + key.replace("'", "''") + "' then '" + value.replace("'", "''") + "'" for key, value in pairs.items())
    return f"case {spec['of']} {cases} else {spec.get('otherwise', spec['of'])} end"


def _record_query(record: dict[str, Any], part: int, contract: Contract, layout: Layout) -> str:
    given = {name: {"constant": value} for name, value in layout.constants.items()} | record["columns"]
    unknown = set(given) - set(contract.names)
    if unknown:
        raise LayoutError(f"{layout.name}: {sorted(unknown)} are no columns of {contract.source}")
    cells = ", ".join(
        f"coalesce(cast({_cell(given[name], layout)} as varchar), '') as \"{name}\"" if name in given else f"'' as \"{name}\""
        for name in contract.names
    )
    flags = "".join(f", cast({record.get('flags', {}).get(flag, 'null')} as boolean) as {flag}" for flag in contract.layout_flags)
    when = f" where {record['when']}" if record.get("when") else ""
    return f"select _row, {part} as _part, {cells}{flags} from lets{when}"


def _map_by_layout(con: duckdb.DuckDBPyConnection, contract: Contract, raw: RawTable, layout: Layout) -> Mapped:
    trimmed = [header.strip().strip("\ufeff") for header in raw.headers]
    if len(set(trimmed)) != len(trimmed):
        match_headers(contract, raw.headers)
    table = pa.table(dict(zip(trimmed, raw.columns, strict=True))).append_column("_row", _numbers(raw.row_count))
    con.register("file_cells", table)
    lets = "".join(f", {expression} as {name}" for name, expression in layout.let.items())
    records = " union all ".join(_record_query(record, part, contract, layout) for part, record in enumerate(layout.records))
    try:
        mapped = con.execute(
            f"with lets as (select *{lets} from file_cells) select * from ({records}) order by _row, _part"
        ).to_arrow_table()
    except duckdb.BinderException as error:
        raise LayoutError(f"{layout.name}: {error}") from error
    con.unregister("file_cells")
    return Mapped(
        cells={name: mapped[name] for name in contract.names},
        record_count=mapped.num_rows,
        row_numbers=mapped["_row"].combine_chunks().cast(pa.int32()),
        flags={flag: mapped[flag].combine_chunks() for flag in contract.layout_flags},
        unknown=dict(enumerate(trimmed)),
        folded=Counter({"layout": mapped.num_rows}),
        layout=layout.name,
    )
