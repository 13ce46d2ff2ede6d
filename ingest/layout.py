"""A file's cells under the contract's columns: by its own headers, or through a layout as one SQL query over all rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.contract import Contract, Message
from ingest.faults import FileRefused
from ingest.headers import match_headers
from ingest.layout_form import Form, Layout, LayoutError, TableForm, choose_layout, file_names, read_layout
from ingest.readers import RawTable
from ingest.readers.bundle import TABLE_COLUMN

__all__ = ["Layout", "LayoutError", "Mapped", "map_cells", "read_layout"]

JOINED = "joined_table"
UNUSED = "other_table"
_TABLES = {
    JOINED: Message("只供其他表查对的表中的行", "rows of a table that the other rows look up"),
    UNUSED: Message("本布局不用的表中的行", "rows of a table that this layout does not use"),
}


@dataclass(frozen=True)
class Mapped:
    """A file's cells under the contract's column names.

    Attributes:
        cells: contract column -> text cells, `record_count` long.
        row_numbers: the file row (from 1) of each record.
        flags: what a layout declares about its records, by flag column.
        unknown: position -> header of the columns kept beside the row.
        folded: folded headers and mapped records, by kind.
        not_data: rows that are no records of this source, by kind, each with its reason.
        contract: the contract as it holds for this file: a layout may have a tolerance of its own, and lack what its publication does not hold.
    """

    cells: dict[str, pa.ChunkedArray]
    record_count: int
    row_numbers: pa.Array
    flags: dict[str, pa.Array]
    unknown: dict[int, str]
    folded: Counter[str]
    contract: Contract
    layout: str | None = None
    not_data: list[dict[str, Any]] = field(default_factory=list)


def map_cells(con: duckdb.DuckDBPyConnection, contract: Contract, raw: RawTable, layout_name: str | None) -> Mapped:
    """Bring a file's cells under the contract's columns.

    Raises:
        FileRefused: `header_repeated`, `column_missing`, `layout_unknown`, `layout_refused`, `layout_failed`, `table_key_repeated`, `no_data_rows`.
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
        contract=contract,
    )


def _numbers(count: int) -> pa.Array:
    return pa.array(np.arange(1, count + 1, dtype=np.int32))


def _as_held(contract: Contract, layout: Layout) -> Contract:
    """The contract for a layout's rows: what the publication lacks is not asked for, where the contract allows that."""
    refused = [name for name in layout.absent if not contract.column(name).may_lack]
    if refused:
        raise LayoutError(f"{layout.name}: {contract.source} does not let {refused} be absent (mayLack)")
    columns = tuple(replace(column, required=False) if column.name in layout.absent else column for column in contract.columns)
    return replace(contract, columns=columns, tolerance=layout.tolerance.share if layout.tolerance else contract.tolerance)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _cell(spec: Any, layout: Layout) -> str:
    """SQL of one column of a record."""
    if isinstance(spec, str):
        return spec
    if "header" in spec:
        return f'"{spec["header"]}"'
    if "constant" in spec:
        return _quoted(str(spec["constant"]))
    pairs = layout.maps[spec["map"]]
    cases = " ".join(f"when {_quoted(key)} then {_quoted(value)}" for key, value in pairs.items())
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
    when = f" and ({record['when']})" if record.get("when") else ""
    return f"select _row, {part} as _part, {cells}{flags} from spread where _not_data is null{when}"


def _form_table(form: Form, raw: RawTable, rows: pa.Array | None = None) -> pa.Table:
    """The columns that a form declares, under their canonical names, and `_row`: nothing else of a file reaches an expression."""
    places = form.places(raw.headers)
    cells = {name: raw.columns[position] for name, position in places.items()}
    cells |= {name: pa.chunked_array([pa.repeat("", raw.row_count)]) for name in form.optional if name not in cells}
    if form.unpivot:
        cells |= {header.strip(): raw.columns[raw.headers.index(header)] for header in form.unpivot.matching(raw.headers)}
    table = pa.table(cells | {"_row": _numbers(raw.row_count)})
    return table if rows is None else table.take(rows)


def _register(con: duckdb.DuckDBPyConnection, name: str, form: Form, raw: RawTable, rows: pa.Array | None = None) -> None:
    con.register(f"{name}_read", _form_table(form, raw, rows))
    source = f'"{name}_read"'
    if form.unpivot:
        wide = ", ".join('"' + header.strip().replace('"', '""') + '"' for header in form.unpivot.matching(raw.headers))
        source = f'{source} unpivot include nulls ("{form.unpivot.value}" for "{form.unpivot.name}" in ({wide}))'
    con.execute(f'create or replace temp view "{name}" as select * from {source}')


