"""The workbook that goes back to a sender: their own file where it was one, else their rows, with what was found in each cell.

A sender's XLSX is edited in place and only where something is said: every other cell stays as it was stored. A text file's rows become a
sheet of text cells, whole up to `MOST_ROWS` rows, so that codes and long digits stay and formula text stays text. Either is read back with
the warehouse's own reader before it is given out, and must hold exactly the cells that were received.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import python_calamine
import xlsxwriter

from ingest import layout as layouts
from ingest.confinement import read_confined
from ingest.contract import Column, Contract
from ingest.faults import FileRefused
from ingest.readers import RawTable
from ingest.readers import read as read_here
from ingest.readers.cell_text import write_cell
from ingest.readers.gzipped import MAGIC, expand
from ingest.reference import ReferenceLists
from warehouse.ledger import Ledger
from warehouse.repair.findings import Finding, Findings, missing_columns, place_columns, read_findings, repeated_headers, with_proposals
from warehouse.repair.package import AddedSheet, Line, Note, Style, Workbook
from warehouse.repair.proposals import Setting, propose
from warehouse.repair.restore import restore
from warehouse.repair.sheet import CannotEdit, Choice, column_letters
from warehouse.repair.summary import describe, summarise
from warehouse.settings import Settings
from warehouse.texts import say

MOST_ROWS = 100_000
MOST_CELLS = 3_000_000
_MOST_CHOICES = 5_000
_LONGEST_CELL = 32_767
_LONGEST_INLINE = 250
FAULTY, PROPOSED = Style(fill="FFC7CE"), Style(fill="FFEB9C")
FORMULA_STARTS = tuple("=+-@\t\r＝＋－＠")
LISTS = "tanlian_lists"
_ZIP = b"PK\x03\x04"


class NoWorkbook(Exception):
    """Why there is no workbook to return: a key of the texts and its values."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key, self.values = key, values


@dataclass(frozen=True)
class Returned:
    """A workbook to be given back, what was proposed in it, and whether it is the sender's own file."""

    data: bytes
    findings: Findings
    is_own_file: bool
    rows_held: int


@dataclass(frozen=True)
class _Table:
    """The rows to show: those of the file, or of a large text file the refused ones; `places` says where each row of the file stands."""

    raw: RawTable
    places: dict[int, int]
    header_row: int
    columns: list[int]


def workbook_path(settings: Settings, delivery: dict[str, Any]) -> Path:
    """Where the workbook of a delivery is kept, named like the file it answers, so that it is known on its return by its name as well."""
    stem = re.sub(r"(\.(csv|tsv|txt|xlsx|jsonl|ndjson|json|parquet|gz))+$", "", delivery["file"], flags=re.IGNORECASE)
    folder: Path = settings.receipts / delivery["source"] / f"{delivery['sequence']:08d}"
    return folder / f"{stem[:120] or 'delivery'}.xlsx"


def keep_workbook(settings: Settings, delivery: dict[str, Any], made: Returned) -> dict[str, Any]:
    """Put a workbook in its place, whole or not at all; gives what the receipt says of it."""
    path = workbook_path(settings, delivery)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(made.data)
    temporary.replace(path)
    return {"workbook": str(path.relative_to(settings.data)), "proposals": list_proposals(made.findings)}


def list_proposals(findings: Findings) -> list[dict[str, Any]]:
    """What was proposed, as the receipt tells it."""
    return [
        {"row_number": finding.row_number, "code": finding.code, "kind": finding.proposal.kind, "values": dict(finding.proposal.values)}
        for finding in findings.found
        if finding.proposal is not None
    ]


def is_formula(text: str) -> bool:
    """Whether a spreadsheet program might take a text for a formula, were it typed in or read from a text file."""
    return text.startswith(FORMULA_STARTS)


def _bytes_of(settings: Settings, delivery: dict[str, Any]) -> bytes:
    if not delivery["delivery_id"]:
        raise NoWorkbook("repair.no_bytes")
    data = (settings.deliveries / delivery["delivery_id"][:2] / delivery["delivery_id"]).read_bytes()
    return expand(data) if data.startswith(MAGIC) else data


