"""One dbt build: a new DuckDB file over exactly what the ledger lists as known at an instant.

dbt runs as a subprocess: inside a long-lived process it would keep the file locked. A build is disposable; nobody reads it but the
gates and the release made from it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ingest.contract import Contract, read_contracts
from ingest.lookups import parquet_relation
from ingest.reference import SEEDS, TYPES_FILE, ReferenceLists
from warehouse.ledger import Ledger
from warehouse.settings import ROOT, Settings, china_day, utc_now
from warehouse.tether import tethered

PROJECT = ROOT / "dbt_project"
PUBLIC_TOTALS = "public_totals.parquet"
PROJECT_PARTS = ("dbt_project.yml", "profiles.yml", "macros", "models", "tests")


class BuildError(RuntimeError):
    """dbt did not finish; carries the last lines of what it said."""


class BuildRefused(RuntimeError):
    """A data test of the build failed: the marts are not what they promise. Carries the failed tests."""

    def __init__(self, tests: list[str]) -> None:
        super().__init__("dbt 数据测试未通过 / dbt data tests failed: " + "; ".join(tests))
        self.tests = tests


@dataclass(frozen=True)
class Build:
    """A finished build: its DuckDB file, the clocks it was made for, and what dbt ran."""

    build_id: str
    warehouse: Path
    as_of: datetime
    rule_date: str
    results: list[dict[str, Any]]
    seconds: float


def lay_out_project(reference: ReferenceLists, into: Path) -> Path:
    """The dbt project as a build runs it: the checkout's models by links, and the lists in force as its seeds.

    The seeds are copied to where the project expects them. Given as a path that leaves the project, dbt joins that path to its own
    target folder and writes beside the build, or over the seeds, depending on how deep the checkout lies.
    """
    seeds = into / "seeds"
    seeds.mkdir(parents=True)
    for name in PROJECT_PARTS:
        (into / name).symlink_to(PROJECT / name)
    for name, path in reference.files.items():
        shutil.copyfile(path, seeds / f"{name}.csv")
    shutil.copyfile(SEEDS / TYPES_FILE, seeds / TYPES_FILE)
    return into


def landing_relation(contract: Contract, settings: Settings, ledger: Ledger, as_of: datetime) -> str:
    """SQL of a source's rows as known at an instant: those of the listed files received by then."""
    files = [settings.data / row["path"] for row in ledger.landing_files(contract.source, as_of)]
    columns = ", ".join(f'"{name}"' for name in contract.landing_types())
    return f"select {columns} from {parquet_relation(files, contract.landing_types())}"


def create_landing_views(warehouse: Path, contracts: dict[str, Contract], settings: Settings, ledger: Ledger, as_of: datetime) -> None:
    """Views `landing.<source>` over the listed files received by `as_of`; empty ones with the right columns where there are none."""
    with duckdb.connect(str(warehouse)) as con:
        con.execute("create schema landing")
        for source, contract in contracts.items():
            con.execute(f'create view landing."{source}" as {landing_relation(contract, settings, ledger, as_of)}')


def gather_earlier_totals(settings: Settings, folder: Path) -> Path | None:
    """One file of what was ever public, from all releases that are kept, withdrawn ones too: what was read stays known (methods.md M4)."""
    found = sorted(settings.releases.glob(f"*/{PUBLIC_TOTALS}"))
    if not found:
        return None
    gathered = folder / PUBLIC_TOTALS
    with duckdb.connect() as con:
        listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in found)
        con.execute(
            f"copy (select distinct * from read_parquet([{listed}]) order by all) to '{str(gathered).replace(chr(39), chr(39) * 2)}' (format parquet)"
        )
    return gathered


