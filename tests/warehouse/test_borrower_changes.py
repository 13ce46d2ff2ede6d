"""What moved a borrower between two releases, told with the evidence of then and now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse.borrower_changes import CONDITIONS, TABLE, compare_borrowers

COLUMNS = (
    "bank_id varchar, borrower_id varchar, as_of date, best_tier bigint, tier_disclosure_id varchar, label_certificate_no varchar,"
    " emissions_year integer, ets_outstanding_t_co2e decimal(38, 6), ccer_finding_count bigint, ccer_finding varchar, lagging_eia_id varchar,"
    " has_good_tier boolean, has_valid_label boolean, is_ets_clear boolean, has_no_ccer_finding boolean, has_no_lagging_eia boolean,"
    " is_eligible boolean"
)
SOUND = (1, "PCF-1", "CERT-1", 2024, 0, 0, None, None, True, True, True, True, True, True)


def write_marts(path: Path, rows: list[tuple[Any, ...]], columns: str = COLUMNS) -> Path:
    with duckdb.connect(str(path)) as con:
        con.execute(f"create schema marts; create table marts.finance__borrowers ({columns})")
        con.executemany(f"insert into marts.finance__borrowers values ({', '.join('?' * len(rows[0]))})", rows)
    return path


def read_changes(build: Path, parent: Path | None) -> list[dict[str, Any]]:
    with duckdb.connect() as con:
        found = con.execute(compare_borrowers(build, parent))
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_first_release_has_changed_nothing(tmp_path: Path) -> None:
    build = write_marts(tmp_path / "build.duckdb", [("B", "X", "2025-03-31", *SOUND)])
    assert read_changes(build, None) == []
    assert read_changes(build, tmp_path / "pruned" / "ministry.duckdb") == []


def test_each_changed_condition_is_told_once_with_its_evidence_then_and_now(tmp_path: Path) -> None:
    lost = (4, "PCF-2", None, 2024, 12.5, 2, "legacy_expired C1", "E-7", False, False, False, False, False, False)
    parent = write_marts(
        tmp_path / "parent.duckdb",
        [
            ("B", "X", "2025-02-28", *lost),
            ("B", "X", "2025-03-31", *SOUND),
            ("B", "Y", "2025-03-31", *SOUND),
            ("C", "X", "2025-03-31", *SOUND),
        ],
    )
    build = write_marts(
        tmp_path / "build.duckdb",
        [
            ("B", "X", "2025-03-31", *SOUND),
            ("B", "X", "2025-04-30", *lost),
            ("B", "Z", "2025-04-30", *SOUND),
            ("C", "X", "2025-04-30", *SOUND),
        ],
    )
    changes = read_changes(build, parent)
    moved = {row["condition"]: row for row in changes if row["borrower_id"] == "X"}
    assert set(moved) == set(CONDITIONS), "the same borrower of another bank has not moved, its earlier day counts no more"
    assert len(changes) == len(CONDITIONS) + 2
    assert all(
        (row["bank_id"], str(row["previous_as_of"]), str(row["as_of"])) == ("B", "2025-03-31", "2025-04-30") for row in moved.values()
    )
    assert all(
        (row["is_met_before"], row["is_met"], row["is_eligible_before"], row["is_eligible"]) == (True, False, True, False)
        for row in moved.values()
    )
    assert json.loads(moved["has_good_tier"]["previous_evidence"]) == {"best_tier": 1, "tier_disclosure_id": "PCF-1"}
    assert json.loads(moved["has_good_tier"]["evidence"]) == {"best_tier": 4, "tier_disclosure_id": "PCF-2"}
    assert json.loads(moved["is_ets_clear"]["evidence"]) == {"emissions_year": 2024, "ets_outstanding_t_co2e": 12.5}
    assert json.loads(moved["has_no_ccer_finding"]["evidence"])["ccer_finding"] == "legacy_expired C1"
    assert json.loads(moved["has_no_lagging_eia"]["evidence"]) == {"lagging_eia_id": "E-7"}
    came_and_went = {(row["borrower_id"], row["is_met_before"], row["is_met"]) for row in changes if row["condition"] == "is_borrower"}
    assert came_and_went == {("Z", False, True), ("Y", True, False)}


def test_release_of_older_code_is_compared_by_what_it_has(tmp_path: Path) -> None:
    older = "bank_id varchar, borrower_id varchar, as_of date, best_tier bigint, has_good_tier boolean, is_eligible boolean"
    parent = write_marts(tmp_path / "parent.duckdb", [("B", "X", "2025-03-31", 4, False, False)], older)
    build = write_marts(tmp_path / "build.duckdb", [("B", "X", "2025-03-31", *SOUND)])
    [change] = read_changes(build, parent)
    assert (change["condition"], change["is_met_before"], change["is_met"]) == ("has_good_tier", False, True)
    assert json.loads(change["previous_evidence"]) == {"best_tier": 4, "tier_disclosure_id": None}


@pytest.mark.parametrize("name", ["build with 'quotes'.duckdb"])
def test_path_with_quotes_is_a_path(tmp_path: Path, name: str) -> None:
    parent = write_marts(tmp_path / f"of {name}", [("B", "X", "2025-03-31", *SOUND)])
    assert read_changes(write_marts(tmp_path / name, [("B", "X", "2025-03-31", *SOUND)]), parent) == []
    assert TABLE == "release__borrower_changes"
