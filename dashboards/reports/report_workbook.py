"""A report as a workbook: one sheet per exhibit, every figure a number in the very digits that the page shows."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vl_convert
import xlsxwriter

from dashboards.reports.exhibit import Cell, Exhibit
from dashboards.reports.numbers import MINUS
from dashboards.reports.wording import Language, Text, load_wording, say

if TYPE_CHECKING:
    from dashboards.reports.audience_report import Content

OPTIONS = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
FONT = "Microsoft YaHei"
WIDEST, NARROWEST = 46, 9
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
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 1, 100)
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
            sheet.write_string(row, 1, exhibit.title[language], self.style(text_wrap=True))
        sheet.write_string(row + 2, 0, say("null_meaning")[language], self.style(font_color="#5b6773"))

    def write_exhibit(self, exhibit: Exhibit, name: str) -> None:
        language = self.language
        sheet = self.add_sheet(name)
        widths = [self._width(exhibit, column) for column in range(len(exhibit.table.columns))] if exhibit.table else []
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
        if exhibit.table:
            numbers = exhibit.table.number_columns
            for column, head in enumerate(exhibit.table.columns):
                look = {"bold": True, "bottom": 1, "text_wrap": True, "align": "right" if column in numbers else "left"}
                sheet.write_string(row, column, head[language], self.style(**look))
                sheet.set_column(column, column, widths[column])
            for cells in exhibit.table.rows:
                row += 1
                for column, cell in enumerate(cells):
                    self._write_cell(sheet, row, column, cell, column in numbers)
            sheet.freeze_panes(5, 0)
            sheet.repeat_rows(4)
            row += 2
        for panel in exhibit.drawings.get(language, ()):
            picture = io.BytesIO(draw_png(panel))
            sheet.insert_image(
                row,
                0,
                f"{exhibit.code}.png",
                {"image_data": picture, "x_scale": 0.5, "y_scale": 0.5, "description": exhibit.title[language]},
            )
            row += 14

    def _write_cell(self, sheet: Any, row: int, column: int, cell: Cell, right: bool) -> None:
        shown = cell.display[self.language]
        align = {"align": "right"} if right else {"align": "left"}
        if cell.value is None:
            sheet.write_string(row, column, shown, self.style(text_wrap=measure(shown) > WIDEST, **align))
        elif not cell.is_number:
            sheet.write_number(row, column, cell.value, self.style(num_format="0", **align))
        else:
            sheet.write_number(row, column, cell.value, self.style(num_format=number_format(shown), **align))

    def _width(self, exhibit: Exhibit, column: int) -> int:
        assert exhibit.table is not None
        texts = [row[column].display[self.language] for row in exhibit.table.rows]
        longest = max((measure(text) for text in texts), default=0)
        head = measure(exhibit.table.columns[column][self.language])
        return max(NARROWEST, min(WIDEST, max(longest, min(head, 16)) + 2))

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
            sheet.write_string(row, 1, method["text"][language], self.style(text_wrap=True))
        row += 2
        sheet.write_string(row, 0, say("section_citations")[language], self.style(bold=True, font_size=12))
        for citation in content.citations:
            row += 1
            sheet.write_string(row, 0, citation["document"][language], self.style(text_wrap=True))
            sheet.write_string(row, 1, citation["fact"][language], self.style(text_wrap=True))
            sheet.write_string(row, 2, say(f"confidence_{citation['confidence']}")[language], self.style())


def measure(text: str) -> int:
    """How many narrow letters wide a text is."""
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)


def draw_png(svg: str) -> bytes:
    """A drawing as a picture at twice its size, in a font that has Chinese."""
    named = str(svg).replace("<svg ", '<svg font-family="Noto Sans CJK SC, sans-serif" ', 1)
    return bytes(vl_convert.svg_to_png(named, scale=2))
