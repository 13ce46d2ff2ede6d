"""A report as a workbook: one sheet per exhibit, every figure a number in the very digits that the page shows."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import vl_convert
import xlsxwriter

from dashboards.reports.exhibit import Cell, Exhibit, Table
from dashboards.reports.numbers import MINUS
from dashboards.reports.wording import Language, Text, load_wording, say

if TYPE_CHECKING:
    from dashboards.reports.audience_report import Content

OPTIONS = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
FONT = "Microsoft YaHei"
WIDEST, NARROWEST = 46, 9
PAGE_WIDTH, PANEL_GAP, ROW_PIXELS = 1080, 16, 20  # pixels of a screen with 96 to the inch
DRAWN_PIXEL = 96 / 72  # a pixel of a drawing is a point on the sheet
LINE_HEIGHT = 16.0  # points, at the size that tables are set in
HEAD_COLUMNS = 7  # at least so many columns hold a sheet's title and note
_FORBIDDEN = re.compile(r"[\[\]:*?/\\']")


def number_format(display: str) -> str:
    """The spreadsheet format that shows a number in the digits of `display`."""
    digits = display.lstrip("+" + MINUS)
    whole, _, fraction = digits.rstrip("%").partition(".")
    # A year has four digits and no separator.
    grouped = "0" if len(whole) > 3 and "," not in whole else "#,##0"
    shown = grouped + ("." + "0" * len(fraction) if fraction else "") + ("%" if digits.endswith("%") else "")
    shown = "0.00E+00" if "e" in digits else shown
    positive = f"+{shown}" if display.startswith("+") else shown
    return f'{positive};"{MINUS}"{shown};{shown}'


def name_section(code: str) -> Text:
    """A section's name on its sheet: the short one where it has one, since a sheet's name is cut after 31 letters."""
    return load_wording().get(f"sheet_{code}") or say(f"section_{code}")


def write_workbook(content: Content, language: Language, out: Path) -> None:
    with xlsxwriter.Workbook(str(out), OPTIONS) as book:
        book.set_properties({"title": content.title[language], "comments": content.release_line[language]})
        writer = _Writer(book, language)
        sheets = [
            (
                code,
                exhibit,
                writer.name_sheet(f"{name_section(code)[language]} {place}" if len(exhibits) > 1 else name_section(code)[language]),
            )
            for code, exhibits in content.sections
            for place, exhibit in enumerate(exhibits, 1)
        ]
        writer.write_overview(content, sheets)
        for _, exhibit, name in sheets:
            writer.write_exhibit(exhibit, name)
        writer.write_methods(content)


class _Writer:
    """One workbook being written; formats are made once each, as the file format wants it."""

    def __init__(self, book: Any, language: Language) -> None:
        self.book = book
        self.language: Language = language
        self.names: set[str] = set()
        self.formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def style(self, **look: Any) -> Any:
        key = tuple(sorted(look.items()))
        if key not in self.formats:
            self.formats[key] = self.book.add_format({"font_name": FONT, "font_size": 10, "valign": "top"} | look)
        return self.formats[key]

    def name_sheet(self, title: str) -> str:
        """A sheet's name as the format allows it, once each."""
        name = _FORBIDDEN.sub(" ", title)[:28].strip()
        place = 1
        while (chosen := name if place == 1 else f"{name} {place}") in self.names:
            place += 1
        self.names.add(chosen)
        return chosen

    def add_sheet(self, name: str) -> Any:
        sheet = self.book.add_worksheet(name)
        sheet.hide_gridlines(2)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        sheet.set_footer("&L&A&R&P / &N")
        return sheet

    def write_overview(self, content: Content, sheets: list[tuple[str, Exhibit, str]]) -> None:
        language = self.language
        sheet = self.add_sheet(self.name_sheet(say("sheet_overview")[language]))
        sheet.set_column(0, 0, 40)
        sheet.set_column(1, 1, 100)
        sheet.set_row(0, 26)
        sheet.write_string(0, 0, content.title[language], self.style(bold=True, font_size=16))
        sheet.write_string(1, 0, content.reader[language], self.style(bold=True))
        row = 2
        if content.is_demonstration:
            sheet.write_string(row, 0, say("demonstration")[language], self.style(bold=True, font_color="#8a4b00"))
            row += 1
        for label, value in content.facts:
            sheet.write_string(row, 0, say(label)[language], self.style(font_color="#5b6773"))
            sheet.write_string(row, 1, value, self.style())
            row += 1
        row += 1
        for place, head in enumerate(("sheet_section", "sheet_finding")):
            sheet.write_string(row, place, say(head)[language], self.style(bold=True, bottom=1))
        for code, exhibit, name in sheets:
            row += 1
            sheet.write_url(row, 0, f"internal:'{name}'!A1", self.style(font_color="#0072b2"), say(f"section_{code}")[language])
            self._write_wrapped(sheet, row, [(1, 100, exhibit.title[language])])
        sheet.write_string(row + 2, 0, say("null_meaning")[language], self.style(font_color="#5b6773"))

    def write_exhibit(self, exhibit: Exhibit, name: str) -> None:
        language = self.language
        sheet = self.add_sheet(name)
        tables = [table for table in (exhibit.table, exhibit.drawn) if table]
        widths = [
            max(self._width(table, column) for table in tables if column < len(table.columns))
            for column in range(max((len(table.columns) for table in tables), default=0))
        ]
        last = max(len(widths) - 1, HEAD_COLUMNS)
        room = sum(widths) + NARROWEST * (last + 1 - len(widths))
        source = f"{say('read_from')[language]} {exhibit.source}"
        looks: list[dict[str, Any]] = [
            {"bold": True, "font_size": 12},
            {"font_color": "#5b6773"},
            {"font_color": "#87919b", "font_size": 9},
        ]
        for place, (text, look) in enumerate(zip((exhibit.title[language], exhibit.note[language], source), looks, strict=True)):
            # Over the table's columns, so that neither a screen nor a printed page cuts it.
            sheet.merge_range(place, 0, place, last, "", self.style(text_wrap=True, **look))
            sheet.write_string(place, 0, text, self.style(text_wrap=True, **look))
            size = look.get("font_size", 10)
            sheet.set_row(place, math.ceil(measure(text) * size / 10 / (room * 0.9)) * size * 1.6)
        row = 4
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width)
        if tables:
            sheet.freeze_panes(5, 0)
            sheet.repeat_rows(4)
        for table in tables:
            row = self._write_table(sheet, row, table, widths) + 2
        self._write_drawings(sheet, row, exhibit)

    def _write_table(self, sheet: Any, row: int, table: Table, widths: list[int]) -> int:
        """A table from a row on; gives its last row."""
        language = self.language
        sheet.set_row(row, _row_height(zip((head[language] for head in table.columns), widths, strict=False)))
        for column, head in enumerate(table.columns):
            look = {"bold": True, "bottom": 1, "text_wrap": True} | _align(column, column in table.number_columns)
            sheet.write_string(row, column, head[language], self.style(**look))
        for cells in table.rows:
            row += 1
            sheet.set_row(row, _row_height(zip((cell.display[language] for cell in cells), widths, strict=False)))
            for column, cell in enumerate(cells):
                self._write_cell(sheet, row, column, cell, column in table.number_columns)
        return row

    def _write_drawings(self, sheet: Any, row: int, exhibit: Exhibit) -> None:
        """The panels from a row on, small ones side by side as on the page."""
        across, down = 0, 0
        for panel in exhibit.drawings.get(self.language, ()):
            width, height = read_size(panel)
            if across and across + width > PAGE_WIDTH:
                row, across, down = row + math.ceil(down / ROW_PIXELS) + 1, 0, 0
            picture = {"image_data": io.BytesIO(draw_png(panel)), "x_scale": 0.5, "y_scale": 0.5, "x_offset": across}
            sheet.insert_image(row, 0, f"{exhibit.code}.png", picture | {"description": exhibit.title[self.language]})
            across, down = across + width + PANEL_GAP, max(down, height)

    def _write_cell(self, sheet: Any, row: int, column: int, cell: Cell, right: bool) -> None:
        shown = cell.display[self.language]
        align = _align(column, right)
        if cell.value is None:
            sheet.write_string(row, column, shown, self.style(text_wrap=measure(shown) > WIDEST, **align))
        elif not cell.is_number:
            sheet.write_number(row, column, cell.value, self.style(num_format="0", **align))
        else:
            sheet.write_number(row, column, cell.value, self.style(num_format=number_format(shown), **align))

    def _width(self, table: Table, column: int) -> int:
        texts = [row[column].display[self.language] for row in table.rows]
        longest = max((measure(text) for text in texts), default=0)
        head = measure(table.columns[column][self.language])
        return max(NARROWEST, min(WIDEST, max(longest, min(head, 16)) + 3))

    def write_methods(self, content: Content) -> None:
        language = self.language
        sheet = self.add_sheet(self.name_sheet(say("sheet_methods")[language]))
        sheet.set_column(0, 0, 40)
        sheet.set_column(1, 1, 100)
        sheet.set_column(2, 2, 18)
        row = 0
        sheet.write_string(row, 0, say("section_methods")[language], self.style(bold=True, font_size=12))
        for method in content.methods:
            row += 1
            sheet.write_string(row, 0, f"{method['code']} {method['title'][language]}", self.style(bold=True))
            self._write_wrapped(sheet, row, [(1, 100, method["text"][language])])
        row += 2
        sheet.write_string(row, 0, say("section_citations")[language], self.style(bold=True, font_size=12))
        for citation in content.citations:
            row += 1
            confidence = say(f"confidence_{citation['confidence']}")[language]
            self._write_wrapped(
                sheet, row, [(0, 40, citation["document"][language]), (1, 100, citation["fact"][language]), (2, 18, confidence)]
            )

    def _write_wrapped(self, sheet: Any, row: int, cells: list[tuple[int, int, str]]) -> None:
        """Texts in their columns, each of a width, in a row high enough for all of them."""
        sheet.set_row(row, _row_height((text, width) for _, width, text in cells))
        for column, _, text in cells:
            sheet.write_string(row, column, text, self.style(text_wrap=True))


