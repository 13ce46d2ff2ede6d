from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import altair as alt
import duckdb
import pytest
from jsonschema import ValidationError
from markupsafe import Markup
from report_page import Element, read_page, read_table, read_value
from report_releases import MANIFEST, write_empty_release, write_small_release

from dashboards.reports import exhibit
from dashboards.reports.audience_report import KINDS, write_audience_report
from dashboards.reports.headline import headline_figures
from dashboards.reports.quality_exhibits import name_suite
from dashboards.reports.report import write_report
from dashboards.reports.svg import draw_svg

HOSTILE = "<script>alert('粗钢')</script>{{7*7}}&<img src=x onerror=alert(1)>"
NUMBER = re.compile(r"[+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?%?")
ADDRESS = re.compile(r"(?:https?:)?//[\w.-]+")


@pytest.fixture(scope="module")
def world_page(world_releases: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Element, Path]:
    out = write_report(*world_releases, MANIFEST, tmp_path_factory.mktemp("report") / "report.html")
    return read_page(out), out


@pytest.fixture
def small_page(small_release: Path, tmp_path: Path) -> Element:
    return read_page(write_report(small_release, None, MANIFEST, tmp_path / "report.html"))


def test_report_headlines_equal_the_figures_in_both_languages(world_page: tuple[Element, Path], world_releases: tuple[Path, Path]) -> None:
    page, _ = world_page
    for figure in headline_figures(*world_releases):
        card = page.get_id(f"figure-{figure.code}")
        for language in ("zh", "en"):
            shown = next(e for e in card.find_all("data") if language in e.classes)
            assert float(shown.attributes["value"] or "nan") == figure.value
            assert shown.read_text() == figure.display[language]
            assert figure.title[language] in card.read_text(language)


def test_report_trend_table_equals_the_mart(world_page: tuple[Element, Path], world_releases: tuple[Path, Path]) -> None:
    page, _ = world_page
    rows = read_table(page, "trend")
    assert len(rows) == 24  # six products, four years
    with duckdb.connect(str(world_releases[0]), read_only=True) as connection:
        for row in rows:
            name, scope, year = row[0].read_text("zh"), row[1].read_text("zh"), int(row[3].read_text())
            boundary = {"摇篮到大门": "cradle_to_gate", "摇篮到坟墓": "cradle_to_grave"}[scope.split(" · ")[0]]
            expected = connection.execute(
                "select enterprise_count, disclosure_count, weighted_mean_kg_co2e, p10_kg_co2e, p50_kg_co2e, p90_kg_co2e,"
                " yoy_change_kg_co2e"
                " from marts.footprint__sectors_by_year where (product_name_zh, boundary, gwp_set, reporting_year, province_code)"
                " = (?, ?, ?, ?, '000000')",
                [name, boundary, scope.split(" · ")[1], year],
            ).fetchall()
            assert [tuple(read_value(cell) for cell in row[4:])] == expected


def test_report_parts_add_up_to_the_change(world_page: tuple[Element, Path]) -> None:
    rows = read_table(world_page[0], "parts")
    assert rows
    for row in rows:
        before, *parts, change, mean = (read_value(cell) or 0.0 for cell in row[3:9])
        assert sum(parts) == pytest.approx(change, rel=1e-9, abs=1e-9 * mean)
        assert before + change == pytest.approx(mean)


def test_report_holds_the_same_numbers_in_both_languages(world_page: tuple[Element, Path]) -> None:
    page, _ = world_page
    compared = 0
    for element in page.walk():
        pairs = [c for c in element.children if isinstance(c, Element) and c.tag == "span" and c.classes & {"zh", "en"}]
        for zh, en in zip(pairs[::2], pairs[1::2], strict=True):
            assert zh.classes == {"zh"}
            assert en.classes == {"en"}
            numbers = [sorted(NUMBER.findall(e.read_text())) for e in (zh, en)]
            if element.tag not in ("dd", "td"):  # methods and citations say some numbers in words
                assert numbers[0] == numbers[1], (zh.read_text(), en.read_text())
                compared += bool(numbers[0])
    assert compared > 20


