"""Quarantined rows as a list: filtered, and written to CSV, XLSX or Parquet with formula text made harmless."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from ingest.contract import Contract
from warehouse.ledger import Ledger
from warehouse.quarantine import show_quarantine
from warehouse.repair.workbook import is_formula
from warehouse.settings import Settings

STATES = ("open", "closed", "waived", "superseded", "waiting", "all")
FORMATS = (".csv", ".xlsx", ".parquet")
COLUMNS = (
    "sequence",
    "file",
    "source",
    "received_at",
    "row_number",
    "state",
    "settled_by",
    "key",
    "rule",
    "column_name",
    "value",
    "expected",
    "why",
    "row",
)
_LONGEST_CELL = 32_767


@dataclass(frozen=True)
class Filter:
    """Which quarantined rows: all of those given must hold. `sender` is an identifier in any column that holds one."""

    source: str | None = None
    rule: str | None = None
    file: str | None = None
    sender: str | None = None
    state: str = "open"
    sequence: int | None = None


def _key(contract: Contract | None, typed: str | None, row: str) -> dict[str, Any]:
    if contract is None or typed is None:
        return dict(json.loads(row)) if contract is None else {}
    values = json.loads(typed)
    return {name: values.get(name) for name in contract.key}


def _senders(contracts: dict[str, Contract]) -> str:
    """SQL: the identifiers of a row, whatever the source calls the column."""
    names = sorted({column.name for contract in contracts.values() for column in contract.columns if column.identifier})
    return "[" + ", ".join(f"q.typed->>'{name}'" for name in names) + "]"


def list_rows(settings: Settings, ledger: Ledger, contracts: dict[str, Contract], wanted: Filter) -> list[dict[str, Any]]:
    """Quarantined rows with their reasons, in received order."""
    files = ledger.quarantine_files(wanted.source, only_open=wanted.state == "open")
    files = [row for row in files if wanted.sequence in (None, row["sequence"])]
    with duckdb.connect() as con:
        if not files or not show_quarantine(con, settings, ledger, files):
            return []
        shown = "case when q.state = 'open' and q.verdict = 'waiting' then 'waiting' else q.state end"
        tests, values = ["true"], []
        for test, value in (
            ("list_contains(q.codes, ?)", wanted.rule),
            ("q._source_file = ?", wanted.file),
            (f"list_contains({_senders(contracts)}, upper(?))", wanted.sender if wanted.sender and ":" not in wanted.sender else None),
            (f"list_contains({_senders(contracts)}, ?)", wanted.sender if wanted.sender and ":" in wanted.sender else None),
            (f"{shown} = ?", None if wanted.state == "all" else wanted.state),
        ):
            if value is not None:
                tests.append(test)
                values.append(value)
        rows = con.execute(
            f"select q.source, q._sequence as sequence, q._source_file as file, cast(q._received_at as varchar) as received_at, "
            f"q._row_number as row_number, q._record as record, q.status, {shown} as state, q.by_sequence as settled_by, q.settled_at, "
            f"q.reasons, q.row, q.typed from quarantined q where {' and '.join(tests)} order by q._received_at, q._sequence, q._record",
            values,
        ).to_arrow_table()
    found: list[dict[str, Any]] = rows.to_pylist()
    for row in found:
        row["key"] = _key(contracts.get(row["source"]), row.pop("typed"), row["row"])
        row["row"] = json.loads(row["row"])
    return found


def _flat(rows: Iterable[dict[str, Any]], lang: str) -> list[list[str]]:
    """One line per reason."""
    lines = []
    for row in rows:
        for reason in row["reasons"]:
            given = row | {
                "key": json.dumps(row["key"], ensure_ascii=False),
                "rule": reason["code"],
                "column_name": reason["column_name"],
                "value": reason["value"],
                "expected": reason[f"message_{lang}"],
                "why": reason[f"reason_{lang}"],
                "row": json.dumps(row["row"], ensure_ascii=False),
            }
            lines.append(["" if given[name] is None else str(given[name]) for name in COLUMNS])
    return lines


def write_rows(rows: list[dict[str, Any]], out: Path, lang: str) -> int:
    """Write rows by the suffix of a file; gives the number of lines.

    In CSV a text that a spreadsheet would run gets an apostrophe before it, the one mark that keeps it text there; a workbook and a
    Parquet file hold it as it is, as text.
    """
    lines = _flat(rows, lang)
    if out.suffix == ".csv":
        with out.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows([["'" + cell if is_formula(cell) else cell for cell in line] for line in lines])
    elif out.suffix == ".xlsx":
        _write_workbook(lines, out)
    else:
        columns = {name: pa.array([line[place] for line in lines], pa.string()) for place, name in enumerate(COLUMNS)}
        pq.write_table(pa.table(columns), out, compression="zstd")
    return len(lines)


def _write_workbook(lines: list[list[str]], out: Path) -> None:
    with xlsxwriter.Workbook(str(out), {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("quarantine")
        plain, bold = book.add_format({"num_format": "@"}), book.add_format({"bold": True})
        quoted = book.add_format({"num_format": "@", "quote_prefix": True})
        for place, name in enumerate(COLUMNS):
            sheet.write_string(0, place, name, bold)
        for number, line in enumerate(lines, 1):
            for place, cell in enumerate(line):
                # Excel holds no longer text; the Parquet export does.
                sheet.write_string(number, place, cell[:_LONGEST_CELL], quoted if is_formula(cell) else plain)
