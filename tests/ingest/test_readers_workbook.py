"""XLSX: text stays text, numbers keep their digits, nothing is computed, and what cannot be told for sure is refused by name."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.faults import FileRefused
from ingest.readers import RawTable, read

Sheet = Any
SHEET = "xl/worksheets/sheet1.xml"


def book(fill: Callable[[Any], None], **options: Any) -> bytes:
    out = io.BytesIO()
    made = xlsxwriter.Workbook(out, {"in_memory": True, **options})
    fill(made)
    made.close()
    return out.getvalue()


def table(*rows: list[Any], name: str = "data") -> bytes:
    def fill(made: Any) -> None:
        sheet = made.add_worksheet(name)
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                if cell is not None:
                    (sheet.write_string if isinstance(cell, str) else sheet.write)(number, column, cell)

    return book(fill)


def rewrite(data: bytes, name: str, change: Callable[[str], str]) -> bytes:
    """The same workbook with one member changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            content = old.read(member)
            new.writestr(member, change(content.decode()).encode() if member == name else content)
    return out.getvalue()


def cells(data: bytes, *names: str) -> list[list[str]]:
    return rows(read(data, names))


def rows(found: RawTable) -> list[list[str]]:
    return [list(row) for row in zip(*(column.to_pylist() for column in found.columns), strict=True)]


def refused(data: bytes, code: str = "unreadable", *names: str) -> str:
    with pytest.raises(FileRefused) as refusal:
        read(data, names)
    assert refusal.value.code == code
    assert any("\u4e00" <= character <= "\u9fff" for character in refusal.value.message.zh)
    return refusal.value.message.en


def stored(number: str) -> str:
    """What a cell gives whose value is stored in these digits."""
    data = rewrite(table(["a", "b"], ["x", 7]), SHEET, lambda xml: xml.replace("<v>7</v>", f"<v>{number}</v>"))
    return cells(data)[0][1]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ("-0", "0"),
        ("0.95", "0.95"),
        ("1E+05", "100000"),
        ("1.5E-3", "0.0015"),
        ("0.30000000000000004", "0.3"),  # 0.1 + 0.2 as Excel saves it
        ("77307.730000000007", "77307.73"),
        ("123.45678901234567", "123.45678901234567"),
        ("0.1", "0.1"),
        ("0.10000000000000001", "0.1"),
        ("999999999999999", "999999999999999"),
        ("911010812345678912", "9.110108123456788E+17"),  # a code of 18 digits typed into a cell for numbers
        ("NaN", "#NUM!"),
        ("1E400", "#NUM!"),
    ],
)
def test_a_number_keeps_its_digits_and_loses_binary_noise(number: str, text: str) -> None:
    assert stored(number) == text


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15).filter(lambda v: abs(v) < 1e15), min_size=1)
)
def test_every_number_comes_back_to_fifteen_digits(numbers: list[float]) -> None:
    data = table(["a", "b"], *(["x", number] for number in numbers))
    found = [float(row[1]) for row in cells(data)]
    assert found == pytest.approx([float(f"{number:.16g}") for number in numbers], rel=2e-15, abs=1e-320)


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffd\uffff\ufffe"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8))
def test_every_text_comes_back_as_it_was(pairs: list[tuple[str, str]]) -> None:
    filled = [[f"k{number}", *pair] for number, pair in enumerate(pairs)]
    assert cells(table(["k", "a", "b"], *filled)) == filled


def test_text_of_digits_stays_text() -> None:
    texts = ["000123", "911010812345678912", "1e5", "=1+1", "TRUE", "2024-02-30", "#", " x ", "a\nb", "NA", "'"]
    assert [row[1] for row in cells(table(["k", "v"], *([str(n), text] for n, text in enumerate(texts))))] == texts


