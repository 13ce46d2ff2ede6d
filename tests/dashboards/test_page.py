"""What a person sees: a browser signs in through the form, opens the dashboard in each language, and its figures are the mart's.

TANLIAN_SCREENSHOTS=<folder> keeps the pictures; docs/images holds two of them.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from dashboards.assets import Reader
from dashboards.definitions import LANGUAGES, read_definitions, speak
from dashboards.names import read_names

from .conftest import Live

pytestmark = [pytest.mark.superset, pytest.mark.slow, pytest.mark.xdist_group("superset")]

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
DEFINITIONS = read_definitions()
BOARDS = {board["slug"]: board for board in DEFINITIONS.dashboards if "ministry" in board["audiences"]}
CHARTS = DEFINITIONS.list_charts(BOARDS["sector-footprints"])
CANVASES = 5
WAIT_S = 400
# So wide that every filter of a page has room in its bar.
SIZE = {"width": 1720, "height": 2180}
# Five significant digits on the page, so half a unit of the fifth.
SHOWN = 5e-5


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.fail("no chromium: apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=found, args=FLAGS, env=os.environ | {"HOME": str(tmp_path_factory.mktemp("home"))})
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page(live: Live, browser: Browser) -> Iterator[Page]:
    """Signed in through the form; whatever is asked of another host is refused and remembered."""
    live.publish()
    opened = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
    opened.set_default_timeout(WAIT_S * 1000)
    asked_elsewhere: list[str] = []

    def guard(route: Route) -> None:
        if route.request.url.startswith((live.server.url, "data:", "blob:")):
            route.continue_()
        else:
            asked_elsewhere.append(route.request.url)
            route.abort()

    opened.route("**/*", guard)
    opened.goto(f"{live.server.url}/login/")
    opened.fill("[data-test=username-input]", live.server.user)
    opened.fill("[data-test=password-input]", live.server.password)
    opened.click("[data-test=login-button]")
    opened.wait_for_url(lambda url: "/login" not in url, wait_until="commit")
    yield opened
    assert asked_elsewhere == [], "the page asked another host"
    opened.close()


def open_dashboard(page: Page, live: Live, lang: str) -> None:
    page.goto(f"{live.server.url}/lang/{lang}", wait_until="commit")
    page.goto(f"{live.server.url}/superset/dashboard/sector-footprints-{lang}/?standalone=1", wait_until="commit")
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        # Asked from outside: the page's own policy forbids evaluating a script in it.
        if page.locator("canvas").count() >= CANVASES and page.locator(".loading").count() == 0 and read_chart(page, "sources", lang):
            break
        time.sleep(0.5)
    assert page.locator("canvas").count() >= CANVASES, f"charts missing after {WAIT_S} s: {page.inner_text('body')[:2000]}"
    # ECharts draws its marks in over a second.
    time.sleep(1.5)


def find_title(name: str, lang: str) -> str:
    title: str = speak(CHARTS[name]["title"], lang)
    return title


def read_chart(page: Page, name: str, lang: str) -> str:
    box = page.locator(".dashboard-component-chart-holder", has=page.get_by_text(find_title(name, lang), exact=True))
    return box.inner_text() if box.count() == 1 else ""


def read_rows(page: Page, name: str, lang: str) -> list[list[str]]:
    box = page.locator(".dashboard-component-chart-holder", has=page.get_by_text(find_title(name, lang), exact=True))
    return [row.locator("td").all_inner_texts() for row in box.locator("tbody tr").all()]


def read_number(text: str) -> float:
    match = re.search(r"[+\-−]?\d[\d,]*(\.\d+)?%?", text)
    assert match, f"no figure in {text!r}"
    plain = match[0].replace(",", "").replace("−", "-")
    return float(plain[:-1]) / 100 if plain.endswith("%") else float(plain)


def read_choice(page: Page) -> dict[str, str]:
    """What the filters stand at, by the names of the mart's columns; in the filters' order."""
    values = [item.strip() for item in page.locator("[data-test=form-item-value]").all_inner_texts()]
    assert len(values) == 5, values
    choice = dict(zip(("product_name", "boundary", "reporting_year", "province_name", "gwp_set"), values, strict=True))
    codes = {name: code for code, names in read_names()["boundary"].items() for name in names.values()}
    return choice | {"boundary": codes[choice["boundary"]]}


def ask_one(live: Live, sql: str, values: list[Any]) -> dict[str, Any]:
    rows = ask_all(live, sql, values)
    assert len(rows) == 1, f"expected one row, found {len(rows)} for {values}"
    return rows[0]


def ask_all(live: Live, sql: str, values: list[Any]) -> list[dict[str, Any]]:
    with duckdb.connect(str(live.release_file.resolve()), read_only=True) as connection:
        cursor = connection.execute(sql, values)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_page_shows_the_figures_of_the_mart(page: Page, live: Live, lang: str) -> None:
    open_dashboard(page, live, lang)
    keep_screenshot(page, lang)
    choice = read_choice(page)
    cell = ask_one(
        live,
        f"select * from marts.footprint__sectors_by_year where product_name_{lang} = ? and boundary = ? and reporting_year = ?"
        f" and province_name_{lang} = ? and gwp_set = ?",
        list(choice.values()),
    )
    assert cell["province_code"] == "000000", "the page opens on the country"
    assert_figures(page, lang, cell)
    assert_benchmarks(page, live, lang, cell)
    assert_release(page, live, lang)
    assert_language(page, lang)


def assert_figures(page: Page, lang: str, cell: dict[str, Any]) -> None:
    for name, column in (
        ("mean", "weighted_mean_kg_co2e"),
        ("change", "yoy_change_kg_co2e"),
        ("disclosures", "disclosure_count"),
        ("verified", "verified_share"),
    ):
        shown = page_figure(page, name, lang)
        # A share has one decimal of a percent, a change four digits.
        assert shown == pytest.approx(cell[column], rel=10 * SHOWN, abs=5e-4 if column == "verified_share" else None), name
    row = read_rows(page, "cell", lang)
    assert len(row) == 1
    assert row[0][5] == cell["declared_unit"]
    for text, column in zip(row[0][7:10], ("p10_kg_co2e", "p50_kg_co2e", "p90_kg_co2e"), strict=True):
        assert read_number(text) == pytest.approx(cell[column], rel=SHOWN)


def page_figure(page: Page, name: str, lang: str) -> float:
    box = page.locator(".dashboard-component-chart-holder", has=page.get_by_text(find_title(name, lang), exact=True))
    return read_number(box.locator(".header-line").inner_text())


def assert_benchmarks(page: Page, live: Live, lang: str, cell: dict[str, Any]) -> None:
    expected = ask_all(
        live,
        "select * from marts.footprint__benchmarks_by_year where (product_code, boundary, gwp_set) = (?, ?, ?)"
        " order by reporting_year desc",
        [cell["product_code"], cell["boundary"], cell["gwp_set"]],
    )
    rows = read_rows(page, "benchmarks", lang)
    assert [int(row[0]) for row in rows] == [figures["reporting_year"] for figures in expected]
    for row, figures in zip(rows, expected, strict=True):
        for text, column in zip(row[3:6], ("p20_kg_co2e", "p50_kg_co2e", "p80_kg_co2e"), strict=True):
            if figures[column] is None:
                assert text == "N/A"
            else:
                assert read_number(text) == pytest.approx(figures[column], rel=SHOWN)


def assert_release(page: Page, live: Live, lang: str) -> None:
    summary = ask_one(live, "select * from marts.release__summary", [])
    told = {True: {"zh": "是", "en": "Yes"}[lang], False: {"zh": "否", "en": "No"}[lang]}
    assert read_rows(page, "release", lang)[0][:2] == [summary["release_id"], told[summary["is_demonstration"]]]
    sources = ask_all(live, f"select title_{lang} as title, is_stale, quarantined_count from marts.release__sources", [])
    shown = {row[0]: (row[5], int(row[11].replace(",", ""))) for row in read_rows(page, "sources", lang)}
    assert shown == {row["title"]: (told[row["is_stale"]], row["quarantined_count"]) for row in sources}


def assert_language(page: Page, lang: str) -> None:
    """Titles of one language only, and a link to the other."""
    text = page.inner_text("body")
    other = "en" if lang == "zh" else "zh"
    for name in CHARTS:
        assert find_title(name, lang) in text
        assert find_title(name, other) not in text
    link = page.get_by_role("link", name="English" if lang == "zh" else "中文")
    assert link.get_attribute("href") == f"/superset/dashboard/sector-footprints-{other}/"


def keep_screenshot(page: Page, lang: str, slug: str = "sector-footprints") -> None:
    folder = os.environ.get("TANLIAN_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{slug.replace('-', '_')}_{lang}.png")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_dashboard_draws_all_its_charts(page: Page, live: Live, lang: str) -> None:
    """One visit to each: every chart has its title, none ends in an error, and what is printed is not cut in the filters."""
    page.goto(f"{live.server.url}/lang/{lang}", wait_until="commit")
    for slug, board in BOARDS.items():
        page.goto(f"{live.server.url}/superset/dashboard/{slug}-{lang}/?standalone=1", wait_until="commit")
        titles = [speak(chart["title"], lang) for chart in DEFINITIONS.list_charts(board).values() if Reader().is_shown(chart)]
        text = wait_for_charts(page, titles)
        assert [title for title in titles if title not in text] == [], slug
        assert page.locator(".ant-alert-error").all_inner_texts() == [], slug
        assert page.locator("[data-test=form-item-value]").count() == len(board["filters"]), slug
        keep_screenshot(page, lang, slug)


def wait_for_charts(page: Page, titles: list[str]) -> str:
    """Until each chart is there and nothing is loading any more, seen twice; gives what is read on the page."""
    deadline, quiet = time.monotonic() + WAIT_S, 0
    while time.monotonic() < deadline and quiet < 2:
        time.sleep(0.5)
        is_whole = page.locator(".dashboard-component-chart-holder").count() >= len(titles) and page.locator(".loading").count() == 0
        quiet = quiet + 1 if is_whole else 0
    return page.inner_text("body")


HOSTILE = """<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>">=1+1\u202e"""
# Where senders' texts are shown: tables with and without links, as they are and in sentences made from them.
SHOWN_TEXTS = {
    "ccer": {"ccer__findings": ["subject_id", "enterprise_id", "evidence"], "ccer__ledger": ["issuance_id", "project_id"]},
    "ets-positions": {"ets__positions_by_year": ["enterprise_id"]},
    "data-quality": {"release__quarantined_rules": ["source", "rule"], "release__waivers": ["reason_zh", "reviewer"]},
}


