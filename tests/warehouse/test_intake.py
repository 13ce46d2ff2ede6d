"""Intake: what is sent again, restated, early, interrupted, unsafe or taken by two at once; nothing is lost and nothing is doubled."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from warehouse.quarantine import show_quarantine

from .conftest import Country, Warehouse, copy_data
from .dying import TAKE_STEPS

pytestmark = pytest.mark.xdist_group("intake")
Rows = list[dict[str, str]]


@pytest.fixture
def enterprises(country: Country) -> Rows:
    return country.rows("enterprise")[:40]


@pytest.fixture
def disclosures(country: Country) -> Rows:
    return country.rows("product_footprint")[:40]


@pytest.fixture
def lines(country: Country, disclosures: Rows) -> Rows:
    known = {row["disclosure_id"] for row in disclosures}
    return [row for row in country.rows("footprint_activity") if row["disclosure_id"] in known]


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def verdicts(receipts: list[dict[str, Any]]) -> list[str]:
    return [receipt["verdict"] for receipt in receipts]


def test_identical_file_changes_nothing(warehouse: Warehouse, enterprises: Rows) -> None:
    warehouse.put("enterprise", "a.csv", enterprises)
    assert verdicts(warehouse.intake.take_inbox()) == ["accepted"]
    before = warehouse.landed()
    warehouse.put("enterprise", "b.csv", enterprises)
    (receipt,) = warehouse.intake.take_inbox()
    assert receipt["verdict"] == "duplicate"
    assert receipt["same_bytes_as"] == "a.csv"
    assert receipt["counts"] == {"received": 40, "accepted": 0, "duplicate": 40, "quarantined": 0, "waiting": 0}
    assert warehouse.landed() == before
    assert len(list((warehouse.data / "deliveries").rglob("*"))) == 2  # one folder, one file


def test_only_what_a_restatement_changes_lands_again(warehouse: Warehouse, enterprises: Rows) -> None:
    warehouse.put("enterprise", "a.csv", enterprises)
    warehouse.intake.take_inbox()
    before = warehouse.landed()["enterprise"]
    changed = [row | {"enterprise_name": row["enterprise_name"] + "有限公司"} for row in enterprises[:3]]
    warehouse.put("enterprise", "b.csv", changed + enterprises[3:])
    (receipt,) = warehouse.intake.take_inbox()
    assert receipt["counts"] | {"waiting": 0} == {"received": 40, "accepted": 3, "duplicate": 37, "quarantined": 0, "waiting": 0}
    after = warehouse.landed()["enterprise"]
    assert set(before) < set(after)  # restatement adds, never rewrites
    assert len(after) == 43


def test_bad_row_is_kept_with_its_reason_and_lands_once_corrected(warehouse: Warehouse, enterprises: Rows) -> None:
    wrong = enterprises[0] | {"enterprise_id": enterprises[0]["enterprise_id"][:-1] + "?"}
    warehouse.put("enterprise", "a.csv", [wrong, *enterprises[1:]])
    (receipt,) = warehouse.intake.take_inbox()
    assert receipt["verdict"] == "partly_quarantined"
    assert receipt["counts"] == {"received": 40, "accepted": 39, "duplicate": 0, "quarantined": 1, "waiting": 0}
    assert receipt["fault_counts"] == {"identifier_check": 1}
    assert (warehouse.data / receipt["kept_in"]).is_file()
    warehouse.put("enterprise", "b.csv", enterprises)
    (corrected,) = warehouse.intake.take_inbox()
    assert corrected["counts"] == {"received": 40, "accepted": 1, "duplicate": 39, "quarantined": 0, "waiting": 0}


def test_lines_wait_for_their_disclosure_and_land_by_themselves(warehouse: Warehouse, lines: Rows, disclosures: Rows) -> None:
    middle = len(lines) // 2
    for name, part in (("a.csv", lines[:middle]), ("b.csv", lines[middle:])):
        warehouse.put("footprint_activity", name, part)
    assert verdicts(warehouse.intake.take_inbox()) == ["waiting", "waiting"]
    assert warehouse.landed()["footprint_activity"] == []
    for name, half in (("first.csv", disclosures[:20]), ("second.csv", disclosures[20:])):
        warehouse.put("product_footprint", name, half)
        warehouse.intake.take_inbox()
        known = {row["disclosure_id"] for row in (disclosures[:20] if name == "first.csv" else disclosures)}
        expected = sum(row["disclosure_id"] in known for row in lines)
        assert len(warehouse.landed()["footprint_activity"]) == expected
        assert warehouse.counts()["footprint_activity"]["waiting"] == len(lines) - expected
    assert warehouse.counts()["footprint_activity"] == {"accepted": len(lines), "quarantined": 0, "waiting": 0}
    assert list((warehouse.data / "waiting").rglob("*.parquet")) == []
    settled = [row["subject"] for row in warehouse.ledger._rows("select subject from audit where event = 'settled' order by id")]
    assert settled == sorted(settled)  # what was received first is settled first


def test_settled_lines_are_known_from_when_their_disclosure_came(
    warehouse: Warehouse, country: Country, lines: Rows, disclosures: Rows, tmp_path: Path
) -> None:
    early, late = country.stage("first")[0].received_at, country.stage("first")[2].received_at
    for source, rows, moment in (("footprint_activity", lines, early), ("product_footprint", disclosures, late)):
        warehouse.intake.receive(warehouse.write(rows, tmp_path / f"{source}.csv"), source, moment)
        warehouse.intake.land_pending()
    (entry,) = warehouse.ledger.landing_files("footprint_activity")
    assert entry["received_at"] == late.isoformat()  # no past state is rewritten by what was not known then
    received = pq.read_table(warehouse.data / entry["path"], columns=["_received_at"])["_received_at"]
    assert set(received.to_pylist()) == {early}  # each row still says when its file came


def test_line_of_another_value_under_a_key_that_waits_is_refused_not_doubled(warehouse: Warehouse, lines: Rows, disclosures: Rows) -> None:
    warehouse.put("footprint_activity", "a.csv", lines)
    warehouse.put("footprint_activity", "b.csv", [*lines[:1], lines[1] | {"quantity": "77"}, *lines[2:]])
    warehouse.put("product_footprint", "a.csv", disclosures)
    warehouse.intake.take_inbox(["footprint_activity", "product_footprint"])
    keys = [row.split("'stage'")[0] for row in warehouse.landed()["footprint_activity"]]
    assert len(keys) == len(set(keys)) == len(lines)
    rows = warehouse.ledger.deliveries("footprint_activity")
    assert [row["waiting"] for row in rows] == [0, 0]
    assert [row["accepted"] + row["duplicate"] + row["quarantined"] for row in rows] == [len(lines), len(lines)]


def project(name: str, start: str = "2024-01-01", end: str = "2033-12-31") -> dict[str, str]:
    return {
        "project_id": name, "project_name": f"合成项目 {name}", "owner_id": "name:Synthetic Owner", "methodology_code": "CCER-01-001-V01",
        "province_code": "110000", "registered_on": "2025-01-01", "crediting_start": start, "crediting_end": end,
        "estimated_annual_t_co2e": "1000", "facility_id": "",
    }  # fmt: skip


def issuance(name: str, of: str, start: str = "2024-01-01", end: str = "2024-12-31", tonnes: str = "100") -> dict[str, str]:
    return {
        "issuance_id": name, "project_id": of, "monitoring_start": start, "monitoring_end": end,
        "quantity_t_co2e": tonnes, "issued_on": "2025-06-01",
    }  # fmt: skip


def cancellation(name: str, of: str, tonnes: str) -> dict[str, str]:
    return {
        "cancellation_id": name, "issuance_id": of, "quantity_t_co2e": tonnes, "cancelled_on": "2025-07-01",
        "purpose": "voluntary", "beneficiary_id": "", "compliance_year": "",
    }  # fmt: skip


def test_what_waited_frees_what_waited_for_it_and_is_judged_by_every_rule(warehouse: Warehouse) -> None:
    """A registry that reports backwards: cancellations, then their issuances, then the projects."""
    warehouse.put(
        "ccer_cancellation", "a.csv", [cancellation("C1", "I1", "60"), cancellation("C2", "I1", "60"), cancellation("C3", "I2", "1")]
    )
    warehouse.put("ccer_cancellation", "b.csv", [cancellation("C4", "I1", "40"), cancellation("C5", "I9", "1")])
    warehouse.put("ccer_issuance", "a.csv", [issuance("I1", "P1"), issuance("I2", "P1", end="2024-06-30"), issuance("I3", "P2")])
    backwards = ["ccer_cancellation", "ccer_issuance", "ccer_project"]
    assert verdicts(warehouse.intake.take_inbox(backwards)) == ["waiting"] * 3
    warehouse.put("ccer_project", "a.csv", [project("P1"), project("P2", start="2025-01-01")])
    warehouse.intake.take_inbox(backwards)
    kept = {source: [row.split("'")[3] for row in rows] for source, rows in warehouse.landed().items()}
    assert kept["ccer_issuance"] == ["I1"]  # the second shares its days with the first, the third lies outside its project's crediting
    assert kept["ccer_cancellation"] == ["C1", "C4"]  # 60 + 60 is more than 100; what comes later may take what is left
    assert warehouse.counts()["ccer_issuance"] == {"accepted": 1, "quarantined": 2, "waiting": 0}
    assert warehouse.counts()["ccer_cancellation"] == {"accepted": 2, "quarantined": 3, "waiting": 2}
    # Why they were refused is told, in place of what they had waited for.
    with duckdb.connect() as con:
        assert show_quarantine(con, warehouse.settings, warehouse.ledger, warehouse.ledger.quarantine_files())
        told = con.execute(
            "select source, typed->>'$.issuance_id', _row_number, verdict, codes from quarantined where state = 'open'"
        ).fetchall()
    assert sorted(told) == [
        ("ccer_cancellation", "I1", 2, "quarantined", ["over_cancelled"]),
        ("ccer_cancellation", "I2", 3, "waiting", ["orphan"]),
        ("ccer_cancellation", "I9", 2, "waiting", ["orphan"]),
        ("ccer_issuance", "I2", 2, "quarantined", ["overlap"]),
        ("ccer_issuance", "I3", 3, "quarantined", ["outside_crediting"]),
    ]


def test_an_inbox_is_taken_in_the_order_in_which_sources_ask_for_each_other(warehouse: Warehouse) -> None:
    warehouse.put("ccer_cancellation", "a.csv", [cancellation("C1", "I1", "100")])
    warehouse.put("ccer_issuance", "a.csv", [issuance("I1", "P1")])
    warehouse.put("ccer_project", "a.csv", [project("P1")])
    assert verdicts(warehouse.intake.take_inbox()) == ["accepted"] * 3


# Interrupted


def fill(warehouse: Warehouse, enterprises: Rows, lines: Rows, disclosures: Rows) -> None:
    warehouse.put("enterprise", "a.csv", enterprises)
    warehouse.put("footprint_activity", "a.csv", lines[: len(lines) // 2])
    warehouse.put("footprint_activity", "b.csv", lines[len(lines) // 2 :])
    # Half of the disclosures are in the first file: what waits is settled in two steps.
    warehouse.put("product_footprint", "a.csv", disclosures[::2])
    warehouse.put("product_footprint", "b.csv", disclosures[1::2])


@pytest.mark.slow
def test_killed_at_any_step_the_next_run_ends_the_same(
    tmp_path: Path,
    open_warehouse: Callable[[Path], Warehouse],
    die_at: Callable[..., None],
    enterprises: Rows,
    lines: Rows,
    disclosures: Rows,
) -> None:
    base = open_warehouse(tmp_path / "base")
    fill(base, enterprises, lines, disclosures)
    base.ledger.close()
    sent = {hash_of(path) for path in base.settings.inbox.rglob("*.csv")}
    steps = {step: copy_data(base.data, tmp_path / str(number)) for number, step in enumerate(TAKE_STEPS)}
    whole = open_warehouse(copy_data(base.data, tmp_path / "whole"))
    whole.intake.take_inbox()
    assert len(whole.landed()["footprint_activity"]) == len(lines)
    die_at("take", steps)
    for step, data in steps.items():
        again = open_warehouse(data)
        assert sent <= {hash_of(path) for path in data.rglob("*") if path.is_file()}, step  # in the inbox still, or safe
        again.intake.take_inbox()
        assert again.landed() == whole.landed(), step
        assert again.counts() == whole.counts(), step
        assert not any(path.is_file() for path in (data / "inbox").rglob("*")), step
        assert again.ledger.audit_faults() == [], step
        assert again.ledger.pending() == [], step
        again.ledger.close()


def test_file_that_could_not_be_removed_once_entered_is_one_delivery_still(
    warehouse: Warehouse, disclosures: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a row to refuse: the same bytes as a delivery of their own would be judged again, and the row refused twice."""
    path = warehouse.put("product_footprint", "a.csv", [*disclosures, disclosures[0] | {"disclosure_id": "bad", "total_kg_co2e": "-1"}])

    remove = Path.unlink

    def fail(place: Path, missing_ok: bool = False) -> None:
        if place == path:
            raise OSError(errno.EIO, "the disk")
        remove(place, missing_ok)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", fail)
        with pytest.raises(OSError, match="the disk"):
            warehouse.intake.take_inbox()
    assert path.exists() and len(warehouse.ledger.pending()) == 1
    warehouse.intake.take_inbox()
    assert not path.exists()
    assert [row["quarantined"] - row["waiting"] for row in warehouse.ledger.deliveries()] == [1]


