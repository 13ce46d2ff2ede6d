"""What a narrow terminal shows of a wide table: every figure whole."""

from __future__ import annotations

import pytest

from warehouse.terminal import Terminal
from warehouse.texts import say, write_utc


def test_no_figure_of_a_wide_table_is_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    key = "product_code=STEEL-BF, boundary=cradle_to_gate, gwp_set=AR6, reporting_year=2025"
    figures = [f"{number}{'0' * 12}.5" for number in range(1, 7)]
    columns = [("table.key", "left"), *[("table.source", "right")] * len(figures)]
    Terminal("en").table("t", columns, [[key, *figures]])
    shown = capsys.readouterr().out
    assert all(figure in shown for figure in figures)
    # The text that may wrap does so at words, not letter by letter.
    assert "reporting_year=2025" in shown


def test_table_that_fits_is_no_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    Terminal("zh").table("表", [("table.key", "left"), ("table.source", "right")], [["说明 " * 40, 3]])
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 60


def test_warning_of_a_receipt_is_in_one_language(capsys: pytest.CaptureFixture[str]) -> None:
    observed = "14 of 20 broken: 14 of 20 enterprises in both deliveries changed province"
    warning = {"check": "provinces_changed", "zh": "大量企业更换省份", "en": "many enterprises changed province", "observed": observed}
    counts = {"received": 20, "accepted": 20, "duplicate": 0, "quarantined": 0, "waiting": 0}
    receipt = {
        **{"source": "enterprise", "file": "f.csv", "verdict": "accepted", "counts": counts, "reasons": [], "faults": [], "layout": None},
        **{"normalised": {}, "unknown_columns": [], "fault_counts": {}, "warnings": [warning]},
    }
    Terminal("zh").receipt(receipt)
    assert "（20 处中 14 处不符: 两次交付共有的 20 家企业中 14 家换了省份）" in capsys.readouterr().out
    Terminal("en").receipt(receipt)
    assert f"({observed})" in capsys.readouterr().out


def test_row_of_a_receipt_says_where_it_is_counted_from(capsys: pytest.CaptureFixture[str]) -> None:
    fault = {
        **{"row_number": 4, "code": "range", "column_name": "volume_t", "value": "-1", "message_en": "expected >= 0", "reason_en": "why"},
    }
    counts = {"received": 5, "accepted": 4, "duplicate": 0, "quarantined": 1, "waiting": 0}
    receipt = {
        **{"source": "market_quote", "verdict": "partly_quarantined", "counts": counts, "reasons": [], "faults": [fault], "layout": None},
        **{"normalised": {}, "unknown_columns": [], "fault_counts": {"range": 1}},
    }
    for file, is_told in (("q.csv", True), ("q.csv.gz", True), ("q.xlsx", True), ("q.jsonl", False), ("q.json.gz", False)):
        Terminal("en").receipt(receipt | {"file": file})
        assert ("rows are counted below the header" in capsys.readouterr().out) == is_told, file
    Terminal("en").receipt(receipt | {"file": "q.csv", "faults": [], "fault_counts": {}})
    assert "rows are counted" not in capsys.readouterr().out


def test_times_on_the_terminal_say_their_zone() -> None:
    assert write_utc("2026-11-26T17:16:52.467029Z") == "2026-11-26 17:16:52 (UTC)"
    for key in ("table.published", "table.as_of", "table.last"):
        assert all("UTC" in say(key, lang) for lang in ("zh", "en"))
