"""A report as a workbook, as its reader sees it on the screen: pictures apart from each other and on white, no text cut or covered."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from markupsafe import Markup
from PIL import Image

from dashboards.reports.audience_report import KINDS, Content, collect_content
from dashboards.reports.exhibit import Cell, Exhibit, drawing_in, make_table, put_number
from dashboards.reports.report_workbook import draw_png, write_workbook
from dashboards.reports.wording import same

HALF = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" width="248" height="181" viewBox="0 0 248 181">'
    '<path d="M0,0h124v181h-124Z" fill="#7fb8dc" opacity="0.4" /></svg>'
)
LONG = "a note that is longer than its column is wide, " * 4
EMU_PER_PIXEL = 9525


@pytest.fixture
def book(small_release: Path, tmp_path: Path) -> openpyxl.Workbook:
    """One exhibit: a table with a long heading and a long text, and five small drawings."""
    with drawing_in():
        content: Content = collect_content(KINDS["ministry-brief"], None, small_release, None)
    heads = [same("Name"), same("Footprint in a declared unit (kgCO2e per declared unit)"), same("Note")]
    table = make_table(
        heads, [[Cell(same("one")), put_number(1.5), Cell(same(LONG))], [Cell(same("two")), put_number(2.5), Cell(same(""))]]
    )
    exhibit = Exhibit("sector", same("Title"), same("Note"), "mart", {"en": [HALF] * 5}, table)
    write_workbook(replace(content, sections=[("factors", [exhibit])]), "en", tmp_path / "book.xlsx")
    return openpyxl.load_workbook(tmp_path / "book.xlsx")


def _places(sheet: Any) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each picture in pixels, by the widths and heights that the sheet names."""

    def at(marker: object, kind: str) -> float:
        number, offset = getattr(marker, kind), getattr(marker, f"{kind}Off")
        if kind == "row":
            before = sum((sheet.row_dimensions[row].height or 15) / 0.75 for row in range(1, number + 1))
        else:
            letters = [openpyxl.utils.get_column_letter(column) for column in range(1, number + 1)]
            before = sum(int(sheet.column_dimensions[letter].width * 7) if letter in sheet.column_dimensions else 64 for letter in letters)
        return float(before + offset / EMU_PER_PIXEL)

    return [
        (at(image.anchor._from, "col"), at(image.anchor._from, "row"), at(image.anchor.to, "col"), at(image.anchor.to, "row"))
        for image in sheet._images
    ]


def test_pictures_stand_apart(book: openpyxl.Workbook) -> None:
    places = _places(book.worksheets[1])
    assert len(places) == 5
    for number, (left, top, right, bottom) in enumerate(places):
        assert right - left > 300 and bottom - top > 200, "as large as it was drawn"
        for other in places[number + 1 :]:
            assert other[0] >= right or other[2] <= left or other[1] >= bottom or other[3] <= top, (places[number], other)
    assert len({top for _, top, _, _ in places}) == 2, "three small ones stand side by side"


def test_what_is_half_transparent_keeps_its_colour() -> None:
    with Image.open(io.BytesIO(draw_png(HALF))) as image:
        pixels = image.convert("RGBA").tobytes()
        width = image.width
    red, green, blue, alpha = _pixel(pixels, width, 100, 100)
    assert (alpha, red < green < blue) == (255, True)
    assert abs(red - (0.4 * 0x7F + 0.6 * 255)) < 3
    assert _pixel(pixels, width, 400, 100) == (255, 255, 255, 255)


def _pixel(pixels: bytes, width: int, column: int, row: int) -> tuple[int, ...]:
    return tuple(pixels[4 * (row * width + column) :][:4])


def test_rows_are_high_enough_for_what_is_wrapped(book: openpyxl.Workbook) -> None:
    sheet = book.worksheets[1]
    heights = [sheet.row_dimensions[row].height for row in (5, 6, 7)]
    assert heights[0] > 30, "a heading of several lines"
    assert heights[1] > 60, "a text of several lines"
    assert 15 <= heights[2] < 20, "an ordinary row"
    assert book.worksheets[0].row_dimensions[1].height > 20, "the title is larger than a row"