def test_report_draws_each_chart_once_per_language(world_page: tuple[Element, Path]) -> None:
    page, _ = world_page
    for code in ("trend", "provinces", "parts", "coverage", "tiers", "price", "recalculation", "verification", "verdicts"):
        exhibit = page.get_id(f"exhibit-{code}")
        drawings = {next(iter(d.classes & {"zh", "en"})): d for d in exhibit.find_all("div") if "drawing" in d.classes}
        assert set(drawings) == {"zh", "en"}
        assert len(drawings["zh"].find_all("svg")) == len(drawings["en"].find_all("svg")) > 0


def test_report_asks_for_nothing_from_outside(world_page: tuple[Element, Path]) -> None:
    page, out = world_page
    found = set(ADDRESS.findall(out.read_text(encoding="utf-8")))
    assert found == {"http://www.w3.org"}  # the SVG namespace, a name and not an address that is opened
    assert not [e for e in page.walk() if e.tag in {"script", "link", "iframe", "img", "object", "embed", "use", "image", "foreignobject"}]
    assert all((e.attributes.get("href") or "#").startswith("#") for e in page.walk())
    policy = next(e for e in page.find_all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy.attributes["content"] or "")


def test_report_ids_are_unique(world_page: tuple[Element, Path]) -> None:
    ids = [e.attributes["id"] for e in world_page[0].walk() if "id" in e.attributes]
    assert len(ids) == len(set(ids))


def test_report_is_small_and_quick(world_releases: tuple[Path, Path], world_page: tuple[Element, Path], tmp_path: Path) -> None:
    assert world_page[1].stat().st_size < 3_000_000
    started = time.process_time()
    write_report(*world_releases, MANIFEST, tmp_path / "report.html")
    assert time.process_time() - started < 10


def test_report_shows_hostile_names_as_text(tmp_path: Path) -> None:
    release = write_small_release(tmp_path / "hostile.duckdb", "<b>20261031</b>{{7*7}}", HOSTILE)
    with duckdb.connect(str(release)) as connection:
        connection.execute("update marts.release__sources set title_zh = ?, title_en = ?", [HOSTILE, HOSTILE])
        connection.execute("update marts.footprint__sectors_by_year set province_name_zh = ?, province_name_en = ?", [HOSTILE, HOSTILE])
    gates = {"gates": [MANIFEST["gates"][0] | {"suite": HOSTILE}]}
    out = write_report(release, None, gates, tmp_path / "report.html")
    page = read_page(out)
    assert not [e for e in page.walk() if e.tag in {"script", "img", "b"}]
    assert not [name for e in page.walk() for name in e.attributes if name.startswith("on")]
    assert page.get_id("release-id").read_text("en").endswith("<b>20261031</b>{{7*7}}")
    assert read_table(page, "trend")[0][0].read_text("zh") == HOSTILE
    assert read_table(page, "gates")[0][0].read_text() == HOSTILE
    titles = [t.read_text() for t in page.get_id("exhibit-trend").find_all("text")]
    assert any(t.startswith("<script>alert(") for t in titles)
    assert "{{7*7}}" in out.read_text(encoding="utf-8")


def test_report_of_empty_release_is_honest(empty_release: Path, tmp_path: Path) -> None:
    page = read_page(write_report(empty_release, None, {}, tmp_path / "report.html"))
    assert "没有任何产品碳足迹披露" in page.get_id("empty-release").read_text("zh")
    for code in ("trend", "provinces", "parts", "coverage", "tiers", "benchmarks", "price", "recalculation", "verdicts", "sources"):
        exhibit = page.get_id(f"exhibit-{code}")
        assert not exhibit.find_all("svg")
        assert exhibit.find_all("h3")[0].read_text("zh").startswith("没有")
    assert "cannot be said to have been checked" in page.get_id("exhibit-gates").read_text("en")
    assert page.get_id("figure-cea_close").find_all("data")[0].attributes.get("value") is None


def test_report_of_release_without_marts_is_written(tmp_path: Path) -> None:
    path = tmp_path / "bare.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts")
    page = read_page(write_report(path, None, {}, tmp_path / "report.html"))
    assert page.get_id("empty-release")


def test_report_of_first_release_says_so(small_page: Element) -> None:
    assert "首次发布" in small_page.get_id("first-release").read_text("zh")
    assert "first release" in small_page.get_id("first-release").read_text("en")
    assert small_page.get_id("exhibit-changes").find_all("h3")[0].read_text("en") == "First release"
    assert small_page.find_id("exhibit-moved") is None