def _dbt_environment(settings: Settings, folder: Path, warehouse: Path) -> dict[str, str]:
    return os.environ | {
        "TANLIAN_WAREHOUSE": str(warehouse),
        "TANLIAN_THREADS": str(settings.threads),
        "TANLIAN_DBT_TARGET": str(folder / "target"),
        "HOME": str(folder / "logs"),  # dbt keeps in ~/.dbt when it last gave a hint; nothing is written outside the data directory
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def clock_variables(as_of: datetime, rule_date: str) -> dict[str, str]:
    """The clocks as dbt gets them."""
    return {"as_of": as_of.isoformat(timespec="microseconds"), "rule_date": rule_date}


def _run_dbt(settings: Settings, folder: Path, warehouse: Path, given: dict[str, str], say: Callable[[str], None]) -> list[dict[str, Any]]:
    earlier = gather_earlier_totals(settings, folder)
    if earlier is not None:
        given = given | {"earlier_totals": str(earlier)}
    command = [
        str(Path(sys.executable).with_name("dbt")),
        "build",
        "--project-dir", str(folder / "project"),
        "--profiles-dir", str(folder / "project"),
        "--vars", json.dumps(given),
        "--exclude-resource-type", "unit_test",
        "--log-path", str(folder / "logs"),
        "--log-level-file", "info",  # all that dbt says of itself besides takes a seventh of the build, and goes where nobody looks
        "--no-use-colors",
    ]  # fmt: skip
    with subprocess.Popen(
        tethered(command),
        cwd=folder / "project",
        env=_dbt_environment(settings, folder, warehouse),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        lines = []
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if " OK " in line or "PASS" in line or "ERROR" in line:
                say(line.strip()[10:].strip())
    return _read_results(folder, process.returncode, lines)


def compile_project(settings: Settings, folder: Path, given: dict[str, str]) -> Path:
    """dbt's manifest, with the code of every model, rendered for these variables; runs nothing.

    Raises:
        BuildError: dbt broke.
    """
    lay_out_project(ReferenceLists(), folder / "project")
    command = [
        str(Path(sys.executable).with_name("dbt")),
        "compile",
        "--project-dir", str(folder / "project"),
        "--profiles-dir", str(folder / "project"),
        "--vars", json.dumps(given),
        "--log-path", str(folder / "logs"),
        "--no-use-colors",
    ]  # fmt: skip
    environment = _dbt_environment(settings, folder, folder / "warehouse.duckdb")
    done = subprocess.run(tethered(command), cwd=folder / "project", env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError("\n".join(done.stdout.splitlines()[-25:]))
    return folder / "target" / "manifest.json"


def _read_results(folder: Path, code: int, lines: list[str]) -> list[dict[str, Any]]:
    path = folder / "target" / "run_results.json"
    if not path.exists():
        raise BuildError("\n".join(lines[-25:]))
    results = [
        {"node": result["unique_id"], "status": result["status"], "seconds": result["execution_time"], "message": result.get("message")}
        for result in json.loads(path.read_text(encoding="utf-8"))["results"]
    ]
    failed_tests = [f"{result['node'].split('.')[2]} ({result['message']})" for result in results if result["status"] == "fail"]
    if code != 0 and failed_tests and not any(result["status"] == "error" for result in results):
        raise BuildRefused(failed_tests)
    if code != 0:
        raise BuildError("\n".join(lines[-40:]))
    return results


def build(
    settings: Settings,
    ledger: Ledger,
    as_of: datetime | None = None,
    say: Callable[[str], None] = lambda _: None,
    rule_date: str | None = None,
) -> Build:
    """Build the warehouse as known at `as_of` (UTC without zone; default now) under the rules of a day (default the local day of `as_of`).

    Raises:
        BuildRefused: a data test failed.
        BuildError: dbt broke.
    """
    started = utc_now()
    moment = as_of or started
    rules = rule_date or china_day(moment)
    build_id = f"{started:%Y%m%dT%H%M%S%f}"
    folder = settings.builds / build_id
    folder.mkdir(parents=True)
    lay_out_project(ReferenceLists(overlay=settings.reference), folder / "project")
    warehouse = folder / "warehouse.duckdb"
    create_landing_views(warehouse, read_contracts(), settings, ledger, moment)
    partial = settings.builds / "partial_parse.msgpack"
    if partial.exists():
        (folder / "target").mkdir()
        shutil.copyfile(partial, folder / "target" / partial.name)
    results = _run_dbt(settings, folder, warehouse, clock_variables(moment, rules), say)
    parsed = folder / "target" / partial.name
    if parsed.exists():
        shutil.copyfile(parsed, partial)
    _forget_old(settings)
    return Build(build_id, warehouse, moment, rules, results, (utc_now() - started).total_seconds())


def _forget_old(settings: Settings, keep: int = 3) -> None:
    folders = sorted(path for path in settings.builds.iterdir() if path.is_dir())
    for folder in folders[:-keep]:
        shutil.rmtree(folder, ignore_errors=True)
