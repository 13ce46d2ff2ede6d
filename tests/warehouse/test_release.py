"""Releases: gated, whole, repeatable, killed anywhere, rolled back and pruned."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

import warehouse.comparison.notice
import warehouse.release
from expectations.gate import Gatekeeper, GateResult
from warehouse.build import Build
from warehouse.custody.backup import back_up, restore
from warehouse.release import ReleaseRefused, current_release, read_manifest, release, restore_release, roll_back
from warehouse.settings import parse_instant

from .conftest import FIRST, SECOND, Open, Published, Warehouse, check_whole, copy_data
from .dying import RELEASE_STEPS, Repeater, use_build

REBUILDING = Path(__file__).with_name("rebuilding.py")
pytestmark = [pytest.mark.xdist_group("release"), pytest.mark.slow]


@pytest.fixture
def reuse_builds(published: Published, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Choose the build that the next release is made from, in place of half a minute of dbt."""
    monkeypatch.setattr(warehouse.release, "build", warehouse.release.build)
    # Notices evaluate every mixture of two releases, ten seconds each time; test_compare.py holds them.
    monkeypatch.setattr(warehouse.comparison.notice, "draw_notices", lambda *_: {})
    return lambda as_of: use_build(published.made[as_of], as_of)


@pytest.fixture
def before(published: Published, tmp_path: Path, open_warehouse: Open) -> Warehouse:
    return open_warehouse(copy_data(published.before, tmp_path / "data"))


@pytest.fixture
def after(published: Published, tmp_path: Path, open_warehouse: Open) -> Warehouse:
    data = copy_data(published.after, tmp_path / "data")
    shutil.rmtree(data / "builds")
    return open_warehouse(data)


def manifest_in_force(warehouse: Warehouse) -> dict[str, Any]:
    folder = current_release(warehouse.settings)
    assert folder is not None
    return read_manifest(folder)


def test_release_holds_what_its_manifest_says(after: Warehouse, published: Published) -> None:
    manifest = manifest_in_force(after)
    parent = published.before / "releases" / manifest["parent_release_id"]
    assert check_whole(after.data) == manifest["release_id"]
    assert manifest["parent_manifest_hash"] == hashlib.sha256((parent / "manifest.json").read_bytes()).hexdigest()
    assert manifest["as_of"] == "2026-10-31T15:59:59Z"
    assert {gate["suite"] for gate in manifest["gates"]} >= {"dbt.data_tests", "marts.footprint", "marts.ets"}
    assert all(gate["success"] and gate["checks_run"] > 0 and gate["rows_examined"] > 0 for gate in manifest["gates"])
    listed = [row for source in after.intake.contracts for row in after.ledger.landing_files(source)]
    assert [(entry["path"], entry["row_count"]) for entry in manifest["deliveries"]] == [(row["path"], row["row_count"]) for row in listed]
    recorded = after.ledger.releases()[-1]
    folder = current_release(after.settings) or Path()
    assert recorded["manifest_hash"] == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def test_every_published_row_comes_from_a_listed_delivery(after: Warehouse) -> None:
    folder = current_release(after.settings) or Path()
    with duckdb.connect(str(folder / "ministry.duckdb"), read_only=True) as connection:
        received, accepted, duplicate, quarantined = connection.execute(
            "select sum(received_count), sum(accepted_count), sum(duplicate_count), sum(quarantined_count) from marts.release__sources"
        ).fetchone() or (0, 0, 0, 0)
    assert received == accepted + duplicate + quarantined == sum(row["received"] for row in after.ledger.deliveries())
    assert accepted == sum(entry["row_count"] for entry in manifest_in_force(after)["deliveries"])