def _check_key(con: duckdb.DuckDBPyConnection, table: TableForm) -> None:
    """Tables meet on a key: one that stands twice would multiply rows, so the file is refused rather than a row chosen."""
    if not table.key:
        return
    names = ", ".join(f'"{name}"' for name in table.key)
    found = con.execute(f'select {names} from "{table.name}" group by all having count(*) > 1 limit 1').fetchone()
    if found:
        key = ", ".join(str(value)[:60] for value in found)
        raise FileRefused(
            "table_key_repeated",
            Message(
                f"表 {table.name} 中 {key} 出现了两次，各表无法对应。",
                f"{key} stands twice in the table {table.name}: the tables cannot be matched.",
            ),
        )


def _register_tables(con: duckdb.DuckDBPyConnection, layout: Layout, raw: RawTable) -> Counter[str]:
    """Show the tables of a bundle to the layout's query; gives the rows of tables that are no records of their own."""
    of_table = raw.columns[raw.headers.index(TABLE_COLUMN)]
    rest = raw.row_count
    aside: Counter[str] = Counter()
    for table in layout.tables:
        rows = pc.indices_nonzero(pc.is_in(of_table, pa.array(file_names(raw, table), pa.string())))
        _register(con, table.name, table.form, raw, rows)
        _check_key(con, table)
        rest -= len(rows)
        aside[JOINED] += len(rows) if table.joined else 0
    aside[UNUSED] = rest
    return aside


def _spread(con: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Table `spread`: every row that may become records, with the layout's expressions and, where it is no data, the kind."""
    for signature, expression in layout.macros.items():
        con.execute(f"create or replace temp macro {signature} as ({expression})")
    # One select per expression: an alias of the same select cannot be used inside a subquery.
    lets = f"select * from {layout.relation}"
    for name, expression in layout.let.items():
        lets = f"select *, {_cell(expression, layout)} as {name} from ({lets})"
    cases = "".join(f" when {item.when} then {_quoted(item.kind)}" for item in layout.not_data)
    kind = f"case{cases} end" if cases else "cast(null as varchar)"
    con.execute(f"create or replace temp table spread as select *, {kind} as _not_data from ({lets})")


def _not_data(con: duckdb.DuckDBPyConnection, layout: Layout, aside: Counter[str]) -> list[dict[str, Any]]:
    counted = Counter(dict(con.execute("select _not_data, count(*) from spread where _not_data is not null group by 1").fetchall())) + aside
    reasons = {item.kind: item.reason for item in layout.not_data} | _TABLES
    return [{"kind": kind, "count": counted[kind], "zh": reasons[kind].zh, "en": reasons[kind].en} for kind in reasons if counted[kind]]


def _map_by_layout(con: duckdb.DuckDBPyConnection, contract: Contract, raw: RawTable, layout: Layout) -> Mapped:
    trimmed = [header.strip().strip("\ufeff") for header in raw.headers]
    if len(set(trimmed)) != len(trimmed):
        match_headers(contract, raw.headers)
    try:
        if layout.tables:
            aside = _register_tables(con, layout, raw)
        else:
            aside = Counter()
            _register(con, "file_cells", layout.forms[0], raw)
        _spread(con, layout)
        records = " union all ".join(_record_query(record, part, contract, layout) for part, record in enumerate(layout.records))
        mapped = con.execute(f"select * from ({records}) order by _row, _part").to_arrow_table()
    except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException) as error:
        raise FileRefused(
            "layout_failed",
            Message(
                f"布局 {layout.name} 无法换算本文件：{str(error).splitlines()[0]}",
                f"The layout {layout.name} cannot map this file: {str(error).splitlines()[0]}",
            ),
        ) from error
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException) as error:
        raise LayoutError(f"{layout.name}: {error}") from error
    not_data = _not_data(con, layout, aside)
    if not mapped.num_rows:
        told = "；".join(f"{item['zh']} {item['count']}" for item in not_data)
        said = "; ".join(f"{item['en']}: {item['count']}" for item in not_data)
        raise FileRefused("no_data_rows", Message(f"没有任何数据行（{told}）。", f"No row is data ({said})."))
    return Mapped(
        cells={name: mapped[name] for name in contract.names},
        record_count=mapped.num_rows,
        row_numbers=mapped["_row"].combine_chunks().cast(pa.int32()),
        flags={flag: mapped[flag].combine_chunks() for flag in contract.layout_flags},
        unknown=dict(enumerate(trimmed)),
        folded=Counter({"layout": mapped.num_rows}),
        contract=_as_held(contract, layout),
        layout=layout.name,
        not_data=not_data,
    )