@pytest.mark.parametrize("date_1904", [False, True])
def test_days_and_instants_become_iso_text_whatever_the_epoch(date_1904: bool) -> None:
    def fill(made: Any) -> None:
        day, moment, clock, hours, percent = (
            made.add_format({"num_format": form}) for form in ("yyyy/m/d", "yyyy-mm-dd hh:mm:ss", "hh:mm", "[h]:mm", "0%")
        )
        sheet = made.add_worksheet()
        sheet.write_row(0, 0, ["day", "moment", "clock", "hours", "share", "yes"])
        sheet.write_datetime(1, 0, datetime(2024, 2, 29), day)
        sheet.write_datetime(1, 1, datetime(2024, 2, 29, 10, 40, 0), moment)
        sheet.write_datetime(1, 2, timedelta(hours=6, minutes=30), clock)
        sheet.write_datetime(1, 3, timedelta(hours=36), hours)
        sheet.write_number(1, 4, 0.95, percent)
        sheet.write_boolean(1, 5, True)

    expected = ["2024-02-29", "2024-02-29 10:40:00", "06:30:00", "36:00:00", "0.95", "true"]
    assert cells(book(fill, date_1904=date_1904)) == [expected]


def test_an_error_is_named_and_a_formula_gives_its_stored_result() -> None:
    def fill(made: Any) -> None:
        sheet = made.add_worksheet()
        sheet.write_row(0, 0, ["a", "b", "c", "d"])
        sheet.write_formula(1, 0, "=1/0", None, "#DIV/0!")
        sheet.write_formula(1, 1, "=1+1", None, 2)
        sheet.write_formula(1, 2, '=IF(1,"","x")', None, "")
        sheet.write_formula(1, 3, '="t"', None, "t")
        sheet.write_formula(2, 3, "=NA()", None, "#N/A")

    # An empty text as the result, as Excel writes it; without the type it would be no result at all.
    data = rewrite(book(fill), SHEET, lambda xml: xml.replace('<c r="C2"><f>', '<c r="C2" t="str"><f>'))
    assert cells(data) == [["#DIV/0!", "2", "", "t"], ["", "", "", "#N/A"]]


def test_a_formula_that_was_never_computed_is_no_empty_cell() -> None:
    """openpyxl, as many a system, writes formulas without results."""
    made = openpyxl.Workbook()
    for row in (["a", "b"], ["x", "=1+1"], ["y", 2], ["=A1", None]):
        made.active.append(row)
    out = io.BytesIO()
    made.save(out)
    assert cells(out.getvalue()) == [["x", "#UNCOMPUTED!"], ["y", "2"], ["#UNCOMPUTED!", ""]]


def test_errors_are_found_under_any_dress_of_the_xml() -> None:
    plain = table(["a", "b"], ["x", 7])
    for xml_of in (
        lambda xml: xml.replace('r="B2"><v>7</v>', "r='B2' t='e'><v>#REF!</v>"),
        lambda xml: xml.replace('r="B2"><v>7</v>', 't = "e" r="B2"><v>#REF!</v>'),
        lambda xml: xml.replace('r="B2"><v>7</v>', 'r="B2" t="e"><f>A1</f><v>#REF!</v>'),
        lambda xml: re.sub(r"<(/?)(?!\?)", r"<\1x:", xml.replace('r="B2"><v>7</v>', 'r="B2" t="e"><v>#REF!</v>')).replace(
            "xmlns=", "xmlns:x="
        ),
    ):
        assert cells(rewrite(plain, SHEET, xml_of)) == [["x", "#REF!"]]


def test_the_sheet_named_like_the_source_is_read_else_the_only_visible_one() -> None:
    def fill(made: Any) -> None:
        for number, name in enumerate(("说明", "loan", "贷款")):
            made.add_worksheet(name).write_row(0, 0, ["a", "b"])
            made.worksheets()[number].write_row(1, 0, [name, number])

    several = book(fill)
    assert read(several, ("loan", "绿色贷款")).notes["sheet"] == "loan"
    assert read(several, ("LOAN",)).notes["sheet"] == "loan"
    assert read(several, ("x", "贷款")).notes["sheet"] == "贷款"
    said = refused(several, "unreadable", "enterprise")
    assert "loan" in said and "enterprise" in said

    def hide(made: Any) -> None:
        fill(made)
        made.worksheets()[1].activate()
        made.worksheets()[0].hide()
        made.worksheets()[2].very_hidden()

    assert read(book(hide), ("x",)).notes["sheet"] == "loan"
    assert "hidden" in refused(book(hide), "unreadable", "说明")

    def add_empty(made: Any) -> None:
        made.add_worksheet("data").write_row(0, 0, ["a", "b"])
        made.worksheets()[0].write_row(1, 0, [1, 2])
        made.add_worksheet("Sheet2")
        made.add_worksheet("Sheet3")

    assert read(book(add_empty)).notes["sheet"] == "data"


