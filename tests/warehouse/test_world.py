"""`tanlian world` on the acceptance worlds and on worlds of our own: counts, verdicts, marts, clocks and a gate that stops."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.contract import read_contracts
from warehouse.content import mart_hashes

from .conftest import FIRST, Country, Published

Run = Callable[..., subprocess.CompletedProcess[str]]
SUPPORTED = tuple(read_contracts())
COUNTS = ("received", "accepted", "duplicate", "quarantined")
COMPARED = "footprint__sectors_by_year,footprint__benchmarks_by_year,footprint__product_tiers"
WORLDS = ["world", "world_corrupt"]
acceptance_worlds = [pytest.mark.xdist_group("worlds"), pytest.mark.slow]


@dataclass(frozen=True)
class Judged:
    """One finished `tanlian world`."""

    folder: Path
    out: Path
    done: subprocess.CompletedProcess[str]

    @property
    def truth(self) -> dict[str, Any]:
        return json.loads((self.folder / "truth.json").read_text(encoding="utf-8"))

    @property
    def verdicts(self) -> dict[str, Any]:
        return json.loads((self.out / "verdicts.json").read_text(encoding="utf-8"))

    @property
    def marts(self) -> dict[str, dict[str, Any]]:
        return mart_hashes(self.out / "release.duckdb")


@pytest.fixture(scope="session")
def judged(shared: Path, tanlian: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Judged]:
    """Each acceptance world, run once."""
    runs: dict[str, Judged] = {}

    def judge(name: str) -> Judged:
        if name not in runs:
            folder = shared / "acceptance" / name
            out = tmp_path_factory.mktemp(name)
            runs[name] = Judged(folder, out, tanlian(out / "unused", "--json", "world", str(folder), "--out", str(out)))
        return runs[name]

    return judge


@pytest.mark.parametrize("name", WORLDS)
class TestAcceptance:
    pytestmark = acceptance_worlds

    def test_ends_in_a_release(self, judged: Callable[[str], Judged], name: str) -> None:
        run = judged(name)
        assert run.done.returncode == 0, run.done.stderr
        answer = json.loads(run.done.stdout)
        assert answer["release_id"]
        assert answer["gates"]
        assert all(gate["success"] and gate["rows_examined"] and gate["checks_run"] for gate in answer["gates"])

    def test_counts_are_the_true_ones(self, judged: Callable[[str], Judged], name: str) -> None:
        run = judged(name)
        assert set(run.truth["sources"]) <= set(SUPPORTED)
        for source in run.truth["sources"]:
            told = run.verdicts["sources"][source]
            assert {count: told[count] for count in COUNTS} == {count: run.truth["sources"][source][count] for count in COUNTS}, source

    def test_counts_of_the_files_add_up_to_those_of_the_sources(self, judged: Callable[[str], Judged], name: str) -> None:
        verdicts = judged(name).verdicts
        for source, told in verdicts["sources"].items():
            files = [file for file in verdicts["files"] if file["source"] == source]
            assert {count: sum(file[count] for file in files) for count in COUNTS} == {count: told[count] for count in COUNTS}
            assert sum(file["verdict"] == "rejected" for file in files) == told["rejected_files"]

    def test_exactly_the_listed_rows_are_quarantined(self, judged: Callable[[str], Judged], name: str) -> None:
        run = judged(name)
        told = {(row["source"], row["file"], row["row_number"]): row["rules"] for row in run.verdicts["rows"]}
        listed = {
            (row["source"], row["file"], row["row_number"]): row["rule"]
            for row in run.truth["rows"]
            if row["verdict"] == "quarantined" and row["source"] in SUPPORTED
        }
        assert told.keys() == listed.keys()
        assert {key: rule for key, rule in listed.items() if rule not in told[key]} == {}

    def test_listed_files_are_rejected_for_their_reason(self, judged: Callable[[str], Judged], name: str) -> None:
        run = judged(name)
        told = {(file["source"], file["file"]): file["reasons"] for file in run.verdicts["files"] if file["verdict"] == "rejected"}
        listed = {(file["source"], file["file"]): [file["reason"]] for file in run.truth["rejected_files"] if file["source"] in SUPPORTED}
        assert told == listed

    def test_identical_files_are_known_again(self, judged: Callable[[str], Judged], name: str) -> None:
        run = judged(name)
        files = {f"{file['source']}/{file['file']}": file for file in run.verdicts["files"]}
        for path, twin in run.truth["identical_files"].items():
            assert (files[path]["verdict"], files[path]["duplicate"]) == ("duplicate", twin["rows"])

    def test_every_file_of_the_manifest_is_answered(self, judged: Callable[[str], Judged], name: str) -> None:
        run = judged(name)
        with (run.folder / "manifest.csv").open(encoding="utf-8", newline="") as stream:
            sent = sorted((entry["source"], entry["file"]) for entry in csv.DictReader(stream))
        assert sorted((file["source"], file["file"]) for file in run.verdicts["files"]) == sent
        unsupported = sorted({source for source, _ in sent} - set(SUPPORTED))
        assert run.verdicts["unsupported"] == unsupported == json.loads(run.done.stdout)["unsupported"]
        assert {file["source"] for file in run.verdicts["files"] if file["verdict"] == "unsupported"} == set(unsupported)

    def test_footprint_marts_equal_the_expected_ones(self, judged: Callable[[str], Judged], shared: Path, name: str) -> None:
        compare = shared / "acceptance" / "compare.py"
        command = [sys.executable, str(compare), "--warehouse", str(judged(name).out / "release.duckdb"), "--only", COMPARED]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_daily_prices_equal_the_expected_ones_where_no_trades_are_needed(
        self, judged: Callable[[str], Judged], shared: Path, name: str
    ) -> None:
        figures = ("volume_t", "turnover_cny", "vwap_cny_per_t", "vwap_listed_cny_per_t", "vwap_block_cny_per_t", "vwap_auction_cny_per_t")
        differs = " or ".join(
            f"(m.{one} is null) <> (e.{one} is null) or coalesce(abs(m.{one}::double - e.{one}::double) > 1e-9 * greatest(abs(e.{one}::double), 1e-3), false)"
            for one in figures
        )
        with duckdb.connect(str(judged(name).out / "release.duckdb"), read_only=True) as connection:
            compared, missing, different = connection.execute(
                f"select count(*), count(*) filter (m.market is null), count(*) filter ({differs}) from read_parquet(?) e"
                " left join marts.ets__prices_by_day m using (market, instrument, trade_date) where not (e.is_from_trades or e.has_conflict)",
                [str(shared / "acceptance" / "expected" / "ets__prices_by_day.parquet")],
            ).fetchone() or (0, 0, 0)
        assert compared > 6000
        assert (missing, different) == (0, 0)


@pytest.mark.xdist_group("worlds")
@pytest.mark.slow
def test_faults_kept_out_leave_exactly_the_marts_of_the_clean_world(judged: Callable[[str], Judged]) -> None:
    clean, corrupt = judged("world").marts, judged("world_corrupt").marts
    assert clean == corrupt
    assert all(mart["row_count"] for mart in clean.values())


@pytest.fixture
def own_world(country: Country, tmp_path: Path) -> Callable[..., Path]:
    """The demonstration country as a world folder: both stages, or only what was received until a day."""

    def make(name: str, until: str = "9999") -> Path:
        folder = tmp_path / name
        entries = []
        for stage in ("first", "second"):
            shutil.copytree(country.folder / stage / "inbox", folder / "inbox", dirs_exist_ok=True)
            with (country.folder / stage / "manifest.csv").open(encoding="utf-8", newline="") as stream:
                entries += [entry for entry in csv.DictReader(stream) if entry["received_on"] <= until]
        with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(entries[0]))
            writer.writeheader()
            writer.writerows(entry | {"sequence": str(number)} for number, entry in enumerate(entries, start=1))
        return folder

    return make


@pytest.mark.xdist_group("release")
@pytest.mark.slow
def test_earlier_clock_gives_the_marts_as_they_were_known(
    country: Country, own_world: Callable[..., Path], published: Published, tanlian: Run, tmp_path: Path
) -> None:
    """Deliveries after the clock change nothing, though restatements, revisions and a late disclosure are among them: the release that
    was made when only the first had come holds the same.
    """
    done = tanlian(tmp_path, "--json", "--as-of", FIRST, "world", str(own_world("whole")), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    marts = mart_hashes(tmp_path / "out" / "release.duckdb")
    assert marts == mart_hashes(published.before / "releases" / "current" / "ministry.duckdb")
    disclosed = {row["disclosure_id"] for row in country.rows("product_footprint")}
    assert marts["footprint__products"]["row_count"] >= len(disclosed) > 400


@pytest.mark.xdist_group("worlds")
@pytest.mark.slow
def test_world_of_nothing_but_bad_rows_ends_without_a_release(own_world: Callable[..., Path], tanlian: Run, tmp_path: Path) -> None:
    folder, out = own_world("bad", "2026-05-06"), tmp_path / "out"
    (path,) = [*(folder / "inbox" / "enterprise").glob("20260506*")]
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, *("x" + row for row in rows)]), encoding="utf-8")
    out.mkdir()
    (out / "release.duckdb").write_bytes(b"left by an earlier run")
    done = tanlian(tmp_path, "--json", "world", str(folder), "--out", str(out))
    assert done.returncode == 3, done.stderr
    answer = json.loads(done.stdout)
    assert answer["release_id"] is None
    assert [gate for gate in answer["gates"] if not gate["success"]]
    assert not (out / "release.duckdb").exists()
    (file,) = json.loads((out / "verdicts.json").read_text(encoding="utf-8"))["files"]
    assert (file["verdict"], file["reasons"]) == ("rejected", ["too_many_bad_rows"])


def test_file_of_an_unknown_source_is_answered_as_unsupported(tanlian: Run, tmp_path: Path) -> None:
    """A world of a later edition may bring sources that this one does not take: said for each file, and the others are judged."""
    folder = tmp_path / "world"
    header = "enterprise_id,enterprise_name,province_code,industry_code\n"
    for source, text in (("enterprise", header + "lei:SYNTHETIC,合成示范,990000,22\n"), ("weather", "day,rain_mm\n2026-01-01,3\n")):
        (folder / "inbox" / source).mkdir(parents=True)
        (folder / "inbox" / source / "one.csv").write_text(text, encoding="utf-8")
    manifest = "sequence,received_on,source,file,rows\n1,2026-01-05,enterprise,one.csv,1\n2,2026-01-05,weather,one.csv,1\n"
    (folder / "manifest.csv").write_text(manifest, encoding="utf-8")
    tanlian(tmp_path, "--json", "world", str(folder), "--out", str(tmp_path / "out"))
    told = json.loads((tmp_path / "out" / "verdicts.json").read_text(encoding="utf-8"))
    assert told["unsupported"] == ["weather"]
    assert {file["source"]: (file["verdict"], file["reasons"]) for file in told["files"]} == {
        "enterprise": ("accepted", []),
        "weather": ("unsupported", ["source_unsupported"]),
    }


@pytest.mark.parametrize(
    ("manifest", "told"),
    [(None, "manifest.csv"), ("sequence,received_on,source,file,rows\n1,2026-01-01,enterprise,../../../secret.csv,1\n", "secret.csv")],
)
def test_folder_that_is_no_world_is_a_usage_error(tanlian: Run, tmp_path: Path, manifest: str | None, told: str) -> None:
    folder = tmp_path / "world"
    (folder / "inbox").mkdir(parents=True)
    (tmp_path / "secret.csv").write_text("x")
    if manifest:
        (folder / "manifest.csv").write_text(manifest)
    done = tanlian(tmp_path, "world", str(folder), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "out").exists()
