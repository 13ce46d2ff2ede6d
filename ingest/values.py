"""From text to typed values: fold what the contract lets be folded, type it by one strict parser per type, and name every cell that fails.

Work is done on the distinct values of a column, not on its rows, and set-based: DuckDB types a table of distinct texts, Arrow maps the
result back. A column whose values are all in the contract's own form takes a fast path without folding.
A cell that cannot be typed is a fault with a place; it never becomes null.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.contract import DECIMAL_SCALE, Column, Contract
from ingest.faults import CELL_ERRORS
from ingest.folding import KINDS, fold
from ingest.reference import share_lists

_OFFSET = r"(Z|[+-](0\d|1[0-4]):?[0-5]\d)"
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_FORM = r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}"
_SCHEME_FORM = r"[a-z][a-z0-9_]*:.*\S"
_SAMPLE = 1 << 16
_COLUMNS_AT_ONCE = 2

# The contract's own form of each type: what passes needs no folding. RE2 syntax, matched in full.
_PLAIN = {
    "text": r"([^\s\x{00a0}\x{3000}\x{feff}\x{200b}\p{Cc}０-９Ａ-Ｚａ-ｚ]([^\p{Cc}０-９Ａ-Ｚａ-ｚ]*[^\s\x{00a0}\x{3000}\x{feff}\x{200b}\p{Cc}０-９Ａ-Ｚａ-ｚ])?)?",
    "integer": r"([+-]?\d{1,18})?",
    "double": r"([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)?",
    "decimal": rf"([+-]?(\d{{1,20}}(\.\d{{0,{DECIMAL_SCALE}}})?|\.\d{{1,{DECIMAL_SCALE}}}))?",
    "date": r"((19|20|21)\d\d-\d\d-\d\d)?",
    "instant": rf"((19|20|21)\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{{1,6}})?)?{_OFFSET}?)?",
    "boolean": r"(true|false)?",
}
# A code of digits that a spreadsheet took for a number: beyond 15 digits the last ones are gone (Excel specifications and limits).
_LOST_DIGITS = r"[1-9](\.\d+)?E\+(1[1-9]|[2-9]\d)"
# Control characters, and those that turn the direction of what follows, so that a text shows otherwise than it is (Unicode TR 36).
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{202a}-\x{202e}\x{2066}-\x{2069}]"


@dataclass
class Faults:
    """Cells that broke a column's promise, as parallel arrays: record number, rule code, column and the text found."""

    row_number: list[pa.Array] = field(default_factory=list)
    code: list[pa.Array] = field(default_factory=list)
    column: list[pa.Array] = field(default_factory=list)
    value: list[pa.Array] = field(default_factory=list)

    def add(self, rows: pa.Array, codes: pa.Array, column: str, values: pa.Array) -> None:
        self.row_number.append(rows.cast(pa.int32()))
        self.code.append(codes)
        self.column.append(pa.array([column] * len(rows), pa.string()))
        self.value.append(values)

    def extend(self, other: Faults) -> None:
        self.row_number += other.row_number
        self.code += other.code
        self.column += other.column
        self.value += other.value

    def table(self) -> pa.Table:
        names = ("_record", "code", "column_name", "value")
        types = (pa.int32(), pa.string(), pa.string(), pa.string())
        parts = (self.row_number, self.code, self.column, self.value)
        return pa.table({name: pa.chunked_array(part, type=kind) for name, kind, part in zip(names, types, parts, strict=True)})


@dataclass(frozen=True)
class TypedRows:
    """A delivery's rows, typed. Cells with a fault are null in `table` and listed in `faults`; `normalised` counts folded cells by kind."""

    table: pa.Table
    faults: pa.Table
    normalised: Counter[str]


def uscc_is_valid(text: str) -> str:
    """SQL: whether an 18-character text is a Unified Social Credit Code with a right check character (GB 32100-2015)."""
    value = f"(strpos('{_USCC_ALPHABET}', substr({text}, {{}}, 1)) - 1)"
    total = " + ".join(f"{pow(3, i, 31)} * {value.format(i + 1)}" for i in range(17))
    return f"(regexp_full_match({text}, '{_USCC_FORM}') and (31 - ({total}) % 31) % 31 = {value.format(18)})"


def _parse(column: Column, text: str) -> str:
    """SQL that types a text already in plain form; null where it cannot."""
    if column.type == "instant":
        full = f"case when regexp_full_match({text}, '.{{16}}({_OFFSET})?') then concat(substr({text}, 1, 16), ':00', substr({text}, 17)) else {text} end"
        zoned = f"case when regexp_matches({text}, '{_OFFSET}$') then {full} else concat({full}, '+08:00') end"
        return f"case when {text} <> '' then make_timestamp(epoch_us(try_cast({zoned} as timestamptz))) end"
    if column.type == "text":
        return f"nullif({text}, '')"
    number = f"try_cast(nullif({text}, '') as {column.sql_type})"
    if column.type == "double":
        return f"(case when isfinite({number}) then {number} end)"
    return number


def _numeric_literal(bound: float) -> str:
    return repr(int(bound)) if float(bound).is_integer() else repr(bound)


