"""Rules and evidence are said in words: a reader meets no code and no JSON."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import duckdb
import openpyxl
import pytest

from dashboards.reports.audience_report import KINDS, collect_content, render_page
from dashboards.reports.changes import KEYS
from dashboards.reports.evidence import name_fault, tell_evidence
from dashboards.reports.exhibit import Table, drawing_in
from dashboards.reports.figures import head_column, name_code
from dashboards.reports.release_file import open_releases
from dashboards.reports.report_workbook import write_workbook
from dashboards.reports.sections.changes import MORE_KEYS
from dashboards.reports.sections.instruments import build_findings
from dashboards.reports.sections.repairs import SHOWN_FAULTS, build_faults
from dashboards.reports.sections.subject import Subject
from ingest.contract import read_contracts
from ingest.waivers import CELL_FAULTS

FINDINGS = Path(__file__).parents[2] / "dbt_project" / "models" / "marts" / "ccer" / "ccer__findings.sql"


def test_every_rule_has_a_sentence_in_both_languages() -> None:
    codes = [(source, rule.code) for source, contract in read_contracts().items() for rule in contract.rules]
    codes += [("enterprise", code) for code in (*CELL_FAULTS, "key_conflict")]
    assert len(codes) > 50
    for source, code in codes:
        said = name_fault(source, code)
        assert said.zh != code != said.en and re.search(r"[\u4e00-\u9fff]", said.zh), (source, code)
    assert name_fault("loan", "not_month_end").zh == read_contracts()["loan"].rule("not_month_end").message.zh
    assert name_fault("nothing", "no_rule").en == "no_rule", "a rule of an older release is shown by its code"


def test_every_part_of_evidence_has_a_name() -> None:
    parts = set(re.findall(r"^ +'([a-z_0-9]+)': ", FINDINGS.read_text(encoding="utf-8"), re.MULTILINE))
    assert parts >= {"matched_by", "usable_until", "overlap_days", "offset_cap_t_co2e"}
    assert {part for part in parts if head_column(part).zh == part} == set()


@pytest.mark.parametrize(
    ("evidence", "zh", "en"),
    [
        (
            '{"matched_by":"owner","first_covered_year":2023}',
            "对应依据 项目业主代码；首个纳管年度 2023",
            "Matched by the owner; First covered year 2023",
        ),
        (
            '{"cancelled_t_co2e":12000.00000000,"surrendered_offset_t_co2e":0.00000000}',
            "注销量（吨） 12,000；已清缴抵销量（吨） 0",
            "Cancelled (t) 12,000; Offsets surrendered (t) 0",
        ),
        ('{"usable_until":null}', "可用至 —", "Usable until —"),
        ("{}", "—", "—"),
        ("no json", "no json", "no json"),
    ],
)
def test_evidence_is_told_in_words(evidence: str, zh: str, en: str) -> None:
    told = tell_evidence(evidence if evidence != "{}" else None)
    assert (told.zh, told.en) == (zh, en)


def test_every_mart_has_a_name() -> None:
    marts = {path.stem for path in (FINDINGS.parents[1]).rglob("*") if path.suffix in (".sql", ".py") and "__" in path.stem}
    assert marts >= set(KEYS | MORE_KEYS) - {"release__summary"} and len(marts) > 30
    assert {mart for mart in marts if name_code("mart", mart).zh == mart} == set()


@pytest.fixture
def judged_release(small_release: Path) -> Path:
    """The small release with refused rows and findings, as the ministry's file holds them."""
    with duckdb.connect(str(small_release)) as connection:
        connection.execute(
            "create or replace table marts.release__quarantined_rules as select * from (values ('loan', 'not_month_end', 3),"
            " ('enterprise', 'required', 40)) as t (source, rule, row_count)"
        )
        connection.execute(
            "create or replace table marts.ccer__findings as select * from (values ('duplicate_project', 'P-1|P-2', 'E-1', 12.5,"
            """ '{"overlap_start":"2023-02-18","wicked":"<script>"}')) as t (rule_code, subject_id, enterprise_id, quantity_t_co2e, evidence)"""
        )
    return small_release


def _texts(table: Table | None) -> list[list[str]]:
    assert table is not None
    return [[cell.display.en for cell in row] for row in table.rows]


def test_reports_show_sentences_where_marts_hold_codes(judged_release: Path) -> None:
    with open_releases(judged_release, None) as releases, drawing_in():
        subject = Subject(releases, None, None)
        faults, findings = build_faults(subject), build_findings(subject)
    assert faults is not None
    rows = _texts(faults.table)
    assert [row[1:] for row in rows] == [["a required cell should not be empty", "40"], [name_fault("loan", "not_month_end").en, "3"]]
    assert "43" in faults.title.en and len(rows) <= SHOWN_FAULTS
    assert _texts(findings.table) == [["duplicate project", "P-1 · P-2", "E-1", "12.50", "Overlap begins 2023-02-18; wicked <script>"]]


def test_ministry_brief_prints_whole_and_inert(judged_release: Path, tmp_path: Path) -> None:
    with drawing_in():
        content = collect_content(KINDS["ministry-brief"], None, judged_release, None)
    shown = [(code, [replace(each, drawings={}) for each in exhibits]) for code, exhibits in content.sections]
    content = replace(content, sections=shown)
    page = render_page(content, "zh")
    assert "必填项不应为空" in page and "not_month_end" not in page and "wicked &lt;script&gt;" in page and "<script" not in page
    write_workbook(content, "zh", tmp_path / "brief.xlsx")
    book = openpyxl.load_workbook(tmp_path / "brief.xlsx")
    for sheet in book.worksheets[1:-1]:
        assert sheet.page_setup.paperSize == 9 and sheet.page_setup.orientation == "landscape"
        assert {(each.min_row, each.max_row) for each in sheet.merged_cells.ranges} == {(1, 1), (2, 2), (3, 3)}, sheet.title
        assert sheet["A2"].alignment.wrap_text and (sheet.row_dimensions[2].height or 0) >= 15
        assert len(sheet["A2"].value) < 60 or sheet.row_dimensions[2].height > 30, "a long note has lines to stand in"
        if sheet["A5"].value:
            assert sheet.freeze_panes == "A6" and sheet.print_title_rows == "$5:$5", sheet.title
