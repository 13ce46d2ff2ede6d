"""Releases that an earlier version made are read by this one: listed, verified, compared, reported and rolled back.

`old_releases.tar.xz` is a data directory of the version of 22 November 2026, byte for byte: two releases of its smallest demonstration
(the market's rows cut to the last weeks), the ledger, and the landed rows. Its manifests name their audiences and nothing of them, and
have no custody, lineage, lists or notices; its marts lack columns and tables of today.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from warehouse.custody.verification import verify_ledger, verify_release
from warehouse.ledger import Ledger
from warehouse.release import current_release, read_manifest, release
from warehouse.settings import Settings, parse_instant

from .conftest import with_compiled

pytestmark = pytest.mark.xdist_group("release")
ARCHIVE = Path(__file__).with_name("old_releases.tar.xz")
FIRST, SECOND = "20260731-761f8fb181", "20261031-c65fd72551"
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old") / "data"
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="tar")
    return folder


@pytest.fixture
def data(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "data", symlinks=True))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command on a data directory, as a person types it; gives its JSON answer."""
    from warehouse.cli import app

    def asked(data: Path, *arguments: str, code: int = 0) -> Any:
        monkeypatch.setenv("TANLIAN_DATA", str(data))
        done = CliRunner().invoke(app, ["--json", *arguments])
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout) if done.stdout else None

    return asked


def test_old_releases_are_listed_and_hold_what_they_held(data: Path, run: Run) -> None:
    listed = run(data, "releases")
    assert [(row["release_id"], row["status"], row["in_force"]) for row in listed] == [
        (FIRST, "published", False),
        (SECOND, "published", True),
    ]
    assert run(data, "status")["release_id"] == SECOND
    with duckdb.connect(str(data / f"releases/{SECOND}/ministry.duckdb"), read_only=True) as con:
        counted = dict(con.execute("select table_name, estimated_size from duckdb_tables() where schema_name = 'marts'").fetchall())
    manifest = read_manifest(data / "releases" / SECOND)
    assert manifest["audiences"] == ["ministry", "public"] and "custody" not in manifest
    assert {name: mart["row_count"] for name, mart in manifest["marts"].items()}.items() <= counted.items()
    assert counted["footprint__products"] > 600


def test_old_releases_are_verified_and_a_change_is_found(data: Path, run: Run) -> None:
    told = run(data, "verify")
    assert [(entry["subject"], entry["is_good"]) for entry in told] == [("ledger", True), (SECOND, True), (FIRST, True)]
    file = data / f"releases/{FIRST}/ministry.duckdb"
    file.chmod(0o644)
    with duckdb.connect(str(file)) as con:
        con.execute("update marts.footprint__sectors_by_year set disclosure_count = disclosure_count + 1")
    (data / f"releases/{SECOND}/public.duckdb").unlink()
    faults = {entry["subject"]: [fault["code"] for fault in entry["faults"]] for entry in run(data, "verify", code=3)}
    assert faults == {"ledger": [], SECOND: ["missing"], FIRST: ["changed"]}


def test_old_releases_are_compared_and_their_moves_split_without_remainder(data: Path, run: Run, compiled: Path) -> None:
    told = run(with_compiled(data, compiled), "diff", FIRST, SECOND)
    assert (told["first"]["release_id"], told["second"]["release_id"]) == (FIRST, SECOND)
    with duckdb.connect() as con:
        for name in (FIRST, SECOND):
            con.execute(f"attach '{data / 'releases' / name / 'ministry.duckdb'}' as \"{name}\" (read_only)")
        (added,) = con.execute(
            f'select count(*) from "{SECOND}".marts.footprint__products n anti join "{FIRST}".marts.footprint__products o'
            " on n.disclosure_id = o.disclosure_id"
        ).fetchone() or (0,)
    marts = {mart["mart"]: mart for mart in told["marts"]}
    assert marts["footprint__products"]["added"] == added > 0
    moves = [move for move in told["moves"] if move["kind"] == "moved"]
    assert len(moves) > 100 and not told["lists_known"], "the lists of then were not kept: their rules count as code"
    assert all(move["new"] - move["old"] == pytest.approx(sum(move["parts"].values()), rel=1e-9, abs=1e-9) for move in moves)
    assert {move["residual"] for move in told["moves"]} == {0.0}


def test_old_release_is_reported_and_rolled_back_to_in_one_command(data: Path, run: Run, tmp_path: Path) -> None:
    run(data, "report", "--out", str(tmp_path / "report.html"))
    assert SECOND in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert run(data, "release", "rollback")["release_id"] == FIRST
    assert (data / "releases/current").resolve().name == FIRST
    assert [row["status"] for row in run(data, "releases")] == ["published", "rolled_back"]
    assert all(entry["is_good"] for entry in run(data, "verify"))
    run(data, "report", "--out", str(tmp_path / "before.html"))
    assert FIRST in (tmp_path / "before.html").read_text(encoding="utf-8")


def test_what_an_old_release_cannot_answer_is_said(kept: Path, tanlian: Callable[..., Any]) -> None:
    """It was published before lineage was kept with releases."""
    done = tanlian(kept, "explain", "footprint__products", "--where", "disclosure_id = 'x'", "--column", "total_kg_co2e")
    assert done.returncode == 2 and "no lineage was kept with it" in done.stderr + done.stdout


@pytest.mark.soak
def test_next_release_follows_the_old_one(data: Path) -> None:
    """The version of today publishes after them; the chain that begins here holds on to the old manifest."""
    settings = Settings(data=data, threads=2)
    ledger = Ledger(settings.ledger)
    outcome = release(settings, ledger, parse_instant("2026-11-10"))
    assert outcome.status == "published"
    folder = current_release(settings) or Path()
    assert read_manifest(folder)["parent_release_id"] == SECOND
    assert verify_release(folder).faults == [] and verify_ledger(ledger, settings.releases).faults == []
    assert verify_release(data / "releases" / FIRST).faults == []
