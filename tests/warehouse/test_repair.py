"""The returned workbook: what was wrong is marked and explained, everything else is as it was sent, and it is accepted once corrected."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from openpyxl.comments import Comment
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation

from benchmarks.repair import cells_of
from ingest.readers import read
from warehouse.repair.mark import returned_for
from warehouse.repair.workbook import NoWorkbook, Returned, make_workbook

from .conftest import Warehouse

pytestmark = pytest.mark.xdist_group("intake")
HEADERS = ["市场", "交易品种", "交易方式", "交易日期", "前收盘价", "最低价", "最高价", "收盘价", "成交量", "成交额", "说明"]
DAYS = ["2026-10-12", "2026-10-13", "2026-10-14", "2026-10-15", "2026-10-16", "2026-10-19", "2026-10-20", "2026-10-21"]
SOURCE = "market_quote"
Cells = list[str]


def quotes(**changed: dict[int, str]) -> list[Cells]:
    """Sound quotes of consecutive days; `changed` gives other cells, header -> row number -> text."""
    rows = [["CN-ETS", "CEA", "listed", day, "62", "61.5", "62.5", "62", "1000", "62000", f"00{place}"] for place, day in enumerate(DAYS)]
    for header, cells in changed.items():
        for number, text in cells.items():
            rows[number - 1][HEADERS.index(header)] = text
    return rows


def send(warehouse: Warehouse, path: Path, source: str = SOURCE) -> dict[str, Any]:
    got = warehouse.intake.receive(path, source)
    return got if isinstance(got, dict) else warehouse.intake.land_pending()[-1]


def write_csv(path: Path, rows: list[Cells], headers: Cells = HEADERS) -> Path:
    path.write_text("\n".join(",".join(row) for row in [headers, *rows]) + "\n", encoding="utf-8")
    return path


def returned(warehouse: Warehouse, receipt: dict[str, Any], lang: str = "zh") -> Returned:
    delivery = warehouse.ledger.delivery(receipt["sequence"])
    return make_workbook(warehouse.settings, warehouse.ledger, warehouse.intake.contracts, warehouse.intake.reference, delivery, lang)


def opened(data: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(data), rich_text=True)


def fix(data: bytes, path: Path, **cells: Any) -> Path:
    book = opened(data)
    for place, value in cells.items():
        book[SOURCE][place] = value
    book.save(path)
    return path


def rich_workbook(path: Path, rows: list[Cells], formula: bool = True) -> Path:
    """What real workbooks hold: rich text, formats, a formula, a comment and a list of the sender's, a hidden sheet, a name, two lines of title."""
    with xlsxwriter.Workbook(str(path)) as book:
        sheet, hidden = book.add_worksheet("一季度 数据"), book.add_worksheet("底稿")
        hidden.hide()
        hidden.write_formula("A1", "='一季度 数据'!A5", None, "CN-ETS")
        hidden.write("B1", "=not a formula")
        bold, money, day = (
            book.add_format({"bold": True}),
            book.add_format({"num_format": "#,##0.00"}),
            book.add_format({"num_format": "yyyy/m/d"}),
        )
        sheet.write("A1", "全国碳市场日行情")
        sheet.write_row("A3", HEADERS, bold)
        for number, row in enumerate(rows, 3):
            for place, text in enumerate(row):
                if 4 <= place <= 9 and text:
                    sheet.write_number(number, place, float(text), money)
                else:
                    sheet.write_string(number, place, text)
        sheet.write_rich_string(3, 10, "一", bold, "二三", "四")
        if formula:
            sheet.write_formula(4, 9, "=H5*I5", money, float(rows[1][9]))
        sheet.write_comment("A4", "发送方自己的批注")
        sheet.data_validation("K4:K20", {"validate": "list", "source": ["甲", "乙"]})
        sheet.set_column("A:K", 14)
        sheet.write_blank("L1", None, day)
        book.define_name("区域", "='一季度 数据'!$A$4:$K$11")
    return path


