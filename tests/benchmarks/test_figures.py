"""What is made of measurements: medians, ratios, aims, the page, the plot; and that memory of a whole tree is seen. Nothing here is timed."""

from __future__ import annotations

import argparse
import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import __main__ as command
from benchmarks import table, wording
from benchmarks.child import ChildFailed, run_child
from benchmarks.compare import compare, stage_parts
from benchmarks.measure import round_numbers, take_median
from benchmarks.plot import draw

PIPELINE = ("gate_start", "landing_gates", "landing", "dbt", "marts_gates", "publish")


def measured(lines: int, seconds: float) -> dict[str, Any]:
    """A size at which every stage of the pipeline took `seconds` and every one of the bare script one."""
    span = {"wall": seconds, "cpu": seconds / 2}
    one = {"wall": 1.0, "cpu": 1.0}
    return {
        "lines": lines,
        "line_count": lines + 7,
        "disclosure_count": lines // 4,
        "inbox_bytes": lines * 160,
        "repeats": 1,
        "bare": {"stages": {"read_and_write": one, "marts": one}, "whole": {"wall": 2.5, "cpu": 2.5}, "peak_bytes": 100 * 2**20},
        "pipeline": {
            "stages": dict.fromkeys(PIPELINE, span),
            "whole": {"wall": seconds * 6 + 1, "cpu": seconds * 3},
            "peak_bytes": 250 * 2**20,
            "nothing_new": {"land": one, "release": one},
        },
    }


@pytest.fixture
def document() -> dict[str, Any]:
    machine = {"processor": "P", "cores": 2, "memory_gib": 8.0, "system": "S", "python": "3", "packages": {"duckdb": "1"}}
    sizes = [measured(10_000, 2.0), measured(1_000_000, 3.0)]
    return {"date": "2026-01-02", "code_version": "v", "machine": machine, "load_before": 1.0, "load_after": 1.0, "sizes": sizes}


def test_run_of_median_length_is_told_whole() -> None:
    results = [{"whole": {"wall": wall, "cpu": 1.0}, "stages": {"a": {"wall": wall / 3}}} for wall in (3.0, 1.0, 2.0)]
    taken = round_numbers(take_median(results))
    assert taken["whole"]["wall"] == 2.0 and taken["stages"] == {"a": {"wall": 0.6667}}
    assert [run["wall"] for run in taken["runs"]] == [3.0, 1.0, 2.0]
    assert take_median(results[:1])["whole"]["wall"] == 3.0
    assert take_median(results[:2])["whole"]["wall"] == 1.0


def test_ratios_divide_like_by_like() -> None:
    lines = {line.measure: line for line in compare(measured(1_000_000, 3.0))}
    assert lines["landing"].ratio == 3.0 and lines["landing"].cpu_ratio == 1.5 and lines["landing"].is_met is False
    assert lines["gates"].ours == 9.0 and lines["gates"].ratio == 9.0 / 2.5
    assert lines["everything"].ratio == 19.0 / 2.5 and lines["everything"].is_met is False
    assert lines["memory"].ratio == 2.5 and lines["memory"].is_met is None
    assert lines["nothing_new"].ours == 2.0 and lines["nothing_new"].is_met is True


def test_aim_for_everything_holds_from_a_million_lines_on() -> None:
    aims = {line.measure: line.aim for line in compare(measured(10_000, 3.0))}
    assert aims["everything"] is None and aims["landing"] == 2.5


def test_parts_add_up_to_the_whole() -> None:
    parts = stage_parts(measured(10_000, 2.0))
    assert sum(part["seconds"] for part in parts if part["side"] == "pipeline") == pytest.approx(13.0)
    assert sum(part["seconds"] for part in parts if part["side"] == "bare") == pytest.approx(2.5)


def test_page_gets_the_figures_of_both_languages_and_keeps_its_words(tmp_path: Path, document: dict[str, Any]) -> None:
    page = tmp_path / "README.md"
    page.write_text(command.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    table.put_between_markers(page, document)
    once = page.read_text(encoding="utf-8")
    assert "| 入库（不含闸门） | 3.00 s | 1.00 s | 3.00× | 1.50× | ≤ 2.5× 未达到 |" in once
    assert "| landing (no gates) | 3.00 s | 1.00 s | 3.00× | 1.50× | ≤ 2.5× missed |" in once
    table.put_between_markers(page, document)
    assert page.read_text(encoding="utf-8") == once
    page.write_text("no markers", encoding="utf-8")
    with pytest.raises(ValueError, match="markers"):
        table.put_between_markers(page, document)


def test_page_holds_the_newest_figures_that_are_kept() -> None:
    kept = sorted(command.FIGURES.glob("[0-9]*.json"))
    assert kept
    document = json.loads(kept[-1].read_text(encoding="utf-8"))
    page = command.PAGE.read_text(encoding="utf-8")
    assert all(table.write_markdown(document, lang) in page for lang in ("zh", "en"))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_plot_shows_ratios_and_every_stage(lang: str, tmp_path: Path, document: dict[str, Any]) -> None:
    draw(document, lang, tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert "7.60×" in drawn and wording.say("plot.ratio", lang) in drawn
    assert all(wording.say(f"stage.{name}", lang) in drawn for name in (*PIPELINE, "read_and_write", "marts"))


def test_terminal_table_is_printed(capsys: pytest.CaptureFixture[str], document: dict[str, Any]) -> None:
    table.show(document, "en")
    assert "1,000,007 activity lines" in capsys.readouterr().out


def test_memory_of_grandchildren_counts() -> None:
    hold = "import time; held = bytearray(120 * 2**20); time.sleep(3)"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}]); print('done')"
    run = run_child([sys.executable, "-c", start])
    assert run.said == "done\n" and run.peak_bytes > 120 * 2**20


def test_failed_child_says_why() -> None:
    with pytest.raises(ChildFailed, match="broken on purpose"):
        run_child([sys.executable, "-c", "raise SystemExit('broken on purpose')"])


def test_sizes_are_whole_numbers_large_enough() -> None:
    assert command.read_sizes("10_000, 100000", "en") == [10_000, 100_000]
    for text in ("", "ten", "2999", "10000,,"):
        with pytest.raises(argparse.ArgumentTypeError):
            command.read_sizes(text, "zh")


def test_every_sentence_has_both_languages() -> None:
    texts = yaml.safe_load(Path(wording.__file__).with_name("texts.yaml").read_text(encoding="utf-8"))
    assert len(texts) > 30
    assert not [key for key, text in texts.items() if set(text) != {"zh", "en"} or not all(text.values())]


def test_measurement_is_not_changed_by_comparing(document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    for size in document["sizes"]:
        compare(size)
        stage_parts(size)
    assert document == before
