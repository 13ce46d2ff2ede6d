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

import duckdb
import pyarrow.parquet as pq
import pytest

import warehouse.release as publishing
from expectations.gate import Gatekeeper
from ingest.contract import read_contracts
from warehouse.build import PUBLIC_TOTALS, Build
from warehouse.comparison.mixture import compiled_models
from warehouse.content import mart_hashes
from warehouse.demonstration import make_world
from warehouse.intake import Intake
from warehouse.ledger import Ledger
from warehouse.release import code_version, current_release, read_manifest, release
from warehouse.replay import ModelGraph
from warehouse.settings import Settings, parse_instant

from .planted import plant_files

DYING = Path(__file__).with_name("dying.py")
SURVIVING = Path(__file__).with_name("surviving.py")
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

    def take_rows(self, rows: list[dict[str, Any]], source: str, received_at: datetime, path: Path) -> list[dict[str, Any]]:
        """Receive rows as a CSV at an instant and judge them; nothing and no is an empty cell."""
        cells = [{name: "" if value is None or value is False else value for name, value in row.items()} for row in rows]
        return self.take(Sent(self.write(cells, path), source, received_at))

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
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of builds that holds the compiled models and nothing else; made once, because dbt takes seconds."""
    settings = Settings(data=tmp_path_factory.mktemp("compiled"), threads=2)
    compiled_models(settings, code_version())
    return settings.builds


def with_compiled(data: Path, compiled: Path) -> Path:
    """A data directory whose models are compiled already."""
    (data / "builds").mkdir(exist_ok=True)
    shutil.copyfile(compiled / "compiled.json", data / "builds" / "compiled.json")
    return data


@pytest.fixture(scope="session")
def models(compiled: Path) -> ModelGraph:
    """The compiled models, with marks in place of the clocks."""
    return compiled_models(Settings(data=compiled.parent), code_version())


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
    (kept / "target").mkdir()
    shutil.move(made.warehouse.parent / "target" / "manifest.json", kept / "target" / "manifest.json")
    facts = {"rule_date": made.rule_date, "results": made.results}
    (kept / "build.json").write_text(json.dumps(facts), encoding="utf-8")
    # The build's views read from here what was public before, also where the build is released again from another folder.
    totals = made.warehouse.with_name(PUBLIC_TOTALS)
    earlier = totals.read_bytes() if totals.exists() else None
    shutil.rmtree(builds)
    if earlier is not None:
        totals.parent.mkdir(parents=True)
        totals.write_bytes(earlier)
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


PACT = Path(__file__).parents[2] / "ingest/sources/product_footprint/fixtures/good"
THIRD = "2026-11-15"  # when the exchanged footprints are known, and labels stand on them


@dataclass(frozen=True)
class Exchanged:
    """The small country once more, with footprints that came as PACT documents and labels on some of them, in three releases."""

    settings: Settings
    keys: dict[str, str]  # reader -> its key
    client: Any  # asks the reading interface, which was started on the second release
    second: dict[str, Any]  # what it answered then
    labelled: list[str]  # disclosures under a label in force


def _label(number: int, disclosure: str, enterprise: str, product: str, state: str) -> dict[str, str]:
    return {
        "certificate_no": f"PACT-LBL-{number}", "state": state, "state_on": "2026-11-01", "disclosure_id": disclosure,
        "enterprise_id": enterprise, "product_code": product, "certifier": "示例认证（合成）", "scheme": "产品碳标识", "pilot_region_code": "",
        "issued_on": "2026-10-01", "expires_on": "2028-10-01",
    }  # fmt: skip


@pytest.fixture(scope="session")
def exchanged(
    tmp_path_factory: pytest.TempPathFactory, published: Published, open_warehouse: Callable[[Path], Warehouse], gatekeeper: Gatekeeper
) -> Iterator[Exchanged]:
    from starlette.testclient import TestClient

    from warehouse.interface.app import make_app
    from warehouse.interface.keys import Doorkeeper, add_key
    from warehouse.reading.files import parse_reader

    room = open_warehouse(copy_data(published.after, tmp_path_factory.mktemp("exchanged") / "data"))
    settings = room.settings
    listed = json.loads((settings.releases / "current" / "manifest.json").read_text(encoding="utf-8"))["audiences"]
    enterprise = _an_enterprise(settings)
    readers = [entry["name"] for entry in listed] + [f"enterprise_{enterprise}"]
    keys = {name: add_key(settings.api_keys, f"client-{place}", parse_reader(name)) for place, name in enumerate(readers)}
    with TestClient(make_app(settings, Doorkeeper(settings.api_keys), per_minute=100_000), base_url="http://127.0.0.1") as client:
        mine = {"X-API-Key": keys["ministry"]}
        second = {
            path: client.get(path, headers=mine) for path in ("/v1/release", "/3/footprints", "/v1/marts/footprint__products?limit=1")
        }
        for name in ("pact_v3_list.json", "pact_v2_array.json"):
            room.take(Sent(PACT / name, "product_footprint", parse_instant("2026-11-05T09:00:00")))
        found = _footprints(room)
        states = ["valid", "valid", "valid", "revoked", "valid", "valid", "valid", "valid"]
        rows = [_label(place, *found[place], state) for place, state in enumerate(states[: len(found)])]
        labels = room.write(rows, tmp_path_factory.mktemp("labels") / "20261106_labels.csv")
        room.take(Sent(labels, "label_certificate", parse_instant("2026-11-06T09:00:00")))
        outcome = release(settings, room.ledger, parse_instant(THIRD), gatekeeper)
        assert outcome.status == "published"
        room.ledger.close()
        labelled = [row["disclosure_id"] for row in rows if row["state"] == "valid"]
        yield Exchanged(settings, keys, client, second, labelled)


def _an_enterprise(settings: Settings) -> str:
    """One with more than a few products of its own."""
    with duckdb.connect(str(settings.releases / "current" / "ministry.duckdb"), read_only=True) as con:
        row = con.execute(
            "select enterprise_id from marts.footprint__products group by 1 order by count(distinct product_code) desc, 1 limit 1"
        ).fetchone()
    assert row
    return str(row[0])


def _footprints(room: Warehouse) -> list[tuple[str, str, str]]:
    """Disclosure, enterprise and product of what came as PACT documents."""
    paths = [str(room.data / row["path"]) for row in room.ledger.landing_files("product_footprint")]
    with duckdb.connect() as con:
        return con.execute(
            "select disclosure_id, any_value(enterprise_id), any_value(product_code) from read_parquet(?, union_by_name = true)"
            " where _extra like '%document_kind%pact%' group by 1 order by max(_extra like '%pact 2%'), 1",
            [paths],
        ).fetchall()


Open = Callable[[Path], Warehouse]
Order = Callable[..., dict[str, Any]]


def check_whole(data: Path) -> str:
    """The release in force is complete and says what its manifest says; gives its id. This is what a reader may do at any moment."""
    folder = (data / "releases" / "current").resolve(strict=True)
    manifest = read_manifest(folder)
    assert manifest["release_id"] == folder.name
    assert mart_hashes(folder / "ministry.duckdb") == manifest["marts"]
    with duckdb.connect(str(folder / "ministry.duckdb"), read_only=True) as connection:
        assert connection.execute("select release_id from marts.release__summary").fetchall() == [(folder.name,)]
    return folder.name


@pytest.fixture(scope="session")
def survival_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small build, and the policy over it that also gives out what landed."""
    room = tmp_path_factory.mktemp("survival_files")
    plant_files(room)
    policy = (room / "policy.yaml").read_text(encoding="utf-8")
    given = "  landed:\n  - kinds: [public, bank, region]\n    reason: {zh: 计数, en: counts of rows}\n"
    (room / "policy.yaml").write_text(policy.replace("\nmarts:\n", f"\nmarts:\n{given}"), encoding="utf-8")
    return room


