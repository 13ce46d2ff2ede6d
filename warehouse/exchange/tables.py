"""Marts as CSV, XLSX and Parquet. A spreadsheet runs nothing of them and cuts no digits; Parquet holds the marts as they are.

CSV is for Chinese Excel: UTF-8 with a byte order mark. Excel guesses the types of a CSV, so a text gets one mark before it where the guess
would do harm: an apostrophe before what would be run as a formula, a tab before what would be read as a number and lose its leading
zeros or its digits beyond the fifteenth. Programs should read the Parquet files, where nothing is marked.
"""

from __future__ import annotations

import csv
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter

from dashboards.reports.figures import head_column, is_figure, write_figure
from dashboards.reports.report_workbook import FONT, number_format
from warehouse.exchange.files import Source
from warehouse.repair.workbook import is_formula

_LONGEST_CELL = 32_767
_MOST_ROWS = 1_048_570
_EXACT_DIGITS = 15
# What Excel takes for a number or a day: 0012, 440000, 1E5, 2024-01, 3/4.
_GUESSED = re.compile(r"\s*[-+]?[\d０-９][\d,.]*([eE][-+]?\d+)?%?\s*|\d{1,4}[-/年]\d{1,2}([-/月]\d{1,4}日?)?")
_WIDEST, _NARROWEST = 40, 10


def guard_text(text: str) -> str:
    """A text as it stands in a CSV for spreadsheets."""
    if is_formula(text):
        return "'" + text
    return "\t" + text if _GUESSED.fullmatch(text) else text


def _as_cell(value: Any) -> str:
    """A value in a CSV: numbers in full, days and instants as ISO, flags in words of SQL."""
    if value is None:
        return ""
    if isinstance(value, str):
        return guard_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    text = format(value, "f") if isinstance(value, Decimal) else repr(value)
    return "\t" + text if isinstance(value, int) and len(text.lstrip("-")) > _EXACT_DIGITS else text


def write_csv_files(source: Source, marts: list[str], out: Path, lang: str) -> list[Path]:
    written = []
    for mart in marts:
        path = out / f"{mart}.csv"
        with path.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(source.marts[mart])
            writer.writerows([_as_cell(value) for value in row] for row in source.rows(mart))
        written.append(path)
    return written


def write_parquet_files(source: Source, marts: list[str], out: Path, lang: str) -> list[Path]:
    written = []
    for mart in marts:
        path = out / f"{mart}.parquet"
        quoted = str(path).replace("'", "''")
        source.connection.execute(f"copy (from marts.\"{mart}\" order by all) to '{quoted}' (format parquet, compression zstd)")
        written.append(path)
    return written


def write_workbook(source: Source, marts: list[str], out: Path, lang: str) -> list[Path]:
    """One workbook, a sheet per mart: labels, column names, rows; figures as numbers in the digits that every surface shows."""
    path = out / f"marts_{lang}.xlsx"
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        writer = _MartWriter(book, lang)
        for mart in marts:
            writer.write(source, mart)
    return [path]


class _MartWriter:
    def __init__(self, book: Any, lang: str) -> None:
        self.book, self.lang = book, lang
        look = {"font_name": FONT, "font_size": 10}
        self.head = book.add_format(look | {"bold": True, "text_wrap": True, "valign": "top"})
        self.name = book.add_format(look | {"font_color": "#5b6773", "bottom": 1})
        self.text = book.add_format(look | {"num_format": "@"})
        self.quoted = book.add_format(look | {"num_format": "@", "quote_prefix": True})
        self.day = book.add_format(look | {"num_format": "yyyy-mm-dd", "align": "left"})
        self.numbers: dict[str, Any] = {}

    def number(self, shown: str) -> Any:
        form = number_format(shown)
        if form not in self.numbers:
            self.numbers[form] = self.book.add_format({"font_name": FONT, "font_size": 10, "num_format": form})
        return self.numbers[form]

    def write(self, source: Source, mart: str) -> None:
        columns = list(source.marts[mart])
        sheet, count, part = self._begin(mart, 1, columns), 0, 1
        for row in source.rows(mart):
            if count == _MOST_ROWS:
                part, count = part + 1, 0
                sheet = self._begin(mart, part, columns)
            for place, value in enumerate(row):
                self._write_cell(sheet, count + 2, place, columns[place], value)
            count += 1

    def _begin(self, mart: str, part: int, columns: list[str]) -> Any:
        short = mart.replace("__", " ").replace("_", " ")
        sheet = self.book.add_worksheet((short if part == 1 else f"{short[:27]} {part}")[:31])
        sheet.freeze_panes(2, 0)
        for place, column in enumerate(columns):
            label = head_column(column)[self.lang]
            width = max(len(column), sum(2 if ord(c) > 0x2E7F else 1 for c in label)) + 2
            sheet.set_column(place, place, max(_NARROWEST, min(_WIDEST, 22 if column.endswith("_id") else width)))
            sheet.write_string(0, place, label, self.head)
            sheet.write_string(1, place, column, self.name)
        return sheet

    def _write_cell(self, sheet: Any, row: int, place: int, column: str, value: Any) -> None:
        if value is None:
            return
        if isinstance(value, bool):
            sheet.write_boolean(row, place, value, self.text)
        elif isinstance(value, datetime):
            sheet.write_string(row, place, value.isoformat(sep=" ", timespec="seconds"), self.text)
        elif isinstance(value, date):
            sheet.write_datetime(row, place, datetime(value.year, value.month, value.day), self.day)
        elif is_figure(value) and len(str(value).lstrip("-").split(".")[0]) <= _EXACT_DIGITS:
            sheet.write_number(row, place, float(value) if isinstance(value, Decimal) else value, self.number(write_figure(column, value)))
        else:
            # Excel holds no longer text; the Parquet file does.
            text = str(value)[:_LONGEST_CELL]
            sheet.write_string(row, place, text, self.quoted if is_formula(text) else self.text)
