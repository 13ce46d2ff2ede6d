"""Quarantined rows on the command line: filtered, exported without anything a spreadsheet would run, and never lost from sight."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ingest.contract import read_contracts
from warehouse.repair.export import Filter, list_rows, write_rows

from .conftest import Warehouse

pytestmark = pytest.mark.xdist_group("intake")
CODES = ["91130100204586971Y", "91370100425650586P", "91330100752032240L", "91650100836147627R", "91350100962668343N"]


def spoil(warehouse: Warehouse, name: str, **changed: str) -> None:
    rows = [
        {"enterprise_id": code, "enterprise_name": f"示范{place}（合成）", "province_code": "110000", "industry_code": "2911"}
        for place, code in enumerate(CODES)
    ]
    warehouse.put("enterprise", name, [*rows[:4], rows[4] | changed])
    warehouse.intake.take_inbox()


def test_rows_are_found_by_source_rule_file_sender_and_state(warehouse: Warehouse) -> None:
    spoil(warehouse, "a.csv", province_code="=1+1")
    spoil(warehouse, "b.csv", enterprise_name="")

    def found(**wanted: str) -> list[tuple[str, str]]:
        rows = list_rows(warehouse.settings, warehouse.ledger, read_contracts(), Filter(**wanted))  # type: ignore[arg-type]
        return [(row["file"], row["state"]) for row in rows]

    assert found() == found(source="enterprise") == [("b.csv", "open")]
    assert found(state="all") == [("a.csv", "superseded"), ("b.csv", "open")]
    assert found(rule="required") == [("b.csv", "open")] and found(rule="enumeration") == []
    assert found(rule="enumeration", state="superseded") == [("a.csv", "superseded")]
    assert found(file="a.csv", state="all") == [("a.csv", "superseded")] and found(source="market_quote") == []
    assert found(sender=CODES[4].lower()) == [("b.csv", "open")] and found(sender=CODES[0]) == []
    spoil(warehouse, "c.csv")
    assert found() == [] and sorted(found(state="closed")) == [("b.csv", "closed")]


def test_exports_hold_the_same_and_run_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    spoil(warehouse, "a.csv", province_code="=1+1")
    rows = list_rows(warehouse.settings, warehouse.ledger, read_contracts(), Filter())
    for suffix in (".csv", ".xlsx", ".parquet"):
        assert write_rows(rows, tmp_path / f"out{suffix}", "en") == 1
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as stream:
        (line,) = csv.DictReader(stream)
    assert line["value"] == "'=1+1" and not any(cell.startswith(("=", "+", "-", "@")) for cell in line.values())
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    cell = next(cell for cell in sheet[2] if cell.value == "=1+1")
    assert cell.data_type == "s" or cell.quotePrefix
    assert pq.read_table(tmp_path / "out.parquet")["value"].to_pylist() == ["=1+1"]
    assert json.loads(line["key"]) == {"enterprise_id": CODES[4]}


def test_command_line_lists_and_drafts(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    from warehouse.cli import app

    spoil(warehouse, "a.csv", enterprise_id="91110000100000001A")
    monkeypatch.setenv("TANLIAN_DATA", str(warehouse.data))
    runner = CliRunner()
    listed = runner.invoke(app, ["--json", "quarantine", "list"])
    assert listed.exit_code == 0 and [row["row_number"] for row in json.loads(listed.stdout)] == [5]
    command = ["--json", "quarantine", "waive", "1", "5", "--rule", "identifier_check", "--reason-zh", "早期", "--reason-en", "early"]
    drafted = runner.invoke(app, [*command, "--citation", "reply", "--author", "甲"])
    assert drafted.exit_code == 0, drafted.output
    path = Path(json.loads(drafted.stdout)["path"])
    assert "91110000100000001A" in path.read_text(encoding="utf-8")
    states = json.loads(runner.invoke(app, ["--json", "quarantine", "waivers"]).stdout)
    assert [entry["state"] for entry in states] == ["waiver.unsigned"]
    path.write_text(path.read_text(encoding="utf-8").replace("reviewer: ''", "reviewer: 乙"), encoding="utf-8")
    warehouse.intake.land_pending()
    assert [row["state"] for row in warehouse.ledger.closures()] == ["waived"]
    out = warehouse.data / "w.xlsx"
    assert runner.invoke(app, ["--json", "receipt", "a.csv", "--workbook", str(out)]).exit_code == 0 and out.is_file()