def test_refusal_interrupted_before_it_was_written_down_blocks_nothing(warehouse: Warehouse, enterprises: Rows) -> None:
    warehouse.ledger.receive("", "enterprise", "link.csv", 0, warehouse.country.stage("first")[0].received_at, None)
    warehouse.put("enterprise", "a.csv", enterprises)
    assert sorted(verdicts(warehouse.intake.take_inbox())) == ["accepted", "rejected"]


# Unsafe


def test_inbox_file_is_gone_only_once_its_bytes_are_safe(warehouse: Warehouse, enterprises: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    path = warehouse.put("enterprise", "a.csv", enterprises)
    content = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ingest.delivery.os.fsync", fail)
        with pytest.raises(OSError, match="No space"):
            warehouse.intake.take_inbox()
    assert path.read_bytes() == content
    assert not any(item.is_file() for item in (warehouse.data / "deliveries").rglob("*"))
    assert verdicts(warehouse.intake.take_inbox()) == ["accepted"]
    assert not path.exists()


@pytest.mark.parametrize("kind", ["pipe", "link", "dangling link", "link to a folder"])
def test_anything_but_a_regular_file_is_refused_and_set_aside(warehouse: Warehouse, tmp_path: Path, enterprises: Rows, kind: str) -> None:
    secret = warehouse.write(enterprises, tmp_path / "outside.csv")
    path = warehouse.settings.inbox / "enterprise" / "20260101_x.csv"
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"link": secret, "dangling link": tmp_path / "nowhere", "link to a folder": tmp_path}[kind])
    (receipt,) = warehouse.intake.take_inbox()
    assert receipt["verdict"] == "rejected"
    assert [reason["code"] for reason in receipt["reasons"]] == ["unsafe"]
    assert list(path.parent.iterdir()) == []
    assert [item.name.endswith("20260101_x.csv") for item in (warehouse.data / "refused").iterdir()] == [True]
    assert secret.exists()
    assert not any(item.is_file() for item in warehouse.settings.deliveries.rglob("*"))
    assert warehouse.intake.take_inbox() == []


