"""Runs deliver, land and release again and again in process groups of their own, killed or failing where they are told to.

One process loads the libraries once and forks a child per order, which it reads from its input, a line of JSON each:

    {"data": …, "files": …, "kill_after": seconds or null, "fail": {"call": "os.rename", "at": n, "error": "EIO"} or null, "verbs": […]}

The answer is a line: how the child ended, after how long, and how many calls it made that could have been made to fail. dbt's part is a
small build that is there already; everything else is what runs in production.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

import expectations.examiner  # noqa: F401  loaded here, once for all children
import warehouse.release
from expectations.gate import Gatekeeper, GateResult
from ingest.contract import read_contracts
from warehouse.audience import read_policy
from warehouse.build import Build
from warehouse.intake import Intake
from warehouse.ledger import Ledger
from warehouse.settings import Settings, utc_now

FAILING = ("os.rename", "os.replace", "os.fsync", "os.symlink", "os.link", "os.mkdir", "os.unlink")


class Passing(Gatekeeper):
    """The gate of marts that are not those of this project; the gate of deliveries is the real one."""

    def __init__(self) -> None:
        super().__init__(None)

    def judge_marts(self, warehouse: Path, previous: Path | None = None) -> list[GateResult]:
        return [GateResult("marts.planted", True, 1, 1, (), 0.0)]


def open_settings(data: Path) -> Settings:
    return Settings(data=data, threads=1)


def take(data: Path) -> None:
    settings = open_settings(data)
    intake = Intake(settings, Ledger(settings.ledger), Gatekeeper(None))
    intake.take_inbox(sorted(intake.contracts))


def publish(data: Path, files: Path) -> None:
    """Release the planted build, made anew as dbt would: what landed is written into it, so that its content follows from it."""

    def build(settings: Settings, ledger: Ledger, *_: object) -> Build:
        folder = settings.builds / f"{utc_now():%Y%m%dT%H%M%S%f}"
        folder.mkdir(parents=True)
        target = folder / "warehouse.duckdb"
        target.write_bytes((files / "warehouse.duckdb").read_bytes())
        with duckdb.connect(str(target)) as con:
            counted = [(row["source"], row["row_count"]) for source in read_contracts() for row in ledger.landing_files(source)]
            con.execute("create table marts.landed (source varchar, row_count bigint)")
            con.executemany("insert into marts.landed values (?, ?)", counted or [("none", 0)])
        return Build(folder.name, target, utc_now(), "2026-10-31", [{"node": "test.planted", "status": "pass"}], 0.1)

    warehouse.release.build = build  # type: ignore[assignment]
    warehouse.release.read_policy = lambda: read_policy(files / "policy.yaml")  # type: ignore[assignment]
    warehouse.release.keep_lineage = lambda build, folder: {}  # type: ignore[assignment]  # the planted build was compiled from no models
    settings = open_settings(data)
    warehouse.release.release(settings, Ledger(settings.ledger), None, Passing())


def count_calls(fail: dict[str, Any] | None) -> list[int]:
    """Count the calls that can fail, and make one of them fail as a broken disk would."""
    counted = [0]
    for name in FAILING:
        real = getattr(os, name.split(".")[1])

        def wrapped(*values: Any, real: Callable[..., Any] = real, **named: Any) -> Any:
            counted[0] += 1
            if fail and counted[0] == fail["at"]:
                raise OSError(getattr(errno, fail["error"]), os.strerror(getattr(errno, fail["error"])))
            return real(*values, **named)

        setattr(os, name.split(".")[1], wrapped)
    return counted


def run_child(order: dict[str, Any], answer: int) -> None:
    counted = count_calls(order.get("fail"))
    code = 0
    try:
        if "land" in order["verbs"]:
            take(Path(order["data"]))
        if "release" in order["verbs"]:
            publish(Path(order["data"]), Path(order["files"]))
    except OSError as error:
        code = 4
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    except Exception as error:  # noqa: BLE001  a child of a fork ends here, whatever it met
        told = "".join(traceback.format_exception(error))
        code = 4 if any(word in told for word in ("No space left", "Input/output error", "disk is full", "disk I/O error")) else 1
        sys.stderr.write(told)
    os.write(answer, json.dumps({"calls": counted[0]}).encode())
    os._exit(code)


def obey(order: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()
        run_child(order, writing)
    os.close(writing)
    status = 0
    if order.get("kill_after") is None:
        _, status = os.waitpid(child, 0)
    else:
        while time.monotonic() - began < order["kill_after"]:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            time.sleep(0.002)
        else:
            with contextlib.suppress(ProcessLookupError):  # killed before it had a group of its own
                os.killpg(child, signal.SIGKILL)
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - began
    with os.fdopen(reading) as stream:
        told = json.loads(stream.read() or "{}")
    return {"code": os.waitstatus_to_exitcode(status), "seconds": seconds} | told


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(obey(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