def test_texts_that_senders_wrote_stay_texts(page: Page, live: Live) -> None:
    """Markup in the data becomes no element of any page, and is still read there."""
    target = live.data_dir / "releases" / "hostile" / "ministry.duckdb"
    target.parent.mkdir()
    shutil.copy(live.release_file, target)
    with duckdb.connect(str(target)) as connection:
        for tables in SHOWN_TEXTS.values():
            for table, columns in tables.items():
                connection.execute(f"update marts.{table} set {', '.join(f'{name} = ?' for name in columns)}", [HOSTILE] * len(columns))
    live.point_to("hostile")
    try:
        page.goto(f"{live.server.url}/lang/zh", wait_until="commit")
        for slug, tables in SHOWN_TEXTS.items():
            page.goto(f"{live.server.url}/superset/dashboard/{slug}-zh/?standalone=1", wait_until="commit")
            charts = DEFINITIONS.list_charts(BOARDS[slug])
            text = wait_for_charts(page, [speak(chart["title"], "zh") for chart in charts.values()])
            tabled = [chart for chart in charts.values() if chart["kind"] == "table" and chart["dataset"] in tables]
            assert tabled, slug
            for chart in tabled:
                box = page.locator(".dashboard-component-chart-holder", has=page.get_by_text(chart["title"]["zh"], exact=True))
                # Where a table has no links, Superset itself strips attributes before it shows the rest as text.
                expected = "<img src=x onerror=" if "explain" in chart else "document.title='taken'"
                assert expected in box.inner_text(), (slug, chart["title"])
            assert (
                page.locator("img[src=x], .dashboard-component-chart-holder img, .dashboard-component-chart-holder script").count() == 0
            ), slug
            assert page.title() != "taken" and "taken" in text
    finally:
        live.point_to("first")