def _bounds(column: Column, value: str) -> str | None:
    tests = []
    if column.minimum is not None:
        tests.append(f"{value} < {_numeric_literal(column.minimum)}")
    if column.maximum is not None:
        tests.append(f"{value} > {_numeric_literal(column.maximum)}")
    return " or ".join(tests) or None


def _quoted(values: tuple[str, ...]) -> str:
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def _reference(dotted: str) -> str:
    name, _, column = dotted.partition(".")
    return f'select cast("{column}" as varchar) from reference."{name}"'


def _lists(column: Column) -> list[str]:
    """The reference lists, as `list.column`, in which a column's values are looked up."""
    return ([column.list] if column.list else []) + [item.removeprefix("list:") for item in column.also_allowed if item.startswith("list:")]


def _not_listed(column: Column, value: str) -> str | None:
    """SQL: whether a typed value is outside the column's enumeration or reference list."""
    lists = _lists(column)
    plain = column.values + tuple(item for item in column.also_allowed if not item.startswith("list:"))
    tests = [f"{value} in ({_reference(item)})" for item in lists]
    if plain:
        tests.append(f"{value} in ({_quoted(plain)})")
    if not tests:
        return None
    outside = f"not ({' or '.join(tests)})"
    return f"({outside} or {value} in ({_quoted(column.not_allowed)}))" if column.not_allowed else f"({outside})"


def _fault(column: Column, text: str, value: str) -> str:
    """SQL: the code of the first promise a value breaks, else null."""
    cases = []
    if column.required:
        cases.append((f"{text} = ''", "required"))
    if column.type == "text":
        cases.append((f"regexp_matches({text}, '{_CONTROL}')", "control_character"))
        cases.append((f"contains({text}, 'E+') and regexp_full_match({text}, '{_LOST_DIGITS}')", "digits_lost"))
    cases.append((f"starts_with({text}, '#') and upper({text}) in ({_quoted(CELL_ERRORS)})", "cell_error"))
    cases.append((f"{text} <> '' and {value} is null", "type"))
    if column.pattern:
        cases.append((f"{value} is not null and not regexp_full_match({value}, '{column.pattern}')", "type"))
    if column.identifier:
        valid = f"({uscc_is_valid(value)} or regexp_full_match({value}, '{_SCHEME_FORM}'))"
        cases.append((f"{value} is not null and not {valid}", "identifier_check"))
    listed = _not_listed(column, value)
    if listed:
        cases.append((f"{value} is not null and {listed}", "enumeration"))
    bounds = _bounds(column, value)
    if bounds:
        cases.append((bounds, "range"))
    return "case " + " ".join(f"when {test} then '{code}'" for test, code in cases) + " end"


def _distinct(column: pa.ChunkedArray) -> tuple[pa.Array, pa.Array | None]:
    """The values to type and, where they repeat, each row's index into them."""
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], pa.string())
    if len(whole) > _SAMPLE and pc.count_distinct(whole.slice(0, _SAMPLE)).as_py() > _SAMPLE // 2:
        return whole, None
    encoded = whole.dictionary_encode()
    return encoded.dictionary, encoded.indices


def _plain(column: Column, values: pa.Array) -> pa.Array:
    """Which texts are in the type's plain form, and not empty."""
    return pc.and_(pc.match_substring_regex(values, rf"\A(?:{_PLAIN[column.type]})\z"), pc.not_equal(values, ""))