def test_own_workbook_comes_back_with_every_other_cell_as_it_was_stored(warehouse: Warehouse, tmp_path: Path) -> None:
    sent = rich_workbook(tmp_path / "行情.xlsx", quotes(成交量={4: "-1000"}))
    receipt = send(warehouse, sent)
    assert receipt["fault_counts"] == {"range": 1}
    made = returned(warehouse, receipt)
    assert made.is_own_file and (warehouse.data / receipt["workbook"]).read_bytes() == made.data
    before, after = cells_of(sent.read_bytes(), "一季度 数据"), cells_of(made.data, SOURCE)
    assert before == after and len(before) > 90, "value, type, formula and rich text of every cell, the marked one too"
    with zipfile.ZipFile(sent) as one, zipfile.ZipFile(io.BytesIO(made.data)) as other:
        changed = {name for name in one.namelist() if one.read(name) != other.read(name)}
        assert "xl/sharedStrings.xml" not in changed and "xl/theme/theme1.xml" not in changed
    book = opened(made.data)
    assert book.sheetnames[0] == "修复说明" and book.active.title == "修复说明" and book.sheetnames[1:3] == [SOURCE, "底稿"]
    sheet = book[SOURCE]
    assert (
        sheet["I7"].fill.fgColor.rgb == "FFFFEB9C"
        and "建议改为：1000" in sheet["I7"].comment.text
        and sheet["I7"].number_format == "#,##0.00"
    )
    assert sheet["A4"].comment.text.strip().endswith("发送方自己的批注")
    assert {str(item.sqref) for item in sheet.data_validations.dataValidation} == {"K4:K20", "C4:C11"}
    assert book["底稿"]["A1"].value == f"={SOURCE}!A5" and book["底稿"].sheet_state == "hidden"
    assert book.defined_names["区域"].attr_text == f"{SOURCE}!$A$4:$K$11"
    others = [cell for row in sheet.iter_rows(min_row=4) for cell in row if cell.coordinate != "I7" and cell.fill.fill_type == "solid"]
    assert not others
    assert returned_for(made.data) == receipt["delivery_id"] and returned_for(sent.read_bytes()) is None


def test_corrected_workbook_lands_and_closes_the_row(warehouse: Warehouse, tmp_path: Path) -> None:
    receipt = send(warehouse, rich_workbook(tmp_path / "a.xlsx", quotes(成交量={4: "-1000"}), formula=False))
    again = send(warehouse, fix(returned(warehouse, receipt).data, tmp_path / "other name.xlsx", I7=1000))
    assert again["verdict"] == "accepted" and again["counts"] | {"waiting": 0} == {
        "received": 8,
        "accepted": 1,
        "duplicate": 7,
        "quarantined": 0,
        "waiting": 0,
    }
    assert again["settles"] == {"closed": 1}
    (closure,) = warehouse.ledger.closures()
    assert (closure["sequence"], closure["state"], closure["by_sequence"]) == (1, "closed", 2)
    assert [row["open_count"] for row in warehouse.ledger.quarantine_files()] == [0]
    assert "closed" in [row["event"] for row in warehouse.ledger._rows("select event from audit")] and warehouse.ledger.audit_faults() == []


def test_workbook_returned_twice_marks_only_what_is_wrong_now(warehouse: Warehouse, tmp_path: Path) -> None:
    rows = [
        [*row[:3], day, *row[4:]]
        for row, day in zip(quotes() + quotes(), [*DAYS, *(f"2026-09-{n:02d}" for n in (7, 8, 9, 10, 11, 14, 15, 16))], strict=True)
    ]
    rows[3][8], rows[9][8] = "-1000", "-1000"
    receipt = send(warehouse, write_csv(tmp_path / "a.csv", rows))
    half = send(warehouse, fix(returned(warehouse, receipt).data, tmp_path / "a.xlsx", I5="1000"))
    assert half["settles"] == {"closed": 1, "superseded": 1} and half["counts"]["quarantined"] == 1
    book = opened(returned(warehouse, half).data)
    assert book.sheetnames == ["修复说明", SOURCE]
    coloured = [cell.coordinate for row in book[SOURCE].iter_rows() for cell in row if cell.fill.fill_type == "solid"]
    assert coloured == ["I11"] == [cell.coordinate for row in book[SOURCE].iter_rows() for cell in row if cell.comment]
    whole = send(warehouse, fix(returned(warehouse, half).data, tmp_path / "a.xlsx", I11="1000"))
    assert whole["verdict"] == "accepted" and not warehouse.ledger.quarantine_files(only_open=True)


DANGEROUS = [
    "=1+1",
    "+1",
    "-1+1",
    "@SUM(1)",
    "＝1",
    "＋1",
    "－1",
    "＠x",
    "\t=1",
    "000123",
    "123456789012345678",
    "_x0041_",
    "a'b",
    "<b>&amp;",
]


