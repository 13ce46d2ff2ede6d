"""Every source in every format: the same rows as a workbook, as JSON Lines and compressed are the rows that the CSV file landed."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from ingest.contract import Contract, read_contracts

CONTRACTS = read_contracts()
Table = list[list[str]]


def own_form(contract: Contract) -> Table:
    text = (contract.folder / "fixtures" / "good" / "own_form.csv").read_text(encoding="utf-8-sig")
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


def _write_typed(sheet: Any, place: tuple[int, int], text: str, kind: str, formats: dict[str, Any]) -> None:
    """A cell as a person's program would store it: numbers and days as such, everything else as text."""
    if text == "":
        return
    if (
        kind in ("integer", "double", "decimal") and sum(character.isdigit() for character in text) <= 15
    ):  # more, a workbook keeps as text only
        sheet.write_number(*place, float(text))
    elif kind == "date":
        sheet.write_datetime(*place, datetime.combine(date.fromisoformat(text), datetime.min.time()), formats["date"])
    elif kind == "boolean":
        sheet.write_boolean(*place, text == "true")
    else:
        sheet.write_string(*place, text)


def to_workbook(contract: Contract, table: Table, date_1904: bool = False) -> bytes:
    """The table as XLSX with typed cells, beside a hidden sheet, below a blank row and with formatted empty rows at its end."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"date_1904": date_1904, "in_memory": True})
    formats = {"date": book.add_format({"num_format": "yyyy-mm-dd"}), "empty": book.add_format({"bg_color": "#FFFF00"})}
    book.add_worksheet("参考").write(0, 0, "not read")
    book.worksheets()[0].hide()
    sheet = book.add_worksheet(contract.source)
    sheet.activate()
    kinds = [next((column.type for column in contract.columns if column.name == name), "text") for name in table[0]]
    for column, name in enumerate(table[0]):
        sheet.write_string(0, column, name)
    for row, cells in enumerate(table[1:], 2):
        for column, text in enumerate(cells):
            _write_typed(sheet, (row, column), text, kinds[column], formats)
    for row in range(len(table) + 1, len(table) + 20):
        sheet.write_blank(row, 0, None, formats["empty"])
    book.close()
    return out.getvalue()


def to_json_lines(contract: Contract, table: Table) -> bytes:
    """The table as JSON Lines: numbers as numbers with the digits they have, absent keys for empty cells, keys in any order."""
    shuffle = random.Random(1).sample
    kinds = {column.name: column.type for column in contract.columns}
    lines = []
    for cells in table[1:]:
        pairs = []
        for name, text in shuffle(list(zip(table[0], cells, strict=True)), len(cells)):
            if kinds.get(name) in ("integer", "double", "decimal", "boolean") and text:
                pairs.append(f"{json.dumps(name)}: {text}")
            elif text:
                pairs.append(f"{json.dumps(name)}: {json.dumps(text, ensure_ascii=False)}")
            else:
                pairs += [f"{json.dumps(name)}: null"] if len(lines) % 2 else []
        lines.append("{" + ", ".join(pairs) + "}")
    return "\n".join(lines).encode()


def to_typed_parquet(contract: Contract, table: Table) -> bytes:
    """The table as a program would keep it: numbers, days and instants as such, instants in UTC."""
    shaped = {"integer": pa.int64(), "double": pa.float64(), "decimal": pa.decimal128(28, 8), "date": pa.date32(), "boolean": pa.bool_()}
    kinds = {column.name: column.type for column in contract.columns}
    columns = {}
    for place, name in enumerate(table[0]):
        cells = [row[place] or None for row in table[1:]]
        if kinds.get(name) == "instant":
            moments = [cell and datetime.fromisoformat(cell) for cell in cells]
            known = [moment and (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo("Asia/Shanghai"))) for moment in moments]
            columns[name] = pa.array(known, pa.timestamp("us", "UTC"))
        else:
            columns[name] = pa.array(cells, pa.string()).cast(shaped.get(kinds.get(name, ""), pa.string()))
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def to_foreign_text(contract: Contract, table: Table, encoding: str, separator: str) -> bytes:
    """The table as text with its columns in another order and headed in Chinese where the contract knows a Chinese name."""
    order = random.Random(2).sample(range(len(table[0])), len(table[0]))
    named = {column.name: next((alias for alias in column.aliases if not alias.isascii()), column.name) for column in contract.columns}
    rows = [[named.get(name, name) for name in table[0]], *table[1:]]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator).writerows([row[place] for place in order] for row in rows)
    return out.getvalue().encode(encoding)


WRITERS: dict[str, Callable[[Contract, Table], bytes]] = {
    "workbook": to_workbook,
    "compressed JSON Lines": lambda contract, table: gzip.compress(to_json_lines(contract, table)),
    "Parquet with types": to_typed_parquet,
    "tabs in UTF-16": lambda contract, table: to_foreign_text(contract, table, "utf-16", "\t"),
    "commas in GB18030": lambda contract, table: to_foreign_text(contract, table, "gb18030", ","),
}


@pytest.mark.parametrize("source", CONTRACTS)
def test_the_same_rows_in_another_format_are_the_same_rows(source: str, make_shelf: Callable[..., Any]) -> None:
    contract = CONTRACTS[source]
    table = own_form(contract)
    shelf = make_shelf()
    shelf.deliver_referenced(source)
    first = shelf.deliver(source, contract.folder / "fixtures" / "good" / "own_form.csv")
    assert first.counts["accepted"] == len(table) - 1 > 0
    for name, write in WRITERS.items():
        again = shelf.deliver(source, write(contract, table))
        assert again.counts == first.counts | {"accepted": 0, "duplicate": len(table) - 1}, (name, again.faults[:3])
        assert again.file_rows == len(table) - 1, name


@pytest.mark.parametrize("source", CONTRACTS)
def test_errors_and_lost_digits_are_named_in_every_column(source: str, make_shelf: Callable[..., Any]) -> None:
    """One row per column whose cell is #N/A, and one per text column whose code was taken for a number."""
    contract = CONTRACTS[source]
    header, first, *_ = own_form(contract)
    spoilt = [(name, "#N/A", "cell_error") for name in contract.names if name in header]
    spoilt += [
        (column.name, "9.11101081234567E+17", "digits_lost")
        for column in contract.columns
        if column.type == "text" and column.name in header
    ]
    rows = [[text if name == spoiled else cell for name, cell in zip(header, first, strict=True)] for spoiled, text, _ in spoilt]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([header, *rows])
    shelf = make_shelf()
    shelf.deliver_referenced(source)
    prepared = shelf.deliver(source, out.getvalue().encode())
    kept = {row["_row_number"]: row["reasons"] for row in pq.read_table(prepared.quarantine).to_pylist()}
    for number, (name, text, code) in enumerate(spoilt, 1):
        assert (name, code, text) in [(reason["column_name"], reason["code"], reason["value"]) for reason in kept[number]]
        assert all(reason["message_zh"] and reason["message_en"] for reason in kept[number])