@pytest.fixture(scope="session")
def order(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Order]:
    """Has surviving.py run something."""
    with (
        (tmp_path_factory.mktemp("survival_log") / "stderr.log").open("w+") as log,
        subprocess.Popen([sys.executable, str(SURVIVING)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        assert server.stdin and server.stdout
        stdin, stdout = server.stdin, server.stdout

        def ask(data: Path, files: Path, **named: Any) -> dict[str, Any]:
            given = {"data": str(data), "files": str(files), "verbs": ["land", "release"]} | named
            stdin.write(json.dumps(given) + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            log.flush()
            assert answer["code"] != 1, Path(log.name).read_text(encoding="utf-8")[-4000:]
            return answer

        yield ask
        stdin.close()


@dataclass(frozen=True)
class Base:
    """A data directory with one release and files in the inbox, and what an undisturbed run makes of it."""

    data: Path
    marts: dict[str, Any]
    landed: dict[str, list[str]]
    counts: dict[str, dict[str, int]]
    seconds: float
    calls: int


def put_rows(warehouse: Warehouse, country: Country) -> None:
    """Three files that depend on one another, one of them sent twice under another name."""
    disclosures = country.rows("product_footprint")[:30]
    known = {row["disclosure_id"] for row in disclosures}
    lines = [row for row in country.rows("footprint_activity") if row["disclosure_id"] in known]
    bad = disclosures[0] | {"disclosure_id": "bad", "total_kg_co2e": "-1"}
    warehouse.put("footprint_activity", "lines.csv", lines)
    warehouse.put("product_footprint", "disclosures.csv", [*disclosures, bad])
    warehouse.put("enterprise", "more.csv", country.rows("enterprise")[10:25])
    warehouse.put("enterprise", "again.csv", country.rows("enterprise")[10:25])


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, open_warehouse: Open, country: Country, survival_files: Path, order: Order) -> Base:
    room = tmp_path_factory.mktemp("survival")
    first = open_warehouse(room / "base")
    first.put("enterprise", "first.csv", country.rows("enterprise")[:15])
    assert order(first.data, survival_files)["code"] == 0
    put_rows(first, country)
    first.ledger.close()
    undisturbed = open_warehouse(copied(first.data, room / "undisturbed"))
    ran = order(undisturbed.data, survival_files)
    assert ran["code"] == 0
    folder = current_release(undisturbed.settings)
    assert folder is not None
    marts = read_manifest(folder)["marts"]
    counts = undisturbed.counts()
    assert counts["product_footprint"] == {"accepted": 30, "quarantined": 1, "waiting": 0}
    return Base(room / "base", marts, undisturbed.landed(), counts, ran["seconds"], ran["calls"])


def copied(base: Path, target: Path) -> Path:
    return Path(shutil.copytree(base, target, symlinks=True))