def newest_borrowers(file: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Each bank's borrowers on their newest day, in a release's file."""
    query = "select * from marts.finance__borrowers qualify row_number() over (partition by bank_id, borrower_id order by as_of desc) = 1"
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute(query).to_arrow_table().to_pylist()
    return {(row["bank_id"], row["borrower_id"]): row for row in rows}


def test_release_holds_the_changes_of_borrowers_outside_its_hashes(after: Warehouse, published: Published) -> None:
    folder = current_release(after.settings) or Path()
    parent = published.before / "releases" / manifest_in_force(after)["parent_release_id"]
    told = []
    for release_folder in (parent, folder):
        with duckdb.connect(str(release_folder / "ministry.duckdb"), read_only=True) as connection:
            query = "select bank_id, borrower_id, condition, is_met_before, is_met from marts.release__borrower_changes"
            told.append(connection.execute(query).fetchall())
    assert told[0] == []  # a first release has changed nothing
    before, now = newest_borrowers(parent / "ministry.duckdb"), newest_borrowers(folder / "ministry.duckdb")
    conditions = [name for name in next(iter(now.values())) if name.startswith("has_") or name == "is_ets_clear"]
    moved = {
        (*key, name, before[key][name], now[key][name])
        for key in before.keys() & now.keys()
        for name in conditions
        if before[key][name] != now[key][name]
    }
    moved |= {(*key, "is_borrower", key in before, key in now) for key in before.keys() ^ now.keys()}
    assert moved and set(told[1]) == moved
    assert "release__borrower_changes" not in manifest_in_force(after)["marts"]
    entries = {entry["name"]: entry["marts"] for entry in manifest_in_force(after)["audiences"]}
    assert "release__borrower_changes" in entries["ministry"]
    assert "release__borrower_changes" not in entries["public"]


def test_release_file_cannot_be_written_by_readers(after: Warehouse) -> None:
    folder = current_release(after.settings) or Path()
    assert (folder / "ministry.duckdb").stat().st_mode & 0o222 == 0


def test_public_file_stands_beside_and_what_was_public_is_kept(after: Warehouse, published: Published) -> None:
    """The next release must know what earlier ones showed and withheld, though their own files are pruned."""
    folder = current_release(after.settings) or Path()
    manifest = read_manifest(folder)
    parent = published.before / "releases" / manifest["parent_release_id"]
    assert {"ministry", "public"} <= {audience["name"] for audience in manifest["audiences"]}
    with duckdb.connect(str(folder / "public.duckdb"), read_only=True) as connection:
        (withheld,) = connection.execute("select count(suppression_reason) from marts.footprint__sectors_by_year_public").fetchone() or (0,)
        assert connection.execute("select count(*) from duckdb_tables() where table_name = 'footprint__products'").fetchone() == (0,)
        query = "select count(*) from (from read_parquet(?) except from read_parquet(?))"
        files = [str(path / "public_totals.parquet") for path in (parent, folder)]
        assert connection.execute(query, files).fetchone() == (0,), "nothing that was public is forgotten"
        assert (connection.execute(query, files[::-1]).fetchone() or (0,))[0] > 0
    assert withheld > 0
    kept = hashlib.sha256((folder / "public_totals.parquet").read_bytes()).hexdigest()
    assert manifest["public_totals"]["sha256"] == kept


def test_second_run_has_nothing_new(after: Warehouse) -> None:
    """Neither does everything sent once more, in another order, which lands nothing."""
    for sent in reversed(after.country.stage("first")):
        after.take(sent)
    was = manifest_in_force(after)
    outcome = release(after.settings, after.ledger, parse_instant(SECOND))
    assert (outcome.status, outcome.release_id) == ("nothing_new", was["release_id"])
    assert not after.settings.builds.exists()


# Zone, locale with its encoding, threads: what differs between machines and must not between their marts.
MACHINES = [("Pacific/Kiritimati", "zh_CN.GB18030", 1)]
MORE_MACHINES = [
    ("America/St_Johns", "tr_TR.ISO-8859-9", 3),
    ("Asia/Kathmandu", "C", 2),
    ("UTC", "ar_SA.UTF-8", 2),
    ("Africa/Casablanca", "POSIX", 1),
]


@pytest.fixture(scope="session")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Locales that machines of readers have and this one need not; made here, since most images come without."""
    folder = tmp_path_factory.mktemp("locales")
    maker = shutil.which("localedef")
    if maker is None:
        pytest.skip("there is no localedef to make locales with")
    for name in {locale for _, locale, _ in [*MACHINES, *MORE_MACHINES]} - {"C", "POSIX"}:
        language, _, encoding = name.partition(".")
        done = subprocess.run([maker, "-i", language, "-f", encoding, str(folder / name)], capture_output=True, text=True, check=False)
        if not (folder / name).is_dir():
            pytest.skip(f"the sources of locales are not here: {done.stderr[-200:]}")
    return folder


def rebuild_elsewhere(data: Path, home: Path, locales: Path, machine: tuple[str, str, int], seed: int) -> dict[str, Any]:
    """The marts built by a process that finds another machine around it; gives its answer."""
    zone, locale, threads = machine
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "TANLIAN_", "PYTHON"))}
    found = {
        "TZ": zone,
        "LC_ALL": locale,
        "LOCPATH": str(locales),
        "HOME": str(home),
        "PYTHONHASHSEED": str(seed),
        "PYTHONCOERCECLOCALE": "0",
    }
    done = subprocess.run(
        [sys.executable, str(REBUILDING), str(data), SECOND, str(threads), str(seed)],
        env=plain | found, capture_output=True, check=False, timeout=1_800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-4000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["machine"]["locale"].startswith("C" if locale == "POSIX" else locale)
    return answer


@pytest.mark.parametrize("machines", [MACHINES, pytest.param([*MACHINES, *MORE_MACHINES], marks=pytest.mark.soak)])
def test_built_anew_from_a_backup_on_another_machine_every_mart_is_the_same(
    machines: list[tuple[str, str, int]], after: Warehouse, locales: Path, tmp_path: Path, tell: Callable[..., None]
) -> None:
    """All is lost but a backup; the marts are built again from its landed bytes, under another time zone, locale, encoding, number of
    threads and order of files.
    """
    expected = manifest_in_force(after)["marts"]
    back_up(after.settings, after.ledger, tmp_path / "backup", None)
    after.ledger.close()
    shutil.rmtree(after.data)
    (tmp_path / "home").mkdir()
    for seed, machine in enumerate(machines):
        settings = dataclasses.replace(after.settings, data=tmp_path / f"machine_{seed}")
        restore(settings, tmp_path / "backup")
        answer = rebuild_elsewhere(settings.data, tmp_path / "home", locales, machine, seed)
        assert answer["marts"] == expected, machine
        assert list((tmp_path / "home").iterdir()) == []
        # dbt joins paths of its own; once they led out of the build, and how far depended on how deep the checkout lay.
        assert {path.name for path in settings.builds.iterdir()} == {answer["build"], "partial_parse.msgpack"}
        kept = {"project", "target", "logs", "warehouse.duckdb", "public_totals.parquet"}
        assert {path.name for path in (settings.builds / answer["build"]).iterdir()} == kept
        shutil.rmtree(settings.data)
    tell(machines=len(machines), marts=len(expected), differing=0)


# One of each kind: nothing written, files half written, whole without seals, renamed and unlisted, on either side of the switch.
TELLING_STEPS = [
    "after dbt",
    "inside an audience file",
    "manifest written, no seals",
    "folder renamed, not listed",
    "pointer made, not switched",
    "pointer switched",
]


@pytest.mark.parametrize("chosen", [TELLING_STEPS, pytest.param(list(RELEASE_STEPS), marks=pytest.mark.soak)], ids=["telling", "every"])
def test_killed_at_any_step_readers_see_a_whole_release_and_the_next_run_ends_the_same(
    chosen: list[str],
    published: Published,
    tmp_path: Path,
    open_warehouse: Open,
    die_at: Callable[..., None],
    reuse_builds: Callable[[str], None],
) -> None:
    steps = {step: copy_data(published.before, tmp_path / str(number)) for number, step in enumerate(chosen)}
    old = check_whole(published.before)
    expected = read_manifest((published.after / "releases" / "current").resolve())
    die_at("release", steps, str(published.made[SECOND]), SECOND)
    reuse_builds(SECOND)
    seen = set()
    for step, data in steps.items():
        there = check_whole(data)
        assert there in (old, expected["release_id"]), step
        seen.add(there)
        again = open_warehouse(data)
        release(again.settings, again.ledger, parse_instant(SECOND), Repeater())
        manifest = manifest_in_force(again)
        assert check_whole(data) == expected["release_id"], step
        assert (manifest["content_hash"], manifest["marts"]) == (expected["content_hash"], expected["marts"]), step
        assert manifest["parent_release_id"] == old, step
        assert [row["status"] for row in again.ledger.releases()] == ["published", "published"], step
        assert sorted(path.name for path in again.settings.releases.iterdir()) == sorted([old, expected["release_id"], "current"]), step
        assert again.ledger.audit_faults() == [], step
        assert release(again.settings, again.ledger, parse_instant(SECOND)).status == "nothing_new", step
    assert seen == {old, expected["release_id"]}


def test_withdrawn_release_does_not_come_back_by_itself(after: Warehouse, reuse_builds: Callable[[str], None], tmp_path: Path) -> None:
    withdrawn = manifest_in_force(after)
    gone, restored = roll_back(after.settings, after.ledger)
    assert gone == withdrawn["release_id"]
    assert check_whole(after.data) == restored == withdrawn["parent_release_id"]
    outcome = release(after.settings, after.ledger, parse_instant(SECOND))
    assert (outcome.status, outcome.release_id, outcome.withdrawn) == ("nothing_new", restored, gone)
    assert check_whole(after.data) == restored
    with pytest.raises(LookupError):
        roll_back(after.settings, after.ledger)
    # A person may have it back as it was, and withdraw it again.
    restore_release(after.settings, after.ledger, gone)
    assert check_whole(after.data) == gone and manifest_in_force(after) == withdrawn
    assert release(after.settings, after.ledger, parse_instant(SECOND)).withdrawn is None
    assert roll_back(after.settings, after.ledger) == (gone, restored)
    # Something new to publish ends that.
    rows = [row | {"enterprise_name": row["enterprise_name"] + "新"} for row in after.country.rows("enterprise")[:5]]
    after.intake.receive(after.write(rows, tmp_path / "new.csv"), "enterprise", parse_instant("2026-10-01"))
    after.intake.land_pending()
    reuse_builds(SECOND)
    outcome = release(after.settings, after.ledger, parse_instant(SECOND), Repeater())
    assert outcome.status == "published"
    assert check_whole(after.data) == outcome.release_id not in (restored, withdrawn["release_id"])
    assert manifest_in_force(after)["parent_release_id"] == restored


def test_clock_set_back_and_forth_writes_no_release_a_second_time(after: Warehouse, reuse_builds: Callable[[str], None]) -> None:
    """The same inputs again, after another release: what others name as their parent stays as it was."""
    manifests = {
        row["release_id"]: (after.settings.releases / row["release_id"] / "manifest.json").read_bytes() for row in after.ledger.releases()
    }
    for as_of in (FIRST, SECOND):
        reuse_builds(as_of)
        outcome = release(after.settings, after.ledger, parse_instant(as_of), Repeater())
        assert outcome.status == "published"
        assert outcome.release_id not in manifests
        assert check_whole(after.data) == outcome.release_id
    for release_id, content in manifests.items():
        assert (after.settings.releases / release_id / "manifest.json").read_bytes() == content


def test_only_the_last_releases_are_kept(after: Warehouse, reuse_builds: Callable[[str], None]) -> None:
    settings = dataclasses.replace(after.settings, keep_releases=2)
    oldest = after.ledger.releases()[0]["release_id"]
    reuse_builds(FIRST)
    release(settings, after.ledger, parse_instant(FIRST), Repeater())
    assert not (settings.releases / oldest).exists()
    assert [row["status"] for row in after.ledger.releases()] == ["removed", "published", "published"]
    assert check_whole(after.data)


# Gates that stop


def refuse(warehouse: Warehouse, gatekeeper: Gatekeeper) -> list[dict[str, Any]]:
    """Release, be refused, and find the old release as it was; gives the failed gates."""
    was = check_whole(warehouse.data)
    with pytest.raises(ReleaseRefused) as caught:
        release(warehouse.settings, warehouse.ledger, parse_instant(SECOND), gatekeeper)
    assert check_whole(warehouse.data) == was
    assert len(warehouse.ledger.releases()) == 1
    failed = [gate for gate in caught.value.gates if not gate["success"]]
    recorded = warehouse.ledger.gates(f"release:{parse_instant(SECOND).isoformat()}")
    assert [gate["suite"] for gate in failed] == [row["suite"] for row in recorded if not row["success"]][-len(failed) :]
    return failed


@pytest.mark.parametrize(
    ("statement", "suite"),
    [
        ("update marts.footprint__sectors_by_year set disclosure_count = disclosure_count + 1", "marts.footprint"),
        ("update marts.ets__prices_by_day set turnover_cny = turnover_cny * 2", "marts.ets"),
        ("delete from marts.footprint__products", "marts.footprint"),
    ],
)
def test_mart_that_does_not_equal_its_parts_is_not_published(
    before: Warehouse,
    gatekeeper: Gatekeeper,
    reuse_builds: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    suite: str,
) -> None:
    reuse_builds(SECOND)
    real = warehouse.release.build

    def spoil(*values: Any) -> Build:
        made = real(*values)
        with duckdb.connect(str(made.warehouse)) as connection:
            connection.execute(statement)
        return made

    monkeypatch.setattr(warehouse.release, "build", spoil)
    failed = refuse(before, gatekeeper)
    assert suite in [gate["suite"] for gate in failed]
    assert any(failure["severity"] == "critical" for gate in failed for failure in gate["failures"])


def test_no_gates_and_no_data_tests_are_no_release(
    before: Warehouse, gatekeeper: Gatekeeper, reuse_builds: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    reuse_builds(SECOND)
    nobody = Gatekeeper(None)
    monkeypatch.setattr(nobody, "judge_marts", lambda *_: [])
    refuse(before, nobody)
    idle = Gatekeeper(None)
    monkeypatch.setattr(idle, "judge_marts", lambda *_: [GateResult("marts.footprint", False, 0, 0, (), 0.0)])
    assert [gate["suite"] for gate in refuse(before, idle)][-1] == "marts.footprint"
    real = warehouse.release.build
    monkeypatch.setattr(warehouse.release, "build", lambda *values: dataclasses.replace(real(*values), results=[]))
    assert "dbt.data_tests" in [gate["suite"] for gate in refuse(before, Repeater())]


def test_delivery_with_too_many_bad_rows_is_rejected(
    tanlian: Callable[..., subprocess.CompletedProcess[str]], before: Warehouse, tmp_path: Path
) -> None:
    rows = before.country.rows("enterprise")[:40]
    bad = [row | {"enterprise_id": row["enterprise_id"][:-1] + "?"} if number % 4 == 0 else row for number, row in enumerate(rows)]
    path = before.write(bad, tmp_path / "bad.csv")
    was, landed = check_whole(before.data), before.landed()
    done = tanlian(before.data, "--json", "deliver", str(path), "--source", "enterprise")
    assert done.returncode == 3
    (receipt,) = json.loads(done.stdout)
    assert (receipt["verdict"], [reason["code"] for reason in receipt["reasons"]]) == ("rejected", ["too_many_bad_rows"])
    assert before.landed() == landed
    assert check_whole(before.data) == was