def test_report_against_previous_release_counts_changed_rows(tmp_path: Path, small_release: Path) -> None:
    previous = write_small_release(tmp_path / "before.duckdb", "20260930-0001")
    with duckdb.connect(str(previous)) as connection:
        connection.execute("delete from marts.footprint__products where disclosure_id = 'D20255'")
        connection.execute(
            "insert into marts.footprint__products select * replace ('GONE' as disclosure_id) from marts.footprint__products limit 1"
        )
        connection.execute(
            "update marts.footprint__sectors_by_year set weighted_mean_kg_co2e = 1760"
            " where reporting_year = 2025 and province_code = '000000'"
        )
    page = read_page(write_report(small_release, previous, MANIFEST, tmp_path / "report.html"))
    assert page.find_id("first-release") is None
    rows = {row[0].read_text("en"): [read_value(cell) for cell in row[1:]] for row in read_table(page, "changes")}
    assert rows["Disclosures in force"] == [12, 12, 1, 1, 0]
    assert rows["Sector statistics"] == [6, 6, 0, 0, 1]
    assert rows["Daily carbon prices"] == [70, 70, 0, 0, 0]
    (moved,) = read_table(page, "moved")
    assert [read_value(cell) for cell in moved[4:7]] == [1760, 1764, 4]


def test_report_counts_a_gate_that_examined_nothing_as_failed(small_release: Path, tmp_path: Path) -> None:
    gates = {"gates": [{"suite": "marts.ets", "severity": "critical", "success": True, "checks_run": 5, "rows_examined": 0}]}
    page = read_page(write_report(small_release, None, gates, tmp_path / "report.html"))
    assert read_table(page, "gates")[0][4].read_text("en") == "not passed (it examined nothing)"
    assert page.get_id("exhibit-gates").find_all("h3")[0].read_text("zh").startswith("1 道质量门中 1 道未通过")


def test_report_gates_and_sources_equal_manifest_and_mart(small_page: Element) -> None:
    rows = {row[0].read_text("en"): row for row in read_table(small_page, "gates")}
    assert set(rows) == {"Product carbon footprint disclosures", "Footprints", "Carbon market"}, "gates are read by name"
    for gate in MANIFEST["gates"]:
        name = name_suite(gate["suite"]).en
        assert [read_value(cell) for cell in rows[name][2:4]] == [gate["checks_run"], gate["rows_examined"]]
        assert rows[name][4].read_text("en") == ("passed" if gate["success"] else "not passed")
    sources = {row[0].read_text("en"): row for row in read_table(small_page, "sources")}
    assert [read_value(cell) for cell in sources["product footprint disclosures"][1:7]] == [9, 1, 1300, 1234, 40, 26]
    assert sources["market quotes"][-1].read_text("zh") == "逾期"
    assert sources["loans"][-1].read_text("en") == "nothing yet"


WARNING = {
    "check": "figures_told_before",
    "severity": "warning",
    "message": {"zh": "以往公开发布已使被抑制的数值可被还原", "en": "earlier public releases already tell figures"},
    "observed": "1 of 3042 broken: WOOD <b>",
}


def _warned(*failures: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "suite": "marts.footprint",
            "severity": "critical",
            "success": True,
            "checks_run": 30,
            "rows_examined": 7783,
            "failures": list(failures),
        }
    ]


def test_report_lists_what_gates_warned_of(small_release: Path, tmp_path: Path) -> None:
    page = read_page(write_report(small_release, None, {"gates": _warned(WARNING)}, tmp_path / "report.html"))
    cells = read_table(page, "warnings")
    assert [cell.read_text("zh") for cell in cells[0]] == [
        "碳足迹", "提醒", "以往公开发布已使被抑制的数值可被还原（figures_told_before）", "3,042 项中 1 项：WOOD <b>",
    ]  # fmt: skip
    assert [cell.read_text("en") for cell in cells[0]][2:] == [
        "earlier public releases already tell figures (figures_told_before)", "1 of 3,042: WOOD <b>",
    ]  # fmt: skip
    assert "All 1 gates passed, with warnings (1)" in page.get_id("exhibit-gates").read_text("en")
    quiet = read_page(write_report(small_release, None, {"gates": _warned()}, tmp_path / "quiet.html"))
    assert "recorded no warning" in quiet.get_id("exhibit-warnings").read_text("en") and "All 1 gates passed:" in quiet.read_text("en")