@pytest.mark.parametrize("name", ["a.csv.part", "~$a.csv", ".a.csv", "a.csv.crdownload"])
def test_half_copied_file_is_left_alone(warehouse: Warehouse, enterprises: Rows, name: str) -> None:
    path = warehouse.put("enterprise", name, enterprises)
    assert warehouse.intake.take_inbox() == []
    assert path.exists()


# At once, and again


def test_two_that_take_one_inbox_lose_and_double_nothing(
    tmp_path: Path, open_warehouse: Callable[[Path], Warehouse], enterprises: Rows, lines: Rows, disclosures: Rows
) -> None:
    both = open_warehouse(tmp_path / "both")
    fill(both, enterprises, lines, disclosures)
    for number in range(20):
        both.put("enterprise", f"more_{number:02d}.csv", [enterprises[number] | {"enterprise_name": f"示范{number}（合成）"}])
    both.ledger.close()
    alone = open_warehouse(copy_data(both.data, tmp_path / "alone"))
    alone.intake.take_inbox()
    command = [str(Path(sys.executable).with_name("tanlian")), "--json", "land"]
    environment = os.environ | {"TANLIAN_DATA": str(both.data)}
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        _, said = process.communicate(timeout=1_800)
        assert process.returncode == 0, said
    after = open_warehouse(both.data)
    assert after.landed() == alone.landed()
    assert after.counts() == alone.counts()
    assert len(after.ledger.deliveries()) == len(alone.ledger.deliveries()) == 25
    assert after.ledger.audit_faults() == []


@pytest.mark.slow
def test_everything_delivered_again_in_another_order_changes_nothing(warehouse: Warehouse, country: Country) -> None:
    sent = country.stage("first") + country.stage("second")
    for one in sent:
        warehouse.take(one)
    before = warehouse.landed(), [warehouse.ledger.landing_files(source) for source in warehouse.intake.contracts]
    again = list(sent)
    random.Random(1).shuffle(again)
    for one in again:
        (receipt,) = warehouse.take(one)
        assert receipt["counts"]["accepted"] == 0, one.path.name
    assert (warehouse.landed(), [warehouse.ledger.landing_files(source) for source in warehouse.intake.contracts]) == before