def make_workbook(
    settings: Settings,
    ledger: Ledger,
    contracts: dict[str, Contract],
    reference: ReferenceLists,
    delivery: dict[str, Any],
    lang: str,
    beside: Sequence[Path] = (),
) -> Returned:
    """Make the workbook of a judged delivery.

    Args:
        beside: good rows of the delivery that have not landed, as further evidence for proposals.

    Raises:
        NoWorkbook: the file could not be read at all, or holds what a workbook cannot.
    """
    contract = contracts[delivery["source"]]
    receipt = json.loads(delivery["receipt"] or "{}")
    data = _bytes_of(settings, delivery)
    try:
        raw = read_confined(data, (contract.source, contract.title.zh), contract.documents, settings.data)
    except FileRefused as refusal:
        raise NoWorkbook("repair.unreadable", reason=refusal.message.in_language(lang)) from refusal
    kept_in = receipt.get("kept_in")
    findings = read_findings(settings.data / kept_in if kept_in else None, contract)
    if findings.found:
        findings = with_proposals(findings, _proposals(settings, ledger, contracts, reference, delivery, raw, receipt, findings, beside))
    found = _own_file(data, raw) if data.startswith(_ZIP) and raw.places is not None else None
    table, made = _written(contract, reference, delivery, receipt, raw, findings, lang, found)
    return Returned(made, findings, found is not None, len(table.places))


def _written(
    contract: Contract,
    reference: ReferenceLists,
    delivery: dict[str, Any],
    receipt: dict[str, Any],
    raw: RawTable,
    findings: Findings,
    lang: str,
    found: tuple[Workbook, _Table, str] | None,
) -> tuple[_Table, bytes]:
    """The workbook with everything said in it: the sender's own, where it was found fit to be edited."""
    book, table, sheet = found if found is not None else _new_file(contract, raw, findings)
    name = contract.source
    if sheet != name:
        book.rename(sheet, name)
    with duckdb.connect() as con:
        reference.load(con)
        lists, choices = _choices(con, contract, table, receipt.get("layout"))
    placed = place_columns(contract, raw, receipt.get("layout"))
    notes = _notes(contract, raw, table, placed, findings, receipt, lang)
    part = book.sheets()[name]
    book.deselect_sheets()
    book.annotate(part, notes, choices)
    spots = {(finding.record, finding.code): _spot(table, placed, finding) for finding in findings.found}
    summary = summarise(contract, delivery, receipt, findings, spots, lang, found is not None, len(table.places))
    book.add_sheet(AddedSheet(say("repair.sheet", lang), summary, (16, 26, 44, 44, 44, 30)), first=True)
    if lists:
        book.add_sheet(AddedSheet(LISTS, lists, hidden=True), first=False)
    book.put_mark(delivery["delivery_id"])
    made = book.write()
    _check_unchanged(made, contract, table.raw)
    return table, made


def _proposals(
    settings: Settings,
    ledger: Ledger,
    contracts: dict[str, Contract],
    reference: ReferenceLists,
    delivery: dict[str, Any],
    raw: RawTable,
    receipt: dict[str, Any],
    findings: Findings,
    beside: Sequence[Path],
) -> dict[tuple[int, str], Any]:
    if receipt.get("layout"):
        return {}  # what a cell of a publisher's own form should hold, the layout knows, not the contract
    contract = contracts[delivery["source"]]
    with duckdb.connect() as con:
        reference.load(con)
        try:
            cells = layouts.map_cells(con, contract, raw, delivery["layout"]).cells
        except FileRefused:
            return {}

    def stored(source: str) -> list[Any]:
        return [settings.data / row["path"] for row in ledger.landing_files(source)] + (list(beside) if source == contract.source else [])

    setting = Setting(contract, contracts, reference, stored, datetime.fromisoformat(delivery["received_at"]))
    return propose(setting, cells, findings.found)


# The sender's own file


def _header_places(rows: list[list[Any]], header: int, headers: list[str]) -> list[int]:
    """The sheet's column of each header: the reader leaves out columns without a header and without a cell."""
    places, column = [], 0
    width = len(rows[header]) if header < len(rows) else 0
    for name in headers:
        while column < width:
            cell = write_cell(rows[header][column])
            if cell == name and (name or any(row[column] != "" for row in rows[header + 1 :])):
                break
            column += 1
        if column >= width:
            raise CannotEdit("headers not found")
        places.append(column)
        column += 1
    return places


