"""A small country's deliveries, and warehouses to take them, for the tests of the warehouse."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import warehouse.release as publishing
from expectations.gate import Gatekeeper
from ingest.contract import read_contracts
from warehouse.build import Build
from warehouse.demonstration import make_world
from warehouse.intake import Intake
from warehouse.ledger import Ledger
from warehouse.release import release
from warehouse.settings import Settings, parse_instant

DYING = Path(__file__).with_name("dying.py")
# The time zone is the machine's business, not the warehouse's.
FIRST, SECOND = "2026-07-31", "2026-10-31"  # the instants of the two releases of the country
CLOCKLESS = {"TZ": "America/New_York"}


@dataclass(frozen=True)
class Sent:
    """One file of a world and when it is received."""

    path: Path
    source: str
    received_at: datetime


class Country:
    """The smallest demonstration world: two stages of deliveries in received order, and files to be refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_world(folder, enterprises=120)

    def stage(self, name: str) -> list[Sent]:
        with (self.folder / name / "manifest.csv").open(encoding="utf-8", newline="") as stream:
            entries = list(csv.DictReader(stream))
        return [
            Sent(
                self.folder / name / "inbox" / entry["source"] / entry["file"],
                entry["source"],
                parse_instant(f"{entry['received_on']}T09:00:{int(entry['sequence']):02d}"),
            )
            for entry in entries
        ]

    def rows(self, source: str) -> list[dict[str, str]]:
        """Sound rows of a source, as text."""
        path = next(sent.path for sent in self.stage("first") if sent.source == source)
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))


class Warehouse:
    """One data directory with what a person does to it, and what stands in it."""

    def __init__(self, data: Path, gatekeeper: Gatekeeper, country: Country) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(data=data, threads=2)
        self.ledger = Ledger(self.settings.ledger)
        self.intake = Intake(self.settings, self.ledger, gatekeeper)
        self.country = country

    @property
    def data(self) -> Path:
        return self.settings.data

    def write(self, rows: list[dict[str, str]], path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    def put(self, source: str, name: str, rows: list[dict[str, str]]) -> Path:
        """Put rows into the inbox as a CSV that is settled already."""
        path = self.write(rows, self.settings.inbox / source / name)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        return path

    def take(self, sent: Sent) -> list[dict[str, Any]]:
        """Receive one file at its instant and judge it."""
        got = self.intake.receive(sent.path, sent.source, sent.received_at)
        return [got] if isinstance(got, dict) else self.intake.land_pending()

    def landed(self) -> dict[str, list[str]]:
        """What readers see: per source each listed row's content and its place in its file, in an order of its own."""
        content = {}
        for source, contract in read_contracts().items():
            columns = [*contract.names, "_row_number", "_source_file"]
            tables = [pq.read_table(self.data / row["path"], columns=columns) for row in self.ledger.landing_files(source)]
            content[source] = sorted(str(row) for table in tables for row in table.to_pylist())
        return content

    def counts(self) -> dict[str, dict[str, int]]:
        """Per source, what landed, what is refused, and how much of that waits: files sent again change neither."""
        rows = self.ledger.deliveries()
        names = ("accepted", "quarantined", "waiting")
        return {source: {name: sum(row[name] for row in rows if row["source"] == source) for name in names} for source in read_contracts()}


@pytest.fixture(scope="session")
def country(tmp_path_factory: pytest.TempPathFactory) -> Country:
    return Country(tmp_path_factory.mktemp("country"))


@pytest.fixture(scope="session")
def gatekeeper() -> Gatekeeper:
    """The real gate, without pages; made once because loading its library takes seconds."""
    return Gatekeeper(None)


@pytest.fixture(scope="session")
def open_warehouse(gatekeeper: Gatekeeper, country: Country) -> Callable[[Path], Warehouse]:
    return lambda data: Warehouse(data, gatekeeper, country)


@pytest.fixture
def warehouse(tmp_path: Path, open_warehouse: Callable[[Path], Warehouse]) -> Warehouse:
    return open_warehouse(tmp_path / "data")


@pytest.fixture(scope="session")
def die_at() -> Callable[..., None]:
    """Run an action in children that end, without any clean-up, at a step: one data directory per step. See dying.py."""

    def run(action: str, steps: dict[str, Path], *arguments: str) -> None:
        jobs = [f"{step}={data}" for step, data in steps.items()]
        done = subprocess.run(
            [sys.executable, str(DYING), action, *arguments, "--", *jobs], capture_output=True, text=True, check=False, timeout=1_800
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def copy_data(base: Path, target: Path) -> Path:
    """A data directory again, links and all."""
    shutil.copytree(base, target, symlinks=True)
    return target


@dataclass(frozen=True)
class Published:
    """Two real releases of the small country, and the data directories before and after the second."""

    before: Path
    after: Path
    made: dict[str, Path]


@contextlib.contextmanager
def watched_builds() -> Iterator[list[Build]]:
    """The builds that releases are made from, as they are made."""
    made: list[Build] = []
    real = publishing.build

    def watch(*values: Any) -> Build:
        made.append(real(*values))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "build", watch)
        yield made


def keep_build(made: Build, kept: Path) -> Path:
    """A finished build's file and facts, to be released again without dbt."""
    builds = made.warehouse.parent.parent
    kept.mkdir()
    shutil.move(made.warehouse, kept / "warehouse.duckdb")
    facts = {"rule_date": made.rule_date, "results": made.results}
    (kept / "build.json").write_text(json.dumps(facts), encoding="utf-8")
    shutil.rmtree(builds)
    return kept


@pytest.fixture(scope="session")
def published(
    tmp_path_factory: pytest.TempPathFactory, open_warehouse: Callable[[Path], Warehouse], country: Country, gatekeeper: Gatekeeper
) -> Published:
    room = tmp_path_factory.mktemp("releases")
    first = open_warehouse(room / "before")
    for sent in country.stage("first"):
        first.take(sent)
    with watched_builds() as builds:
        outcome = release(first.settings, first.ledger, parse_instant(FIRST), gatekeeper)
    assert (outcome.status, len(builds)) == ("published", 1)
    made = {FIRST: keep_build(builds[0], room / "made_first")}
    for sent in country.stage("second"):
        first.take(sent)
    first.ledger.close()
    second = open_warehouse(copy_data(first.data, room / "after"))
    with watched_builds() as builds:
        outcome = release(second.settings, second.ledger, parse_instant(SECOND), gatekeeper)
    assert (outcome.status, len(builds)) == ("published", 1)
    made[SECOND] = keep_build(builds[0], room / "made_second")
    second.ledger.close()
    return Published(room / "before", room / "after", made)
