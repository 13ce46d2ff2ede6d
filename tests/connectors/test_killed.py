"""Killed at any point, a pull loses nothing and doubles nothing: the next one ends as if nothing had happened."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.connectors import placing
from ingest.connectors.listed import FolderStore
from ingest.connectors.memory import Memory

from .conftest import Room

COUNT = 6
KILLED = 137


def die(*_: object, **__: object) -> None:
    os._exit(KILLED)


def at_call(owner: Any, name: str, number: int, is_after: bool = False) -> Callable[[], None]:
    """Die at the n-th call of a function, before or right after it."""

    def arm() -> None:
        real, calls = getattr(owner, name), [0]

        def counted(*values: Any, **named: Any) -> Any:
            calls[0] += 1
            if calls[0] == number and not is_after:
                die()
            result = real(*values, **named)
            if calls[0] == number:
                die()
            return result

        setattr(owner, name, counted)

    return arm


STEPS = {
    "before the bytes are copied": at_call(FolderStore, "chunks", 2),
    "before the bytes are looked at again": at_call(FolderStore, "look", 2),
    "before it is entered": at_call(Memory, "enter", 2),
    "entered, without its name": at_call(placing.Placer, "_name", 2),
    "named, not yet on disk": at_call(placing, "sync_folder", 2),
    "named, not yet confirmed": at_call(Memory, "confirm", 2),
    "confirmed": at_call(Memory, "confirm", 2, is_after=True),
    "before the end is noted": at_call(Memory, "end_pull", 1),
}


@pytest.fixture
def watched(tmp_path: Path, room: Room) -> Path:
    folder = tmp_path / "watched"
    folder.mkdir()
    for number in range(COUNT):
        (folder / f"{number}.csv").write_bytes(f"{number}\n".encode() * 300_000)
    room.declare("share", kind="folder", path=str(folder), settle_seconds=0)
    return folder


def start(room: Room, arm: Callable[[], None] | None = None) -> int:
    """A pull in a child that ends as itself, whatever happens to it."""
    child = os.fork()
    if child == 0:
        try:
            if arm is not None:
                arm()
            room.pull("share")
            os._exit(0)
        finally:
            os._exit(1)
    return child


def take_some(room: Room, share: float, dice: random.Random, taken: list[str]) -> None:
    """What `land` does to the inbox: the bytes are kept by their hash, the name is gone."""
    folder = room.data / "inbox" / "some_source"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.name.startswith(".") and dice.random() < share:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            kept = room.data / "deliveries" / digest[:2] / digest
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.rename(kept)
            taken.append(digest)


def assert_each_once(room: Room, watched: Path, taken: list[str]) -> None:
    assert room.pull("share").faults == ()
    got = sorted(taken + [hashlib.sha256(content).hexdigest() for content in room.inbox()])
    assert got == sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in watched.iterdir())
    assert room.leftovers() == []
    assert room.pull("share").outcome == "nothing_new"


@pytest.mark.parametrize("is_taken", [False, True], ids=["left", "taken"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_each_file_still_comes_once(step: str, is_taken: bool, room: Room, watched: Path) -> None:
    _, status = os.waitpid(start(room, STEPS[step]), 0)
    assert os.waitstatus_to_exitcode(status) == KILLED, "a step that was never reached is no step"
    taken: list[str] = []
    take_some(room, 1.0 if is_taken else 0.0, random.Random(1), taken)
    assert_each_once(room, watched, taken)


def test_killed_at_random_moments_each_file_still_comes_once(room: Room, watched: Path) -> None:
    dice, taken, killed = random.Random(20261122), [], 0
    for _ in range(40):
        child = start(room)
        time.sleep(dice.random() * 0.04)
        os.kill(child, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        take_some(room, 0.3, dice, taken)
    assert killed > 3
    assert_each_once(room, watched, taken)


def test_an_entered_file_that_is_gone_everywhere_is_fetched_again(room: Room, watched: Path) -> None:
    os.waitpid(start(room, STEPS["entered, without its name"]), 0)
    for part in (room.data / "inbox" / "some_source").glob(".*"):
        part.unlink()
    assert_each_once(room, watched, [])


def test_an_entered_file_is_not_lost_when_the_remote_removes_it(room: Room, watched: Path) -> None:
    os.waitpid(start(room, STEPS["entered, without its name"]), 0)
    wanted = [path.read_bytes() for path in sorted(watched.iterdir())]
    (watched / "1.csv").unlink()
    assert room.pull("share").faults == ()
    assert sorted(room.inbox()) == wanted and room.leftovers() == []


def test_two_pulls_at_once_double_nothing(room: Room, watched: Path) -> None:
    children = [start(room) for _ in range(4)]
    assert {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children} == {0}
    assert_each_once(room, watched, [])