def test_titles_above_the_header_are_passed_over_and_kept_in_the_receipt() -> None:
    found = read(table(["2024 年披露表"], ["单位：吨"], [], ["a", "b"], ["x", 1], [], ["y", 2]))
    assert found.headers == ["a", "b"]
    assert rows(found) == [["x", "1"], ["y", "2"]]
    assert found.notes == {"format": "xlsx", "sheet": "data", "header_row": "4", "title": "2024 年披露表 / 单位：吨"}
    assert found.places is not None and found.places.to_pylist() == [5, 7]


def test_one_column_is_a_table_without_title() -> None:
    found = read(table(["a"], ["1"], ["2"]))
    assert (found.headers, rows(found)) == (["a"], [["1"], ["2"]])


def test_merged_cells_are_refused_in_the_table_and_allowed_above() -> None:
    def fill(made: Any) -> None:
        sheet = made.add_worksheet()
        sheet.merge_range(0, 0, 0, 1, "标题")
        sheet.write_row(1, 0, ["a", "b"])
        sheet.write_row(2, 0, ["x", 1])

    assert cells(book(fill)) == [["x", "1"]]

    def merge_below(made: Any) -> None:
        fill(made)
        made.worksheets()[0].merge_range(3, 0, 4, 0, "y")

    assert "A4:A5" in refused(book(merge_below))


def test_columns_and_rows_that_are_only_formatted_are_none() -> None:
    def fill(made: Any) -> None:
        sheet = made.add_worksheet()
        yellow = made.add_format({"bg_color": "yellow"})
        sheet.write_row(0, 0, ["a", "b"])
        sheet.write_row(1, 0, ["x", 1])
        for row in range(50):
            sheet.write_blank(row + 2, 0, None, yellow)
            sheet.write_blank(row, 9, None, yellow)
        sheet.write_string(1, 5, "beside")

    found = read(book(fill))
    assert found.headers == ["a", "b", ""]
    assert rows(found) == [["x", "1", "beside"]]


def test_a_header_alone_is_no_delivery() -> None:
    refused(table(["a", "b"]), "no_data_rows")
    refused(table([]))


def test_rows_and_cells_that_share_a_number_are_refused() -> None:
    data = table(["a", "b"], ["x", 7], ["y", 8])
    assert "share a number" in refused(
        rewrite(data, SHEET, lambda xml: xml.replace('<row r="3"', '<row r="2"').replace('r="A3"', 'r="A2"').replace('r="B3"', 'r="B2"'))
    )
    assert "one address" in refused(rewrite(data, SHEET, lambda xml: xml.replace('r="B3"', 'r="A3"')))


def test_characters_written_as_escapes_come_back() -> None:
    """ECMA-376 part 1, 22.9.2.19: _x000D_ is a carriage return, and _x005F_ an underscore that begins no escape."""
    data = table(["a", "b"], ["x", "合成MARK"])
    found = cells(rewrite(data, "xl/sharedStrings.xml", lambda xml: xml.replace("MARK", "_x000D_\n_x005F_x0041_")))
    assert found == [["x", "合成\r\n_x0041_"]]


def test_phonetic_guides_and_formatting_within_a_cell_leave_its_text() -> None:
    data = table(["a", "b"], ["x", "MARK"])
    runs = '<r><t>碳</t></r><r><t xml:space="preserve"> 足迹</t></r><rPh sb="0" eb="1"><t>tan</t></rPh>'
    assert cells(rewrite(data, "xl/sharedStrings.xml", lambda xml: xml.replace("<t>MARK</t>", runs))) == [["x", "碳 足迹"]]
