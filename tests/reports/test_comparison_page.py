"""The page of a comparison: whole in both languages, offline, and hostile text stays text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from dashboards.reports.comparison_page import draw_waterfall, name_key, render_comparison, show_instant, write_comparison_page
from dashboards.reports.wording import Text, say
from warehouse.comparison.wording import titles

HOSTILE = "<script>alert(1)</script>{{ 7 * 7 }}"


def make_document(is_plan: bool = False, product: str = "CEMENT") -> dict[str, Any]:
    side = {
        "release_id": "20260731-a",
        "as_of": "2026-07-31T15:59:59",
        "rule_date": "2026-07-31",
        "code_version": "0.1.0+a",
        "deliveries": 3,
    }
    key = {"product_code": product, "boundary": "cradle_to_gate", "gwp_set": "AR6", "reporting_year": 2025, "province_code": "000000"}
    parts = {"new_disclosures": -30.0, "restatements": 12.5, "code": 1.5}
    move = {"measure": "weighted_mean_kg_co2e", "key": key, "kind": "moved", "old": 600.0, "new": 584.0, "move": -16.0, "residual": 0.0}
    column = {"column_name": "weighted_mean_kg_co2e", "changed": 1, "largest_move": 16.0, "largest_relative_move": 0.027, "came_or_went": 0}
    mart = {"mart": "footprint__sectors_by_year", "added": 2, "removed": 1, "changed": 1, "columns": [column]}
    change = {
        "mart": mart["mart"],
        "key": json.dumps(key),
        "column_name": "weighted_mean_kg_co2e",
        "old_value": "600.0",
        "new_value": "584.0",
    }
    worded = change | {
        "column_name": "recalculation_status",
        "old_value": "partial",
        "new_value": None,
        "relative_move": None,
        "move": None,
    }
    steps = [{"old": "2", "new": "3", "count": 4}]
    effect = {"name": "tiers", "title": {"zh": "产品分级", "en": "tiers"}, "kind": "status", "count": 4, "net_move": 4.0, "steps": steps}
    return {
        "is_plan": is_plan,
        "is_demonstration": False,
        "first": side,
        "second": side | {"release_id": "candidate" if is_plan else "20261031-b"},
        "marts": [mart],
        "largest": [change | {"relative_move": -16 / 600, "move": -16.0}, worded],
        "effects": [effect],
        "moves": [move | {"parts": parts}],
    }


@pytest.mark.parametrize("is_plan", [False, True])
def test_page_shows_the_move_its_parts_and_the_marts(is_plan: bool, tmp_path: Path) -> None:
    page = write_comparison_page(make_document(is_plan), titles(), tmp_path / "page.html", "en").read_text(encoding="utf-8")
    for text in ("新披露", "new disclosures", "重述", "restatements", "−30.0", "+12.5", "Sector statistics", "partial"):
        assert text in page
    assert page.count("<svg") == 2, "one picture per language"
    assert ("若发布会怎样" in page, "tiers" in page) == (is_plan, is_plan)
    assert "src=" not in page
    assert "<script" not in page


def test_parts_lead_from_the_figure_before_to_the_figure_after() -> None:
    move = make_document()["moves"][0]
    spec = draw_waterfall(move, {name: Text(**title) for name, title in titles()["causes"].items()}, "en")
    bars = spec["datasets"]["bars"]
    assert [bar["to"] for bar in bars] == [600.0, 570.0, 582.5, 584.0, 584.0]
    assert [bar["from"] for bar in bars[1:4]] == [600.0, 570.0, 582.5]


@pytest.mark.parametrize("is_plan", [False, True])
def test_page_says_when_the_data_are_synthetic(is_plan: bool) -> None:
    said = say("demonstration")
    page = render_comparison(make_document(is_plan) | {"is_demonstration": True}, titles(), "zh")
    assert said.zh in page and escape(said.en) in page
    assert said.zh not in render_comparison(make_document(is_plan), titles(), "zh")


def test_hostile_names_stay_text() -> None:
    page = render_comparison(make_document(product=HOSTILE), titles(), "zh")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}" in page


def test_comparison_without_a_change_says_so() -> None:
    empty = make_document() | {"marts": [], "largest": [], "moves": []}
    page = render_comparison(empty, titles(), "zh")
    assert "没有任何指标变化" in page
    assert "<svg" not in page


def test_rows_are_called_by_their_names_and_clocks_told_as_everywhere() -> None:
    key = {"product_code": "CEMENT", "boundary": "cradle_to_gate", "gwp_set": "AR6", "reporting_year": 2025, "province_code": "000000"}
    assert name_key(key) == Text("水泥 · 摇篮到大门 · AR6 · 2025 · 全国", "Cement · cradle to gate · AR6 · 2025 · Whole country")
    assert name_key({"product_code": "<b>NEW</b>"}) == Text("<b>NEW</b>", "<b>NEW</b>"), "a code that no list names stands as it is"
    assert show_instant("2026-11-26T21:05:43.695613") == "2026-11-27 05:05" and show_instant("—") == "—"