def _own_file(data: bytes, raw: RawTable) -> tuple[Workbook, _Table, str] | None:
    """The sender's workbook with the places of its rows and columns; None where it is built in a way that is not known here."""
    sheet, header = raw.notes.get("sheet"), raw.notes.get("header_row")
    if sheet is None or header is None or raw.places is None:
        return None
    try:
        book = Workbook.read(data)
        restore(book, (*(say("repair.sheet", lang) for lang in ("zh", "en")), LISTS), (str(FAULTY.fill), str(PROPOSED.fill)))
        if sheet not in book.sheets():
            return None
        with python_calamine.load_workbook(io.BytesIO(data)) as opened:
            rows = opened.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
        columns = _header_places(rows, int(header) - 1, raw.headers)
        _rehearse(book, sheet, int(header), columns)
    except CannotEdit:
        return None
    places = {number: place for number, place in enumerate(raw.places.to_pylist(), 1)}
    return book, _Table(raw, places, int(header), columns), sheet


def _rehearse(book: Workbook, sheet: str, header: int, columns: list[int]) -> None:
    """Say something about one cell of a copy, to learn whether this workbook can be edited before anything is."""
    copy = Workbook(dict(book.parts), book.infos)
    part = copy.sheets()[sheet]
    copy.annotate(part, [Note(header, columns[0], "x", FAULTY)], [Choice("A1:A1", '"x"', "x", "x")])
    copy.rename(sheet, "x")
    copy.put_mark("0" * 64)
    copy.add_sheet(AddedSheet("y", [Line([("x", Style())])]), first=True)


# A new file of a text file's rows


def _rows_to_hold(raw: RawTable, findings: Findings) -> list[int]:
    count = raw.row_count
    if count <= MOST_ROWS and count * len(raw.headers) <= MOST_CELLS:
        return list(range(count))
    return sorted({finding.row_number - 1 for finding in findings.found})


def _new_file(contract: Contract, raw: RawTable, findings: Findings) -> tuple[Workbook, _Table, str]:
    held = _rows_to_hold(raw, findings)
    columns = [column.take(held).to_pylist() if len(held) < raw.row_count else column.to_pylist() for column in raw.columns]
    if any(len(cell) > _LONGEST_CELL for column in columns for cell in column):
        raise NoWorkbook("repair.long_cell", longest=_LONGEST_CELL)
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet(contract.source)
        plain = book.add_format({"num_format": "@"})
        quoted = book.add_format({"num_format": "@", "quote_prefix": True})
        bold = book.add_format({"num_format": "@", "bold": True})
        for place, (header, cells) in enumerate(zip(raw.headers, columns, strict=True)):
            longest = max((len(cell) for cell in cells[:200]), default=0)
            sheet.set_column(place, place, min(max(len(header) * 2, longest + 2, 8), 40), plain)
            sheet.write_string(0, place, header, bold)
            for row, cell in enumerate(cells, 1):
                if cell:
                    sheet.write_string(row, place, cell, quoted if is_formula(cell) else plain)
        sheet.freeze_panes(1, 0)
    kept = RawTable(raw.headers, [column.take(held) for column in raw.columns], raw.notes)
    places = {number + 1: place for place, number in enumerate(held, 2)}
    return Workbook.read(out.getvalue()), _Table(kept, places, 1, list(range(len(raw.headers)))), contract.source


# What is said of the cells


def _spot(table: _Table, placed: dict[str, int], finding: Finding) -> str | None:
    """The address of the first cell that a finding is about."""
    row = table.places.get(finding.row_number)
    if row is None:
        return None
    positions = [placed[name] for name in finding.columns if name in placed]
    return f"{column_letters(table.columns[positions[0] if positions else 0])}{row}"