def _plain_doubles(column: Column, values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """As `_plain_values`, in Arrow alone: what is not a finite number within the bounds is left for a closer look."""
    filled = pc.not_equal(values, "")
    try:
        typed = pc.if_else(filled, values, pa.scalar(None, pa.string())).cast(pa.float64())
    except pa.ArrowInvalid:
        filled = _plain(column, values)
        typed = pc.if_else(filled, values, pa.scalar(None, pa.string())).cast(pa.float64())
    ok = pc.is_finite(typed)
    if column.minimum is not None:
        ok = pc.and_(ok, pc.greater_equal(typed, column.minimum))
    if column.maximum is not None:
        ok = pc.and_(ok, pc.less_equal(typed, column.maximum))
    return typed, pc.fill_null(ok, False) if column.required else pc.fill_null(ok, pc.equal(values, ""))


def _plain_decimals(column: Column, values: pa.Array) -> pa.Array:
    """Exact values of the texts in plain form, null elsewhere. Arrow reads a decimal a hundred times faster than the engine casts it."""
    return pc.if_else(_plain(column, values), values, pa.scalar(None, pa.string())).cast(pa.decimal128(28, DECIMAL_SCALE))


def _plain_values(con: duckdb.DuckDBPyConnection, column: Column, values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Typed values of the texts in plain form, and which texts are plain and break no promise."""
    if column.type == "double" and not _lists(column) and not column.values:
        return _plain_doubles(column, values)
    texts = {"v": values}
    parsed = _parse(column, "v")
    if column.type == "decimal":
        texts["exact"] = _plain_decimals(column, values)
        parsed = "exact"
    con.register("d", pa.table(texts))
    plain = f"regexp_full_match(v, '{_PLAIN[column.type]}')"
    query = (
        f"with p as (select v, {plain} as plain, case when {plain} then {parsed} end as value from d) "
        f"select value, plain and ({_fault(column, 'v', 'value')}) is null as ok from p"
    )
    result = con.execute(query).to_arrow_table()
    con.unregister("d")
    return result["value"].combine_chunks(), result["ok"].combine_chunks()


def _folded_values(con: duckdb.DuckDBPyConnection, column: Column, values: pa.Array) -> pa.Table:
    """Typed value, fault and one flag per kind for texts that need folding or break a promise."""
    folding = fold(column)
    con.register("d", pa.table({"v": values}))
    table = con.execute(f"with {folding.query()} select * from folded").to_arrow_table()
    con.unregister("d")
    parsed = _parse(column, "t")
    if column.type == "decimal":
        table = table.append_column("exact", _plain_decimals(column, _single(table["t"])))
        parsed = "exact"
    elif column.type != "text":  # a text may hold tabs and line breaks inside, everything else has one form
        parsed = f"case when regexp_full_match(t, '{_PLAIN[column.type]}') then {parsed} end"
    con.register("folded_texts", table)
    query = (
        f"with p as (select *, {parsed} as parsed from folded_texts), f as (select *, {_fault(column, 't', 'parsed')} as fault from p) "
        f"select case when fault is null then parsed end as value, fault{''.join(f', {kind}' for kind in folding.kinds)} from f"
    )
    result = con.execute(query).to_arrow_table()
    con.unregister("folded_texts")
    return result


def _single(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    combined = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def _type_column(con: duckdb.DuckDBPyConnection, column: Column, raw: pa.ChunkedArray) -> tuple[pa.Array, Faults, Counter[str]]:
    faults = Faults()
    normalised: Counter[str] = Counter()
    values, indices = _distinct(raw)
    typed, ok = _plain_values(con, column, values)
    if not pc.all(ok, min_count=0).as_py():
        places = pc.indices_nonzero(pc.invert(ok))
        folded = _folded_values(con, column, values.take(places))
        replacement = _single(folded["value"])
        typed = pc.replace_with_mask(typed, pc.invert(ok), replacement)
        occurrences = _occurrences(len(values), indices).take(places)
        codes = pc.replace_with_mask(pa.nulls(len(values), pa.string()), pc.invert(ok), _single(folded["fault"]))
        sound = pc.is_null(_single(folded["fault"]))
        for kind in KINDS:
            if kind in folded.column_names:
                hit = pc.and_(pc.fill_null(_single(folded[kind]), False), sound)
                normalised[kind] += pc.sum(pc.filter(occurrences, hit)).as_py() or 0
        row_codes = codes if indices is None else codes.take(indices)
        bad = pc.indices_nonzero(pc.is_valid(row_codes))
        if len(bad):
            faults.add(pc.add(bad.cast(pa.int32()), 1), row_codes.take(bad), column.name, _single(raw).take(bad))
    if indices is None:
        return typed, faults, normalised
    if (
        column.type == "text" and len(typed) < _SAMPLE and typed.null_count == 0
    ):  # few texts, many rows: what follows is cheaper on the dictionary
        return pa.DictionaryArray.from_arrays(indices, typed), faults, normalised
    return typed.take(indices), faults, normalised


def _occurrences(count: int, indices: pa.Array | None) -> pa.Array:
    if indices is None:
        return pa.repeat(1, count)
    counted = pc.value_counts(indices)
    order = pc.sort_indices(counted.field("values"))
    return counted.field("counts").take(order)


def type_rows(con: duckdb.DuckDBPyConnection, contract: Contract, cells: dict[str, pa.ChunkedArray], row_count: int) -> TypedRows:
    """Type a delivery's cells by its contract.

    Args:
        con: a DuckDB connection with the reference lists in schema `reference`.
        contract: the source's contract.
        cells: text columns by contract column name, each `row_count` long; columns of the contract that the file lacks are absent.
        row_count: number of data rows.

    Returns:
        All contract columns, typed and in the contract's order, and `_record`, its number from 1.
    """
    faults = Faults()
    normalised: Counter[str] = Counter()
    empty = pa.chunked_array([pa.repeat("", row_count)])

    def type_one(column: Column) -> tuple[pa.Array, Faults, Counter[str]]:
        with cursors[column.name] as own:
            return _type_column(own, column, cells.get(column.name, empty))

    typed = {}
    cursors = {column.name: con.cursor() for column in contract.columns}  # a connection serves one thread
    for column in contract.columns:
        share_lists(con, cursors[column.name], {dotted.partition(".")[0] for dotted in _lists(column)})
    with ThreadPoolExecutor(_COLUMNS_AT_ONCE) as pool:
        for column, (values, found, folded) in zip(contract.columns, pool.map(type_one, contract.columns), strict=True):
            typed[column.name] = values
            faults.extend(found)
            normalised += folded
    typed["_record"] = pa.array(np.arange(1, row_count + 1, dtype=np.int32))
    return TypedRows(pa.table(typed), faults.table(), normalised)
