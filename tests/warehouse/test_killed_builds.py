"""Real releases killed while dbt is building: the release in force stays whole, nothing of dbt goes on, the next run ends the same.

dbt is met at random moments of its own work, by signals to the whole process group, and to `tanlian` alone: what a closed terminal, a
scheduler and the kernel short of memory do.
"""

from __future__ import annotations

import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest

from expectations.gate import Gatekeeper
from warehouse.release import current_release, read_manifest, release
from warehouse.settings import parse_instant
from warehouse.tether import tethered

from .conftest import SECOND, Country, Open, Published, check_whole, copy_data

pytestmark = [pytest.mark.xdist_group("release"), pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
_PROGRESS = re.compile(r"(\d+) of (\d+) START")
log = logging.getLogger(__name__)


def find_dbt(data: Path) -> list[psutil.Process]:
    """Every dbt that works below a data directory, whoever its parent is by now."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if (
            any(str(data) in part for part in line)
            and "build" in line
            and "--project-dir" in line
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ):
            found.append(process)
    return found


def wait_until(reached: Callable[[], object], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if reached():
            return True
        time.sleep(0.01)
    return False


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended, though nobody may have asked how."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@dataclass
class Started:
    """`tanlian` at work in a process group of its own."""

    data: Path
    process: subprocess.Popen[bytes]

    def end(self, number: signal.Signals, whole_group: bool) -> None:
        """Signal `tanlian`, alone or with all its group, and see that nothing of dbt is left a moment later."""
        if whole_group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        assert self.process.wait(30) == -number
        assert wait_until(lambda: not find_dbt(self.data), 10), [process.cmdline() for process in find_dbt(self.data)]


def start(data: Path, *arguments: str) -> Started:
    """`tanlian` on a data directory, met when dbt has begun; the group keeps what it says from the terminal."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TANLIAN_")}
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("tanlian")), *arguments],
        env=plain | {"TANLIAN_DATA": str(data), "TANLIAN_LANG": "en", "TANLIAN_THREADS": "2"},
        cwd=ROOT,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert wait_until(lambda: find_dbt(data) or process.poll() is not None, 300)
    assert process.poll() is None, "it ended before dbt began"
    return Started(data, process)


ENDS = [(signal.SIGKILL, True), (signal.SIGTERM, False), (signal.SIGKILL, False), (signal.SIGHUP, True), (signal.SIGTERM, True)]


def share_done(data: Path) -> float:
    """How far the newest dbt is: the share of its nodes that it has begun; 0 while it still reads the project."""
    logs = sorted((data / "builds").glob("*/logs/dbt.log"))
    found = _PROGRESS.findall(logs[-1].read_text(encoding="utf-8", errors="replace")) if logs else []
    return int(found[-1][0]) / int(found[-1][1]) if found else 0.0


def kill_inside(data: Path, share: float, wait: float, number: signal.Signals, whole_group: bool) -> float | None:
    """End a release once dbt has begun a share of its nodes and a moment has passed; gives the share, or None where dbt was quicker."""
    started = start(data, "release", "--as-of", SECOND)
    wait_until(lambda: share_done(data) >= share or not find_dbt(data), 900)
    time.sleep(wait)
    reached = share_done(data)
    if not find_dbt(data):
        started.process.kill()
        started.process.wait(30)
        return None
    started.end(number, whole_group)
    return reached


@pytest.mark.parametrize("kills", [2, pytest.param(40, marks=pytest.mark.soak)])
def test_release_killed_while_dbt_builds_ends_the_same(
    kills: int, published: Published, tmp_path: Path, open_warehouse: Open, gatekeeper: Gatekeeper, tell: Callable[..., None]
) -> None:
    """Groups of up to five kills of one data directory, then a run to the end."""
    draw = random.Random(kills)
    expected = read_manifest((published.after / "releases/current").resolve())
    old = check_whole(published.before)
    shares: list[float] = []
    rounds = 0
    while len(shares) < kills:
        data = copy_data(published.before, tmp_path / f"round_{rounds}")
        shutil.rmtree(data / "builds", ignore_errors=True)
        rounds += 1
        assert rounds <= kills, "dbt is quicker than it can be killed"
        for _ in range(min(5, kills - len(shares))):
            # Every other moment lies in the reading of the project, where nothing has been built yet.
            share = draw.uniform(0.02, 0.5 if kills < 5 else 0.98) if len(shares) % 2 else 0.0
            reached = kill_inside(data, share, draw.uniform(0, 2.0 if share == 0 else 0.2), *ENDS[len(shares) % len(ENDS)])
            if reached is None:
                break
            assert check_whole(data) == old
            shares.append(reached)
        else:
            warehouse = open_warehouse(data)
            outcome = release(warehouse.settings, warehouse.ledger, parse_instant(SECOND), gatekeeper)
            assert outcome.status == "published"
            made = read_manifest(current_release(warehouse.settings) or Path())
            assert (made["marts"], made["content_hash"]) == (expected["marts"], expected["content_hash"])
            assert check_whole(data) == made["release_id"]
            assert warehouse.ledger.audit_faults() == []
            assert [path.name for path in warehouse.settings.releases.iterdir() if path.name.startswith(".making")] == []
            warehouse.ledger.close()
            log.info("%d kills inside dbt, in %d rounds", len(shares), rounds)
        shutil.rmtree(data)
    tell(
        kills_inside_dbt=len(shares),
        rounds=rounds,
        shares_of_nodes=[round(share, 2) for share in sorted(shares)],
        left_behind=0,
        ended_otherwise=0,
    )


def test_world_that_is_ended_leaves_no_dbt_behind(country: Country, tmp_path: Path) -> None:
    """One delivery is enough to come to dbt."""
    sent = next(sent for sent in country.stage("first") if sent.source == "enterprise")
    world = tmp_path / "world"
    (world / "inbox/enterprise").mkdir(parents=True)
    shutil.copyfile(sent.path, world / "inbox/enterprise" / sent.path.name)
    (world / "manifest.csv").write_text(f"sequence,received_on,source,file\n1,2026-07-01,enterprise,{sent.path.name}\n", encoding="utf-8")
    started = start(tmp_path, "world", str(world), "--out", str(tmp_path / "out"))
    started.end(signal.SIGTERM, whole_group=False)
    assert not (tmp_path / "out/release.duckdb").exists()


def test_program_on_a_tether_ends_with_its_parent_and_not_before(tmp_path: Path) -> None:
    """Also where the parent has gone before the tether was made, and without one it would have gone on."""
    told = subprocess.run(tethered([sys.executable, "-c", "print(1)"]), capture_output=True, text=True, check=True)
    assert told.stdout == "1\n"
    for tied in (True, False):
        line = [sys.executable, "-c", f"import time\nwhile True: time.sleep(0.05)  # {tmp_path} {tied}"]
        command = "tethered(line)" if tied else "line"
        code = f"import subprocess\nfrom warehouse.tether import tethered\nline = {line!r}\nprint(subprocess.Popen({command}).pid, flush=True)\ninput()"
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
            assert parent.stdout
            child = psutil.Process(int(parent.stdout.readline()))
            time.sleep(0.3)
            assert child.is_running()
            parent.kill()
        assert wait_until(partial(is_gone, child), 5 if tied else 0.5) == tied
        if not tied:
            child.kill()
    late = tethered(["/bin/true"])
    late[late.index(str(os.getpid()))] = "1" if os.getppid() != 1 else "2"
    assert subprocess.run(late, check=False).returncode == 1