def test_ministry_alone_reads_the_warnings_in_its_brief(small_release: Path, tmp_path: Path) -> None:
    """What a check found names rows of everybody: a bank's or a region's report never holds it."""
    for name, member in (("ministry-brief", None), ("pilot-region", "130000")):
        path = tmp_path / f"{name}.html"
        write_audience_report(KINDS[name], member, (small_release, None), "zh", "html", path, _warned(WARNING))
        text = path.read_text(encoding="utf-8")
        assert ("以往公开发布已使被抑制的数值可被还原" in text, "manifest.json" in text) == ((member is None,) * 2)


def test_report_counts_no_foreign_country_as_province(small_release: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(small_release)) as connection:
        connection.execute(
            "insert into marts.footprint__sectors_by_year select * replace ('990000' as province_code, '境外' as province_name_zh)"
            " from marts.footprint__sectors_by_year where province_code = '130000'"
        )
    page = read_page(write_report(small_release, None, MANIFEST, tmp_path / "report.html"))
    assert [row[3].read_text("zh") for row in read_table(page, "provinces")] == ["全国", "河北", "江苏"]
    assert "2 个省份中 1 个" in page.get_id("exhibit-provinces").read_text("zh")


def test_report_shows_a_gate_without_severity(small_release: Path, tmp_path: Path) -> None:
    gates = {"gates": [{"suite": "dbt.data_tests", "success": True, "checks_run": 48, "rows_examined": 7127}]}
    page = read_page(write_report(small_release, None, gates, tmp_path / "report.html"))
    assert [cell.read_text("en") for cell in read_table(page, "gates")[0]] == ["Data tests", "—", "48", "7,127", "passed"]


def test_report_says_when_the_books_do_not_balance(small_release: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(small_release)) as connection:
        connection.execute("update marts.release__sources set accepted_count = accepted_count - 1 where source = 'market_quote'")
    page = read_page(write_report(small_release, None, MANIFEST, tmp_path / "report.html"))
    assert "账目有误" in page.get_id("exhibit-verdicts").read_text("zh")


def test_report_warns_only_of_demonstration_data_that_is_there(tmp_path: Path) -> None:
    for is_demonstration in (True, False):
        release = write_empty_release(tmp_path / f"{is_demonstration}.duckdb", is_demonstration=is_demonstration)
        page = read_page(write_report(release, None, {}, tmp_path / "report.html"))
        assert (page.find_id("demonstration") is not None) is is_demonstration


def test_report_opens_in_the_language_asked_for(empty_release: Path, tmp_path: Path) -> None:
    for language in ("zh", "en"):
        page = read_page(write_report(empty_release, None, {}, tmp_path / "report.html", language))
        checked = [e.attributes["id"] for e in page.find_all("input") if "checked" in e.attributes]
        assert checked == [f"language-{language}"]
    with pytest.raises(ValueError, match="lang_default"):
        write_report(empty_release, None, {}, tmp_path / "report.html", "fr")


def test_report_replaces_the_old_one_whole(small_release: Path, tmp_path: Path) -> None:
    out = tmp_path / "folder" / "report.html"
    write_report(small_release, None, MANIFEST, out)
    write_report(small_release, None, MANIFEST, out)
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_report_drawings_follow_the_grammar(small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run skips altair's own check of what is drawn, for speed; here every drawing is held against its schema."""
    specs: list[dict[str, Any]] = []

    def keep_spec(spec: dict[str, Any], name: str, label: str) -> Markup:
        specs.append(spec)
        return draw_svg(spec, name, label)

    monkeypatch.setattr(exhibit, "draw_svg", keep_spec)
    write_report(small_release, None, MANIFEST, tmp_path / "report.html")
    assert len(specs) == 20  # ten panels, two languages
    for spec in specs:
        alt.Chart.from_dict(spec, validate=True)
    with pytest.raises(ValidationError):
        alt.Chart.from_dict(specs[0] | {"width": "wide"}, validate=True)
