"""The ledger: an audit chain in which every change shows, counts that add up, and writers that queue."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from warehouse.ledger import Ledger

NOON = datetime(2026, 3, 1, 4)
WITHOUT_TRIGGERS = "drop trigger audit_is_not_changed; drop trigger audit_is_not_deleted;"


def receive_many(path: Path, worker: int, count: int) -> None:
    """Enter files as fast as the ledger takes them; run in a process of its own."""
    ledger = Ledger(path)
    for number in range(count):
        ledger.receive(f"{worker}-{number}", "enterprise", f"{worker}-{number}.csv", 1, NOON, None)
    ledger.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with twelve audit entries."""
    receive_many(tmp_path / "ledger.sqlite", 0, 12)
    return tmp_path / "ledger.sqlite"


def tamper(path: Path, statements: str) -> list[int]:
    """Change the file behind the ledger's back, as somebody with a SQLite shell would; gives the entries that the ledger then doubts."""
    connection = sqlite3.connect(path)
    connection.executescript(WITHOUT_TRIGGERS + statements)
    connection.close()
    return Ledger(path).audit_faults()


def test_untouched_chain_has_no_faults(path: Path) -> None:
    assert Ledger(path).audit_faults() == []


@pytest.mark.parametrize("column", ["at", "event", "subject", "payload", "previous_hash", "hash"])
def test_changed_entry_is_found(path: Path, column: str) -> None:
    faults = tamper(path, f"update audit set {column} = {column} || 'x' where id = 5")
    assert faults[0] == 5


def test_every_dropped_entry_is_found(path: Path) -> None:
    for number in range(1, 13):
        copy = path.with_name(f"{number}.sqlite")
        sqlite3.connect(path).execute("vacuum into ?", (str(copy),))
        assert tamper(copy, f"delete from audit where id = {number}") == [number + 1 if number < 12 else 12]


def test_swapped_entries_are_found(path: Path) -> None:
    swapped = "update audit set id = 100 where id = 4; update audit set id = 4 where id = 5; update audit set id = 5 where id = 100"
    assert {4, 5} <= set(tamper(path, swapped))


def test_entry_rewritten_with_a_fitting_hash_of_its_own_breaks_the_next(path: Path) -> None:
    from warehouse.ledger import _entry_hash

    entry = Ledger(path)._rows("select * from audit where id = 5")[0]
    forged = _entry_hash(entry["at"], entry["event"], "enterprise/other.csv", entry["payload"], entry["previous_hash"])
    assert tamper(path, f"update audit set subject = 'enterprise/other.csv', hash = '{forged}' where id = 5") == [6]


def test_cut_end_of_the_chain_is_found(path: Path) -> None:
    assert tamper(path, "delete from audit where id > 8") == [9, 10, 11, 12]


def test_cut_end_is_found_even_with_the_counter_set_back(path: Path) -> None:
    assert tamper(path, "delete from audit where id > 8; update sqlite_sequence set seq = 8 where name = 'audit'") == [9, 10, 11, 12]


def test_emptied_chain_is_found(path: Path) -> None:
    assert tamper(path, "delete from audit") == list(range(1, 13))


@pytest.mark.parametrize(
    "statement", ["update audit set subject = 'x' where id = 3", "delete from audit where id = 3", "delete from audit"]
)
def test_audit_log_refuses_changes(path: Path, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        sqlite3.connect(path, isolation_level=None).execute(statement)


def test_two_processes_receiving_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=receive_many, args=(path, worker, 60)) for worker in (1, 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    ledger = Ledger(path)
    rows = ledger.deliveries()
    assert sorted(row["delivery_id"] for row in rows) == sorted(f"{worker}-{number}" for worker in (1, 2) for number in range(60))
    assert sorted(row["sequence"] for row in rows) == list(range(1, 121))
    assert ledger.audit_faults() == []


@pytest.mark.parametrize("verdicts", [{"received": 5, "accepted": 4}, {"received": 5, "accepted": 5, "quarantined": 1}, {"accepted": 1}])
def test_counts_that_do_not_add_up_are_not_stored(path: Path, verdicts: dict[str, int]) -> None:
    ledger = Ledger(path)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        ledger.settle(1, "landed", "accepted", verdicts, {}, [(Path("landing/enterprise/x.parquet"), 1)])
    assert ledger.delivery(1)["status"] == "received"
    assert ledger.landing_files("enterprise") == []
    assert len(ledger._rows("select id from audit")) == 12


def test_failed_transaction_leaves_nothing(path: Path) -> None:
    ledger = Ledger(path)
    steps: list[Callable[[], object]] = [
        lambda: ledger.record_gate("release:x", {"suite": "marts.ets"}),
        lambda: ledger.settle(99, "landed", "accepted", {}, {}, []),
        lambda: ledger.settle(1, "unknown", "accepted", {}, {}, []),
    ]
    for step in steps:
        with pytest.raises((KeyError, IndexError, sqlite3.IntegrityError)):
            step()
    assert ledger.gates("release:x") == []
    assert len(ledger._rows("select id from audit")) == 12