def test_formula_text_stays_text_and_reads_back_as_it_was(warehouse: Warehouse, tmp_path: Path) -> None:
    rows = [[*row[:10], f'"{text}"'] for row, text in zip(quotes() + quotes(), DANGEROUS, strict=False)]
    for row, day in zip(rows[8:], ["2026-09-07", "2026-09-08", "2026-09-09", "2026-09-10", "2026-09-11", "2026-09-14"], strict=False):
        row[3] = day
    rows[3][8] = "=1+1"
    receipt = send(warehouse, write_csv(tmp_path / "a.csv", rows))
    made = returned(warehouse, receipt)
    again = read(made.data, (SOURCE,))
    assert again.columns[10].to_pylist() == DANGEROUS and again.columns[8].to_pylist()[3] == "=1+1"
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        sheets = [archive.read(name).decode() for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        styles = archive.read("xl/styles.xml").decode()
    assert not [xml for xml in sheets if re.search(r"<f[ >]", xml)]
    assert styles.count('quotePrefix="1"') >= 2, "the plain one and the coloured one"


@pytest.mark.parametrize(
    ("headers", "code", "place"),
    [
        ([*HEADERS[:9], "成交额", "成交额"], "header_repeated", "K1"),
        ([*HEADERS[:8], "数量", *HEADERS[9:]], "column_missing", "K1"),
    ],
)
def test_file_refused_whole_comes_back_marked_at_its_header(
    warehouse: Warehouse, tmp_path: Path, headers: Cells, code: str, place: str
) -> None:
    receipt = send(warehouse, write_csv(tmp_path / "a.csv", quotes(), headers))
    assert [reason["code"] for reason in receipt["reasons"]] == [code]
    book = opened(returned(warehouse, receipt, "en").data)
    assert book.sheetnames == ["How to repair", SOURCE]
    assert book[SOURCE][place].fill.fill_type == "solid" and receipt["reasons"][0]["message_en"] in book[SOURCE][place].comment.text
    repaired = fix(
        returned(warehouse, receipt).data, tmp_path / "b.xlsx", **({"K1": "说明"} if code == "header_repeated" else {"I1": "成交量"})
    )
    assert send(warehouse, repaired)["verdict"] == "accepted"


def test_too_many_bad_rows_come_back_and_land_once_corrected(warehouse: Warehouse, tmp_path: Path) -> None:
    receipt = send(warehouse, write_csv(tmp_path / "a.csv", quotes(成交额={1: "62000000", 2: "62000000", 3: "62000000"})))
    assert [reason["code"] for reason in receipt["reasons"]] == ["too_many_bad_rows"] and len(receipt["proposals"]) == 3
    made = returned(warehouse, receipt)
    assert {finding.code for finding in made.findings.found} == {"turnover_range"}
    assert [finding.proposal.values for finding in made.findings.found if finding.proposal] == [{"turnover_cny": "62000"}] * 3
    again = send(warehouse, fix(made.data, tmp_path / "a.xlsx", J2="62000", J3="62000", J4="62000"))
    assert again["verdict"] == "accepted" and again["settles"] == {"closed": 3}


def test_row_with_a_broken_key_is_known_by_its_place(warehouse: Warehouse, tmp_path: Path) -> None:
    send(warehouse, write_csv(tmp_path / "a.csv", quotes(交易日期={4: "2026-02-30"})))
    other = quotes()
    send(warehouse, write_csv(tmp_path / "another.csv", other[:3]))
    assert warehouse.ledger.closures() == []
    receipt = send(warehouse, write_csv(tmp_path / "a.csv", other))
    assert receipt["settles"] == {"closed": 1} and [row["record"] for row in warehouse.ledger.closures()] == [4]


def test_file_that_cannot_be_read_has_no_workbook_and_says_why(warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n1,2,3\n")
    receipt = send(warehouse, path)
    assert "workbook" not in receipt
    with pytest.raises(NoWorkbook) as none:
        returned(warehouse, receipt)
    assert none.value.key == "repair.unreadable"


def test_workbook_with_a_comment_list_and_name_of_openpyxl_is_edited_too(warehouse: Warehouse, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Sheet1"
    for row in [HEADERS, *quotes(交易方式={2: "挂牌"})]:
        sheet.append(row)
    sheet["I3"].comment = Comment("mine", "me")
    sheet.add_data_validation(DataValidation(type="list", formula1='"a,b"', sqref="K2:K9"))
    book.defined_names["all"] = DefinedName("all", attr_text="Sheet1!$A$1:$K$9")
    book.save(tmp_path / "a.xlsx")
    made = returned(warehouse, send(warehouse, tmp_path / "a.xlsx"))
    assert made.is_own_file
    again = opened(made.data)
    assert again[SOURCE]["C3"].fill.fgColor.rgb == "FFFFEB9C" and "listed" in again[SOURCE]["C3"].comment.text
    assert again[SOURCE]["I3"].comment.text == "mine" and again.defined_names["all"].attr_text == f"{SOURCE}!$A$1:$K$9"
    assert cells_of((tmp_path / "a.xlsx").read_bytes(), "Sheet1") == cells_of(made.data, SOURCE)
