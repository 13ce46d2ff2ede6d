"""Releases that a person withdrew: how they come back, what stands in the way, and what the ledger tells of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from warehouse.custody.verification import verify_ledger
from warehouse.release import NotRestorable, restore_release, roll_back
from warehouse.release import _repair as finish_run

from .planted import Files, Room, plant_files

pytestmark = pytest.mark.xdist_group("custody")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return plant_files(tmp_path_factory.mktemp("withdrawn"))


def refused(room: Room, release_id: str) -> tuple[str, list[str]]:
    was = room.in_force, room.ledger.audit_head()
    with pytest.raises(NotRestorable) as caught:
        restore_release(room.settings, room.ledger, release_id)
    assert was == (room.in_force, room.ledger.audit_head())
    return caught.value.code, caught.value.names


@pytest.fixture
def room(files: Files, tmp_path: Path) -> Room:
    return Room(tmp_path / "data", files)


def test_withdrawn_releases_come_back_one_by_one_and_the_chain_tells_it(room: Room) -> None:
    first, second, third = room.names
    assert roll_back(room.settings, room.ledger) == (third, second)
    assert roll_back(room.settings, room.ledger) == (second, first)
    entries = room.ledger.audit_head()["entry_count"]
    for name in (second, third):
        restore_release(room.settings, room.ledger, name)
        assert room.in_force == name
        finish_run(room.settings, room.ledger)  # what every run begins with leaves it so
        assert room.in_force == name
    assert {row["status"] for row in room.ledger.releases()} == {"published"}
    told = [(row["event"], row["subject"]) for row in room.ledger._rows("select * from audit where id > ? order by id", [entries])]
    assert told == [("restored", second), ("restored", third)]
    assert verify_ledger(room.ledger, room.settings.releases).faults == []


def test_what_stands_in_the_way_is_said_and_nothing_changes(room: Room) -> None:
    first, second, third = room.names
    assert refused(room, third) == ("not_withdrawn", []), "it is in force"
    roll_back(room.settings, room.ledger)
    roll_back(room.settings, room.ledger)
    assert refused(room, "nothing") == ("not_withdrawn", [second, third])
    restore_release(room.settings, room.ledger, third)
    assert refused(room, second) == ("overtaken", [third])
    roll_back(room.settings, room.ledger)
    (room.settings.releases / second / "public.duckdb").chmod(0o644)
    with (room.settings.releases / second / "public.duckdb").open("r+b") as stream:
        stream.write(b"x")
    assert refused(room, second) == ("damaged", ["changed public.duckdb"])
    assert room.in_force == first


def test_killed_between_ledger_and_pointer_it_is_finished_by_the_next_run(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    _, second, third = room.names
    roll_back(room.settings, room.ledger)
    with monkeypatch.context() as patch:
        patch.setattr("warehouse.release.point_to", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            restore_release(room.settings, room.ledger, third)
    assert room.in_force == second
    finish_run(room.settings, room.ledger)
    assert room.in_force == third


def test_commands_say_the_way_back(room: Room, tanlian: Run) -> None:
    data, (_, second, third) = room.settings.data, room.names
    room.ledger.close()
    told = tanlian(data, "release", "rollback").stdout
    assert f"rolled back to {second}" in told and f"tanlian release restore {third}" in told
    refused = tanlian(data, "--lang", "zh", "release", "restore", "x")
    assert refused.returncode == 2 and refused.stderr.endswith(f"可恢复的有：{third}\n")
    done = tanlian(data, "--lang", "zh", "release", "restore", third)
    assert (done.returncode, done.stdout) == (0, f"{third} 重新生效\n")
    assert room.in_force == third