def _align(column: int, right: bool) -> dict[str, Any]:
    """Figures stand right; a text keeps away from the figures before it."""
    return {"align": "right"} if right else {"align": "left", "indent": min(column, 1)}


def _row_height(cells: Iterable[tuple[str, int]]) -> float:
    """Points for the cell with the most lines: not every program finds the height of a wrapped text by itself."""
    return LINE_HEIGHT * max(1, *(math.ceil(measure(text) / (width * 0.95)) for text, width in cells))


def measure(text: str) -> int:
    """How many narrow letters wide a text is."""
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)


def read_size(svg: str) -> tuple[int, int]:
    """Width and height of a drawing on the sheet, in pixels."""
    root = ElementTree.fromstring(svg)
    width, height = (math.ceil(float(root.attrib[side]) * DRAWN_PIXEL) for side in ("width", "height"))
    return width, height


def draw_png(svg: str) -> bytes:
    """A drawing as a picture at twice its size, in a font that has Chinese, on white: what is half transparent would turn grey without it."""
    opening, rest = str(svg).replace("<svg ", '<svg font-family="Noto Sans CJK SC, sans-serif" ', 1).split(">", 1)
    named = f'{opening}><rect width="100%" height="100%" fill="#ffffff"/>{rest}'
    return bytes(vl_convert.svg_to_png(named, scale=2))
