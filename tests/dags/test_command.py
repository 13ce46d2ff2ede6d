"""A command's exit code decides whether a task may be tried again; a refusal is told in full."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from command import (
    DataRefused,
    fetch_files,
    find_deliveries,
    group_deliveries,
    land_deliveries,
    may_have_landed,
    publish_release,
    run_command,
)

from .conftest import connect, put_files, read_calls, refuse_release


@pytest.fixture
def end_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that makes `tanlian` run this Python line and nothing else."""

    def make(line: str) -> None:
        command = tmp_path / "ends"
        command.write_text(f"#!{sys.executable}\nimport os, sys\n{line}\n", encoding="utf-8")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("TANLIAN_COMMAND", str(command))

    return make


@pytest.mark.parametrize(
    ("line", "may_retry"),
    [
        ("sys.exit(1)", True),
        ("os.kill(os.getpid(), 9)", True),
        ("print('no json')", True),
        ("sys.exit(99)", True),
        ("sys.exit(2)", False),
    ],
)
def test_only_a_broken_program_is_tried_again(end_with, line: str, may_retry: bool) -> None:
    end_with(line)
    with pytest.raises(AirflowException) as caught:
        run_command("release")
    assert isinstance(caught.value, AirflowFailException) is not may_retry


@pytest.mark.parametrize("code", [0, 3])
def test_an_answer_comes_back_with_its_code(end_with, code: int) -> None:
    end_with(f"print('[1]'); sys.exit({code})")
    assert run_command("release") == (code, [1])


def test_much_output_on_both_streams_does_not_block(end_with) -> None:
    end_with("sys.stderr.write(('x' * 99 + '\\n') * 2000); print('[' + '1,' * 200000 + '1]')")
    assert len(run_command("release")[1]) == 200001


def test_deliveries_are_found_in_received_order(data: Path) -> None:
    put_files(data, "enterprise", {"2025-02.csv": "", "2024-12.csv": "", "2025-01.csv": ""})
    assert find_deliveries("enterprise") == ["2024-12.csv", "2025-01.csv", "2025-02.csv"]


@pytest.mark.parametrize(("count", "groups"), [(0, 0), (1, 1), (25, 1), (26, 2), (200, 8), (201, 8), (5000, 8)])
def test_groups_are_few_and_keep_every_file_in_order(count: int, groups: int) -> None:
    files = [f"{number:05}" for number in range(count)]
    cut = group_deliveries(files, 8)
    assert len(cut) == groups
    assert [name for group in cut for name in group] == files
    assert group_deliveries(files, 1) == ([files] if files else [])


def test_a_refusal_names_the_delivery_and_the_rule_in_both_languages(data: Path) -> None:
    put_files(data, "enterprise", {"1.csv": "good", "2.csv": "refused", "3.csv": "good"})
    landed, refused = land_deliveries("enterprise", ["1.csv", "2.csv", "3.csv"])
    assert landed == [{"file": "1.csv", "accepted": 1}, {"file": "2.csv", "accepted": 0}, {"file": "3.csv", "accepted": 1}]
    assert refused is not None
    for part in ("enterprise", "2.csv", "no_data_rows", "没有数据行", "no data rows"):
        assert part in refused
    assert "1.csv" not in refused


def test_refused_without_a_receipt_is_still_a_refusal(end_with) -> None:
    end_with("print('[]'); sys.exit(3)")
    assert land_deliveries("enterprise", ["1.csv"])[1]


def test_a_gate_that_stops_the_release_is_named_and_final(data: Path) -> None:
    refuse_release(data)
    with pytest.raises(DataRefused) as caught:
        publish_release()
    assert isinstance(caught.value, AirflowFailException)
    for part in ("marts.footprint", "critical total_is_sum", "总量不等于各部分之和", "a total is not the sum of its parts", "3 rows"):
        assert part in str(caught.value)
    assert "marts.ets" not in str(caught.value)


def test_something_landed_unless_every_group_says_no() -> None:
    none, some = {"file": "1.csv", "accepted": 0}, {"file": "2.csv", "accepted": 7}
    assert may_have_landed([[none], [none, some]], 2)
    assert not may_have_landed([[none], [none]], 2)
    assert may_have_landed([[none], None], 2)
    assert may_have_landed([[none]], 2)


def test_credentials_go_to_the_command_by_its_environment_alone(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    connect(data, "enterprise", files={"1.csv": "good"}, credential="steel_pcf")
    secret = '{"login": "a", "password": "s3cret-Zq8"}'
    with caplog.at_level("DEBUG"):
        assert fetch_files("enterprise", {"steel_pcf": secret}.get) == ["1.csv"]
    assert json.loads((data / "credentials.jsonl").read_text(encoding="utf-8")) == {"AIRFLOW_CONN_STEEL_PCF": secret}
    assert read_calls(data) == [["fetch", "--source", "enterprise", "--list"], ["fetch", "--source", "enterprise", "--due"]]
    assert "s3cret" not in caplog.text
    assert not any("AIRFLOW_CONN" in name for name in os.environ)


def test_a_connection_that_airflow_does_not_know_is_left_to_the_command(data: Path) -> None:
    connect(data, "enterprise", credential="nobodys")
    assert fetch_files("enterprise", lambda name: None) == []
    assert json.loads((data / "credentials.jsonl").read_text(encoding="utf-8")) == {}


def test_a_pull_that_was_refused_is_final_and_one_without_answer_is_tried_again(data: Path) -> None:
    connect(data, "enterprise", code=3)
    with pytest.raises(DataRefused) as caught:
        fetch_files("enterprise")
    assert all(part in str(caught.value) for part in ("enterprise", "web_page", "网页", "a web page"))
    connect(data, "enterprise", code=1)
    with pytest.raises(AirflowException) as broken:
        fetch_files("enterprise")
    assert not isinstance(broken.value, AirflowFailException)


ESCAPES = "\x1b[2J\x9b31m\n2026-11-01 ERROR nothing of the kind\u202e\u2028.csv"
ONE_LINE = ESCAPES.replace("\n", "")


def test_hostile_names_and_texts_stay_text_on_one_line_of_the_log(end_with, caplog: pytest.LogCaptureFixture) -> None:
    """Colours, cleared screens, reversed text and forged lines are shown by number."""
    reason = {"code": "column_missing", "message_zh": ESCAPES, "message_en": ESCAPES}
    receipt = {"source": "enterprise", "file": ESCAPES, "verdict": "rejected", "counts": {"accepted": 0}, "reasons": [reason]}
    end_with(f"sys.stderr.write({ONE_LINE!r}); import json; print(json.dumps({[receipt]!r})); sys.exit(3)")
    with caplog.at_level("DEBUG"):
        _, refused = land_deliveries("enterprise", [ESCAPES])
    said = [record.getMessage() for record in caplog.records] + [refused or ""]
    assert sum("nothing of the kind" in text for text in said) >= 4, "arguments, standard error, answer and refusal are all logged"
    for text in said:
        assert all(character.isprintable() or character == "\n" for character in text), ascii(text)
        assert not [line for line in text.split("\n") if line.startswith("2026-11-01 ERROR")], text
    assert any("\\u001b[2J\\u009b31m\\u000a" in text for text in said)
