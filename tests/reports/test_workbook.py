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
from dashboards.reports.plots import Bar, Line, tabulate_bars, tabulate_lines
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


def test_every_drawing_has_its_figures_on_its_sheet(small_release: Path, tmp_path: Path) -> None:
    """A picture is no figure: what bars, stacks and lines show stands as numbers on their sheet."""
    kinds = ("ministry-brief", "pilot-region")
    with drawing_in("en"):
        contents = {kind: collect_content(KINDS[kind], "130000" if kind == "pilot-region" else None, small_release, None) for kind in kinds}
    drawn = [exhibit for content in contents.values() for _, found in content.sections for exhibit in found if exhibit.drawings]
    assert {exhibit.code for exhibit in drawn} >= {"tiers", "recalculation", "verdicts", "price"}
    assert not [exhibit.code for exhibit in drawn if not (exhibit.drawn or exhibit.table)]
    write_workbook(contents["ministry-brief"], "en", tmp_path / "book.xlsx")
    book = openpyxl.load_workbook(tmp_path / "book.xlsx")
    tiers = next(
        sheet for sheet in book if str(sheet["A1"].value).startswith("12 of 12 disclosures") or "can be tiered" in str(sheet["A1"].value)
    )
    assert [cell.value for cell in tiers[5]][:6] == ["Year", "tier 1", "tier 2", "tier 3", "tier 4", "no tier"]
    assert [cell.value for cell in tiers[6]][:6] == ["2024", 2, 2, 1, 1, 0]
    top = _places(tiers)[0][1]
    assert top > sum((tiers.row_dimensions[row].height or 15) / 0.75 for row in range(1, 8)), "the picture stands below the figures"


def test_bars_and_lines_are_tabulated() -> None:
    bars = [Bar(same("a"), -16.3, "−16.3%"), Bar(same("b"), 1234.0, "1,234")]
    assert [[cell.value for cell in row] for row in tabulate_bars(bars, same("n")).rows] == [[None, pytest.approx(-0.163)], [None, 1234.0]]
    lines = [Line(same("x"), [("2025-01", 1.0), ("2025-02", 2.0)]), Line(same("y"), [("2025-02", 3.0)])]
    table = tabulate_lines(lines, same("Month"))
    assert [[cell.display.en for cell in row] for row in table.rows] == [["2025-01", "1", "—"], ["2025-02", "2", "3"]]


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