def _notes(
    contract: Contract, raw: RawTable, table: _Table, placed: dict[str, int], findings: Findings, receipt: dict[str, Any], lang: str
) -> list[Note]:
    notes: dict[tuple[int, int], Note] = {}

    def speak(row: int, column: int, text: str, style: Style) -> None:
        note = notes.get((row, column))
        if note is None:
            notes[row, column] = Note(row, column, text, style)
            return
        note.text = "\n\n".join(part for part in (note.text, text) if part)
        note.style = PROPOSED if PROPOSED in (note.style, style) else FAULTY

    for finding in findings.found:
        row = table.places.get(finding.row_number)
        if row is None or finding.waits:
            continue
        positions = [(name, table.columns[placed[name]]) for name in finding.columns if name in placed] or [("", table.columns[0])]
        values = finding.proposal.values if finding.proposal else {}
        positions += [(name, table.columns[placed[name]]) for name in values if name in placed and name not in finding.columns]
        first = next((name for name, _ in positions if name in values), positions[0][0])
        for name, column in positions:
            said = describe(contract, finding, lang) if name == first else ""
            if name in values:
                said = "\n".join(filter(None, (said, say("repair.propose", lang, value=values[name]))))
            speak(row, column, said, PROPOSED if name in values else FAULTY)
    for reason in receipt.get("reasons", []):
        message = reason[f"message_{lang}"]
        if reason["code"] == "header_repeated":
            for position in repeated_headers(contract, raw):
                speak(table.header_row, table.columns[position], message, FAULTY)
        elif reason["code"] == "column_missing" and missing_columns(contract, raw):
            speak(table.header_row, table.columns[-1], message, FAULTY)
    return sorted(notes.values(), key=lambda note: (note.row, note.column))


def _listed_codes(contract: Contract, column: Column) -> list[tuple[str, str]]:
    """Reference lists that a column is held to, as (list, its column): declared with the column, or by a rule that looks it up there."""
    names = ([column.list] if column.list else []) + [item[5:] for item in column.also_allowed if item.startswith("list:")]
    found = [(dotted.partition(".")[0], dotted.partition(".")[2]) for dotted in names]
    for rule in contract.rules:
        for alias, lookup in rule.parameters.get("lookups", {}).items() if rule.columns == (column.name,) else ():
            for field, value in lookup["match"].items():
                if "list" in lookup and value == column.name and f"{alias}.{field} is null" in str(rule.parameters.get("violated")):
                    found.append((lookup["list"], field))
    return found


def _choices(con: duckdb.DuckDBPyConnection, contract: Contract, table: _Table, layout: str | None) -> tuple[list[Line], list[Choice]]:
    """Lists to choose from: short ones in the cell's own rule, long ones on a hidden sheet."""
    if layout is not None or not table.places:
        return [], []
    first, last = min(table.places.values()), max(table.places.values())
    placed = place_columns(contract, table.raw, None)
    lists: list[list[str]] = []
    choices = []
    for column in contract.columns:
        if column.name not in placed or column.type != "text":
            continue
        codes = [item for item in (*column.values, *column.also_allowed) if not item.startswith("list:")]
        for name, field in _listed_codes(contract, column):
            query = f'select distinct cast("{field}" as varchar) from reference."{name}" order by 1'
            codes += [row[0] for row in con.execute(query).fetchall() if row[0]]
        codes = [code for code in dict.fromkeys(codes) if code not in column.not_allowed]
        if not codes or len(codes) > _MOST_CHOICES or not (column.values or _listed_codes(contract, column)):
            continue
        inline = ",".join(codes)
        if len(inline) <= _LONGEST_INLINE and not any("," in code or '"' in code for code in codes):
            source = f'"{inline}"'
        else:
            lists.append(codes)
            letter = column_letters(len(lists) - 1)
            source = f"{LISTS}!${letter}$1:${letter}${len(codes)}"
        letter = column_letters(table.columns[placed[column.name]])
        choices.append(Choice(f"{letter}{first}:{letter}{last}", source, column.name, f"{column.title.zh} / {column.name}"))
    height = max((len(codes) for codes in lists), default=0)
    lines = [Line([(codes[row] if row < len(codes) else "", Style()) for codes in lists]) for row in range(height)]
    return lines, choices


def _check_unchanged(data: bytes, contract: Contract, raw: RawTable) -> None:
    """Read the workbook as it would be read on its return: it must hold the very cells that were received."""
    try:
        again = read_here(data, (contract.source,))
    except FileRefused as refusal:
        raise NoWorkbook("repair.not_the_same") from refusal
    if again.headers != raw.headers or again.row_count != raw.row_count or not _same(again.columns, raw.columns):
        raise NoWorkbook("repair.not_the_same")


def _same(left: Sequence[Any], right: Sequence[Any]) -> bool:
    return all(one.to_pylist() == other.to_pylist() for one, other in zip(left, right, strict=True))
