"""Runs `take` or `release` in children that end at a given step as by kill -9: no handler, no clean-up, no flush.

    python dying.py ACTION [ARGUMENT…] -- STEP=DATA …

One process loads the libraries and forks a child per step, before any of them has started a thread. A child that comes to its end without
having met its step is an error: the step would be no step.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import expectations.examiner  # noqa: F401  loaded here, once for all children
import ingest.delivery
import warehouse.audience
import warehouse.audience_files
import warehouse.comparison.notice
import warehouse.custody.sealing
import warehouse.intake
import warehouse.release
from expectations.gate import Gatekeeper, GateResult
from warehouse.build import Build
from warehouse.intake import Intake
from warehouse.ledger import Ledger
from warehouse.settings import Settings, parse_instant

KILLED = 137


def die(*_: object, **__: object) -> None:
    os._exit(KILLED)


def die_before(owner: Any, name: str, at_call: int = 1) -> None:
    """Die instead of the n-th call of a function."""
    real, calls = getattr(owner, name), [0]

    def counted(*values: Any, **named: Any) -> Any:
        calls[0] += 1
        return die() if calls[0] == at_call else real(*values, **named)

    setattr(owner, name, counted)


def die_after(owner: Any, name: str, at_call: int = 1) -> None:
    """Die right after the n-th call of a function."""
    real, calls = getattr(owner, name), [0]

    def counted(*values: Any, **named: Any) -> Any:
        result = real(*values, **named)
        calls[0] += 1
        return die() if calls[0] == at_call else result

    setattr(owner, name, counted)


TAKE_STEPS: dict[str, Callable[[], None]] = {
    "before the bytes are kept": lambda: die_before(ingest.delivery.tempfile, "mkstemp", 2),
    "bytes kept, not entered": lambda: die_before(Ledger, "receive", 2),
    "entered, still in the inbox": lambda: die_after(Ledger, "receive", 2),
    "out of the inbox, not judged": lambda: die_before(Intake, "_judge"),
    "prepared, before the gate": lambda: die_before(Intake, "_pass_gate", 2),
    "gate passed, nothing put": lambda: die_before(Intake, "_put", 1),
    "landing file there, not listed": lambda: die_after(Intake, "_put", 1),
    "waiting file there, not listed": lambda: die_before(Ledger, "settle", 2),
    "listed, followers not looked at": lambda: die_before(Intake, "_settle_followers", 2),
    "followers judged, nothing put": lambda: die_before(Intake, "_mark_settled"),
    "followers put, not listed": lambda: die_before(Ledger, "settle_waiting"),
    "followers listed": lambda: die_after(Ledger, "settle_waiting"),
    "followers of the second file put": lambda: die_before(Ledger, "settle_waiting", 2),
}


def take(data: Path) -> None:
    settings = Settings(data=data, threads=1)
    intake = Intake(settings, Ledger(settings.ledger), Gatekeeper(None))
    intake.take_inbox(sorted(intake.contracts))  # lines before the disclosures they wait for


class Repeater(Gatekeeper):
    """The gate's answer about this very file, given before; its own tests ask it again and again."""

    def __init__(self) -> None:
        super().__init__(None)

    def judge_marts(self, warehouse: Path, previous: Path | None = None) -> list[GateResult]:
        return [GateResult("marts.footprint", True, 1, 1, (), 0.0)]


RELEASE_STEPS: dict[str, Callable[[], None]] = {
    "before dbt": lambda: die_before(warehouse.release, "build"),
    "after dbt": lambda: die_after(warehouse.release, "build"),
    "gates passed": lambda: die_before(warehouse.release, "_publish"),
    "folder begun": lambda: die_before(warehouse.release, "write_audience_files"),
    "inside an audience file": lambda: die_before(warehouse.audience, "select_rows", 5),
    "first audience file written": lambda: die_after(warehouse.audience_files, "write_audience_file"),
    "every audience file written": lambda: die_after(warehouse.release, "write_audience_files"),
    "some summaries written": lambda: die_before(warehouse.release, "add_late_tables"),
    "manifest not written": lambda: die_before(warehouse.custody.sealing, "write_manifest"),
    "manifest written, no seals": lambda: die_before(warehouse.custody.sealing, "write_seals"),
    "before the folder's rename": lambda: die_before(warehouse.release.Path, "rename"),
    "folder renamed, not listed": lambda: die_before(warehouse.release, "_list"),
    "listed, pointer not switched": lambda: die_before(warehouse.release, "point_to"),
    "pointer made, not switched": lambda: die_before(warehouse.release.Path, "replace"),
    "pointer switched": lambda: die_after(warehouse.release, "point_to"),
    "before old ones go": lambda: die_before(warehouse.release, "_prune"),
}


def use_build(made: Path, as_of: str) -> None:
    """From now on dbt's result is a copy of a build that is there already, as dbt would have written it."""

    def build(settings: Settings, *_: object) -> Build:
        folder = settings.builds / "made"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copytree(made, folder, dirs_exist_ok=True)
        facts = json.loads((made / "build.json").read_text(encoding="utf-8"))
        return Build("made", folder / "warehouse.duckdb", parse_instant(as_of), facts["rule_date"], facts["results"], 1.0)

    warehouse.release.build = build  # type: ignore[assignment]


def publish(data: Path, made: str, as_of: str) -> None:
    warehouse.comparison.notice.draw_notices = lambda *_: {}  # type: ignore[assignment]  # see reuse_builds in test_release.py
    settings = Settings(data=data, threads=1)
    warehouse.release.release(settings, Ledger(settings.ledger), parse_instant(as_of), Repeater())


def run_child(action: str, step: str, data: Path, arguments: list[str]) -> None:
    if action == "release":
        use_build(Path(arguments[0]), arguments[1])
        RELEASE_STEPS[step]()
        publish(data, *arguments)
    else:
        TAKE_STEPS[step]()
        take(data)


def main() -> None:
    action, *rest = sys.argv[1:]
    place = rest.index("--")
    for job in rest[place + 1 :]:
        step, _, data = job.partition("=")
        child = os.fork()
        if child == 0:
            try:
                run_child(action, step, Path(data), rest[:place])
            except Exception:  # noqa: BLE001  a child of a fork ends here, whatever it met
                traceback.print_exc()
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != KILLED:
            raise SystemExit(f"the step was not met: {step} ({status})")


if __name__ == "__main__":
    main()
