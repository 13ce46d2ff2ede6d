"""The catalogue in a browser: words of both languages find what the page shows, and nothing that it does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from ingest.reference import ReferenceLists
from warehouse.exchange.catalogue import collect_catalogue, read_lists, render_catalogue
from warehouse.exchange.files import open_source


@pytest.fixture
def page(small_release: Path, tmp_path: Path) -> Iterator[Page]:
    """The catalogue of the small release, opened from its file in a Chinese browser; what it would ask of a host is an error."""
    source = open_source(small_release)
    try:
        document = collect_catalogue(source, None, read_lists(ReferenceLists()))
    finally:
        source.connection.close()
    path = tmp_path / "index.html"
    path.write_text(render_catalogue(document), encoding="utf-8")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "chromium is missing: requirements/system.sh installs it"
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"], env=os.environ | {"HOME": str(tmp_path)}
        )
        opened = browser.new_page(locale="zh-CN", viewport={"width": 1280, "height": 800})
        broken: list[str] = []
        opened.on("pageerror", lambda error: broken.append(str(error)))
        opened.on("request", lambda request: broken.append(request.url) if not request.url.startswith("file:") else None)
        opened.goto(path.as_uri())
        yield opened
        assert not broken
        browser.close()


def _search(page: Page, asked: str) -> list[str]:
    page.locator("#search").fill(asked)
    return [entry.get_attribute("id") or "" for entry in page.locator("details").all()]


def test_catalogue_is_searched_by_words_of_both_languages(page: Page) -> None:
    every = _search(page, "")
    assert len(every) > 40 and page.locator("h1").inner_text() == "数据目录"
    assert "loan" in _search(page, "借款人") and "loan" in _search(page, "BORROWER")
    assert _search(page, "碳市场交易日") == ["trading_day"], "lists are found by what they are"
    assert "footprint__sectors_by_year" in _search(page, "加权平均 产量")
    assert "加权平均" in page.locator("#footprint__sectors_by_year table").inner_text()
    for name in ("is_stale", "cadence_days", "row_count", "publications"):  # how the page's data call things inside
        assert set(_search(page, name)) <= {each for each in every if each.startswith("release__")}, name
    assert _search(page, "没有这个词 xyz") == []
    assert "没有条目包含所有这些词" in page.locator("#found").inner_text()
    page.locator("#en").click()
    assert "No entry holds all of these words" in page.locator("#found").inner_text()


def test_column_is_found_as_explanations_write_it(page: Page) -> None:
    assert _search(page, "ets__prices_by_day.close_cny_per_t") == ["ets__prices_by_day"]
    shown = page.locator("#ets__prices_by_day tbody tr td:first-child").all_inner_texts()
    assert shown == ["close_cny_per_t"], "of the mart, that column alone"


def test_tables_of_the_release_have_words_of_their_own(page: Page) -> None:
    _search(page, "release__sources.title_zh")
    assert "合同中的名称" in page.locator("#release__sources table").inner_text()


def test_catalogue_says_words_for_codes_and_fits_a_laptop(page: Page) -> None:
    page.locator("#en").click()
    _search(page, "loan_id")
    loan = page.locator("#loan").inner_text()
    assert "Loan number" in loan and "restated, the newest delivery counts" in loan
    _search(page, "offset_share")
    rule = page.locator("#ets_rule").inner_text()
    assert "recalled; check before quoting" in rule or "sourced" in rule
    assert "methods.md" not in page.content().split('id="found"')[1].split("<noscript")[0]
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
