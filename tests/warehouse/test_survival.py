"""Deliver, land and release killed at random moments, on a full disk, with failing calls, and twice at once: the release in force is whole at
every moment, and the next run ends as if nothing had happened. Short here; long ones behind `soak`, with their figures.
"""

from __future__ import annotations

import json
import logging
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from warehouse.custody.chain import MANIFEST
from warehouse.custody.verification import verify_ledger, verify_release
from warehouse.intake import MOST_ATTEMPTS
from warehouse.ledger import Ledger
from warehouse.release import current_release, read_manifest, roll_back

from .conftest import SURVIVING, Base, Country, Open, Order, Warehouse, check_whole, copied

pytestmark = pytest.mark.xdist_group("survival")
Tell = Callable[..., None]
KILLED, BROKEN_DISK = -9, 4
log = logging.getLogger(__name__)


def check_ended_the_same(warehouse: Warehouse, base: Base) -> None:
    """After a run to the end: rows, counts, marts and chains are those of the undisturbed run."""
    folder = current_release(warehouse.settings)
    assert folder is not None
    assert read_manifest(folder)["marts"] == base.marts
    assert warehouse.landed() == base.landed
    assert warehouse.counts() == base.counts
    assert verify_release(folder).faults == []
    assert verify_ledger(warehouse.ledger, warehouse.settings.releases).faults == []
    left = [path.name for path in warehouse.settings.releases.iterdir() if path.name.startswith(".making")]
    assert left == [] and not [path for path in warehouse.settings.inbox.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kills", [3, pytest.param(300, marks=pytest.mark.soak)])
def test_killed_at_random_moments_it_ends_the_same(
    kills: int, base: Base, survival_files: Path, order: Order, open_warehouse: Open, tmp_path: Path, tell: Tell
) -> None:
    """Groups of kills of one data directory, one after another, then a run to the end: fewer than the starts after which a file is put aside."""
    draw = random.Random(kills)
    done = rounds = old = new = 0
    longest = base.seconds
    before = read_manifest((base.data / "releases/current").resolve())["release_id"]
    while done < kills:
        data = copied(base.data, tmp_path / f"round_{rounds}")
        for _ in range(min(MOST_ATTEMPTS - 1, kills - done)):
            ended = order(data, survival_files, kill_after=draw.uniform(0, longest * 1.1))
            if ended["code"] != KILLED:
                assert ended["code"] == 0
                break
            done += 1
            seen = check_whole(data)
            old, new = old + (seen == before), new + (seen != before)
            if seen != before:
                assert read_manifest((data / "releases/current").resolve())["marts"] == base.marts
        ended = order(data, survival_files)
        assert ended["code"] == 0
        # On a machine that has become busier, kills must still reach the end of a run.
        longest = max(longest, ended["seconds"])
        warehouse = open_warehouse(data)
        check_ended_the_same(warehouse, base)
        warehouse.ledger.close()
        shutil.rmtree(data)
        rounds += 1
        log.info("%d kills in %d rounds: %d saw the old release, %d the new one", done, rounds, old, new)
    tell(kills=done, rounds=rounds, seen_old=old, seen_new=new, ended_otherwise=0)


@pytest.mark.parametrize("stride", [41, pytest.param(1, marks=pytest.mark.soak)])
def test_every_failing_call_leaves_a_whole_release_and_the_next_run_ends_the_same(
    stride: int, base: Base, survival_files: Path, order: Order, open_warehouse: Open, tmp_path: Path, tell: Tell
) -> None:
    """Each rename, sync, link, folder and removal fails once, in turn, with an I/O error or for want of space."""
    assert base.calls > 30
    failed = 0
    for at in range(1 + stride // 2, base.calls + 1, stride):
        data = copied(base.data, tmp_path / f"call_{at}")
        ended = order(data, survival_files, fail={"at": at, "error": ("EIO", "ENOSPC")[at % 2]})
        failed += ended["code"] == BROKEN_DISK
        check_whole(data)
        assert order(data, survival_files)["code"] == 0
        warehouse = open_warehouse(data)
        check_ended_the_same(warehouse, base)
        warehouse.ledger.close()
        shutil.rmtree(data)
        log.info("call %d of %d failed", at, base.calls)
    assert failed > 0
    tell(calls=base.calls, tried=len(range(1 + stride // 2, base.calls + 1, stride)), stopped_the_run=failed, ended_otherwise=0)


def mount(place: Path, size: int) -> bool:
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(place)], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.parametrize("steps", [2, pytest.param(25, marks=pytest.mark.soak)])
def test_full_disk_leaves_a_whole_release_and_with_room_it_ends_the_same(
    steps: int, base: Base, survival_files: Path, order: Order, open_warehouse: Open, tmp_path: Path, tell: Tell
) -> None:
    """A file system of its own, with less and less room beyond what is there; then it grows and the run is made again."""
    used = sum(path.stat().st_size for path in base.data.rglob("*") if path.is_file() and not path.is_symlink()) // 1024 + 1024
    if not mount(tmp_path / "disk", used):
        pytest.skip("a small file system cannot be mounted here")
    subprocess.run(["umount", str(tmp_path / "disk")], check=True)
    full = 0
    for step in range(steps):
        assert mount(tmp_path / "disk", used + 16_000 * step // steps)
        try:
            data = copied(base.data, tmp_path / "disk" / "data")
            full += order(data, survival_files)["code"] == BROKEN_DISK
            check_whole(data)
            subprocess.run(["mount", "-o", "remount,size=512m", str(tmp_path / "disk")], check=True)
            assert order(data, survival_files)["code"] == 0
            warehouse = open_warehouse(data)
            check_ended_the_same(warehouse, base)
            warehouse.ledger.close()
            log.info("%d sizes, %d of them too small", step + 1, full)
        finally:
            subprocess.run(["umount", "-l", str(tmp_path / "disk")], check=True)
    assert full > 0
    tell(sizes=steps, full=full, ended_otherwise=0)


@pytest.mark.parametrize("times", [1, pytest.param(30, marks=pytest.mark.soak)])
def test_two_schedulers_at_once_lose_and_double_nothing(
    times: int, base: Base, survival_files: Path, open_warehouse: Open, tmp_path: Path, tell: Tell
) -> None:
    """Two that land and two that release, started together, each a process of its own."""
    for number in range(times):
        data = copied(base.data, tmp_path / f"time_{number}")
        orders = [["land"], ["release"], ["land"], ["land", "release"]]
        started = []
        for verbs in orders:
            server = subprocess.Popen([sys.executable, str(SURVIVING)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert server.stdin
            server.stdin.write(json.dumps({"data": str(data), "files": str(survival_files), "verbs": verbs}) + "\n")
            started.append(server)
        for server in started:
            assert server.stdin
            server.stdin.flush()
        answers = [json.loads(server.communicate(timeout=3_600)[0]) for server in started]
        assert [answer["code"] for answer in answers] == [0, 0, 0, 0]
        warehouse = open_warehouse(data)
        check_ended_the_same(warehouse, base)
        names = [row["file"] for row in warehouse.ledger.deliveries()]
        assert sorted(names) == ["again.csv", "disclosures.csv", "first.csv", "lines.csv", "more.csv"]
        warehouse.ledger.close()
        shutil.rmtree(data)
        log.info("%d times", number + 1)
    tell(times=times, lost_or_doubled=0)


@dataclass
class Reader:
    """Reads the release in force over and over, as a dashboard does, and keeps what was not whole."""

    data: Path
    reads: int = 0
    faults: tuple[str, ...] = ()
    seen: frozenset[str] = frozenset()

    def read(self) -> None:
        """Totals of all files of one release: they follow from each other, so a half release would not add up."""
        folder = (self.data / "releases/current").resolve(strict=True)
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        totals = []
        for name in ("ministry", "public", "region_320000"):
            with duckdb.connect(str(folder / f"{name}.duckdb"), read_only=True) as con:
                totals.append(
                    con.execute("select sum(row_count), min(s.release_id) from marts.landed, marts.release__summary s").fetchone()
                )
        accepted = sum(entry["row_count"] for entry in manifest["deliveries"])
        if set(totals) != {(accepted, folder.name)} or manifest["release_id"] != folder.name:
            self.faults = (*self.faults, f"{folder.name}: {totals} {accepted}")
        self.seen = self.seen | {folder.name}
        self.reads += 1

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.read()
            except (OSError, duckdb.Error, ValueError, KeyError) as error:
                self.faults = (*self.faults, repr(error))


@pytest.mark.parametrize(("releases", "rollbacks"), [(2, 1), pytest.param(100, 10, marks=pytest.mark.soak)])
def test_readers_see_whole_releases_only_while_they_change(
    releases: int,
    rollbacks: int,
    base: Base,
    survival_files: Path,
    order: Order,
    open_warehouse: Open,
    country: Country,
    tmp_path: Path,
    tell: Tell,
) -> None:
    """Two readers while releases are published and rolled back; every switch changes all files at once."""
    warehouse = open_warehouse(copied(base.data, tmp_path / "data"))
    readers, stop = [Reader(warehouse.data), Reader(warehouse.data)], threading.Event()
    threads = [threading.Thread(target=reader.run, args=(stop,)) for reader in readers]
    for thread in threads:
        thread.start()
    switches = []
    rows = country.rows("enterprise")
    try:
        for number in range(releases):
            changed = rows[number % len(rows)] | {"enterprise_name": f"企业 {number}"}
            warehouse.put("enterprise", f"change_{number}.csv", [changed])
            assert order(warehouse.data, survival_files)["code"] == 0
            if number % (releases // rollbacks) == releases // rollbacks - 1:
                was = check_whole(warehouse.data)
                began = time.perf_counter()
                _, restored = roll_back(warehouse.settings, warehouse.ledger)
                switches.append(time.perf_counter() - began)
                assert check_whole(warehouse.data) == restored != was
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [fault for reader in readers for fault in reader.faults] == []
    assert len(switches) == rollbacks and all(reader.reads > releases for reader in readers)
    assert len(readers[0].seen | readers[1].seen) > 1
    worst = max(switches)
    tell(
        releases=releases,
        rollbacks=rollbacks,
        reads=sum(reader.reads for reader in readers),
        faults=0,
        slowest_rollback_ms=round(worst * 1000, 1),
    )


def test_pointer_never_names_nothing(base: Base, tmp_path: Path, tell: Tell) -> None:
    """The switch itself: ten thousand looks while the pointer goes back and forth find one of the two, every time."""
    data = copied(base.data, tmp_path / "data")
    releases = data / "releases"
    (folder,) = [path for path in releases.iterdir() if path.is_dir() and not path.is_symlink()]
    other = copied(folder, releases / "other")
    code = (
        "import sys; from pathlib import Path; from warehouse.release import point_to; from warehouse.settings import Settings\n"
        "settings = Settings(data=Path(sys.argv[1]))\n"
        "while True:\n    [point_to(settings, name) for name in sys.argv[2:]]"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(data), folder.name, other.name]) as switching:
        seen: dict[str, int] = {}
        while len(seen) < 2 or sum(seen.values()) < 10_000:
            found = str((releases / "current").readlink())
            assert (releases / found / MANIFEST).is_file()
            seen[found] = seen.get(found, 0) + 1
        switching.kill()
    assert set(seen) == {folder.name, other.name}


def test_ledger_is_whole_after_it_was_killed(base: Base) -> None:
    """The base itself came about through real processes."""
    ledger = Ledger(base.data / "ledger.sqlite")
    assert ledger.audit_faults() == [] and ledger.told_otherwise() == []
    ledger.close()
