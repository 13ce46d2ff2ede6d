"""The lines the gates draw are data, complete in both languages, and each belongs to a suite that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from expectations.check import Check, Limits, ThresholdError, list_examples, quote_name, quote_text, read_thresholds
from expectations.gate import MARTS
from ingest.contract import read_contracts


def test_thresholds_are_complete_in_both_languages():
    for suite, entries in read_thresholds().items():
        assert entries, suite
        for entry in entries:
            for message in (entry.message, entry.reason):
                assert re.search(r"[一-鿿]", message.zh), (suite, entry.code)
                assert re.fullmatch(r"[^一-鿿]+", message.en), (suite, entry.code)


def test_every_suite_exists():
    instruments = {f"marts.{path.stem}" for path in MARTS.glob("*.py") if path.stem != "__init__"}
    sources = {f"landing.{source}" for source in read_contracts()}
    named = set(read_thresholds())
    assert instruments <= named
    assert named <= instruments | sources | {"gate", "landing"}
    modules = {f"landing.{path.stem}" for path in MARTS.parent.joinpath("landing").glob("*.py") if path.stem != "__init__"}
    assert modules == named & sources


def _write(path: Path, **entry: object) -> Path:
    message = {"zh": "中", "en": "x"}
    items = [{"code": "a", "severity": "critical", "message": message, "reason": message} | entry]
    path.write_text(yaml.safe_dump({"marts.ets": items}, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"severity": "fatal"}, "severity"),
        ({"message": {"en": "x"}}, "zh and en"),
        ({"limit": 3}, "unknown keys limit"),
    ],
)
def test_thresholds_refuse_what_they_do_not_know(tmp_path, entry, said):
    with pytest.raises(ThresholdError, match=said):
        read_thresholds(_write(tmp_path / "t.yaml", **entry))


def test_thresholds_refuse_a_repeated_code(tmp_path):
    path = _write(tmp_path / "t.yaml")
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["marts.ets"] *= 2
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ThresholdError, match="repeated codes a"):
        read_thresholds(path)


def test_a_check_without_a_threshold_cannot_be_asked(tmp_path):
    limits = Limits("marts.ets", read_thresholds(_write(tmp_path / "t.yaml"))["marts.ets"])
    assert limits.of("a").severity == "critical"
    with pytest.raises(ThresholdError, match="b has no entry"):
        limits.of(Check("b", "select 1").code)
    with pytest.raises(ThresholdError, match="needs the value share"):
        limits.value("a", "share")


def test_names_and_texts_are_quoted():
    assert quote_text("it's") == "'it''s'"
    assert quote_name('a"b') == '"a""b"'
    assert "filter (where x > 1)" in list_examples("x", "x > 1")
