"""From nothing to two releases and a report, as the README says it: the real command, the real DAGs, the real gates."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from dashboards.definitions import read_definitions
from dashboards.explained import write_link
from ingest.contract import read_contracts
from warehouse.content import mart_hashes

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
ENTERPRISES = 120
SUPERSET = ROOT / ".venv-superset" / "bin" / "python"


NAMED = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))


def test_readme_names_the_two_commands() -> None:
    assert {"run", "test"} <= NAMED


@pytest.mark.parametrize("target", sorted(NAMED))
def test_make_target_of_the_readme_exists(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.airflow
@pytest.mark.xdist_group("end_to_end")
def test_run_publishes_two_releases_and_then_nothing_new(tanlian: Run, tmp_path: Path) -> None:
    data, started = tmp_path / "data", time.time()
    done = tanlian(data, "run", "--enterprises", str(ENTERPRISES))
    assert done.returncode == 0, done.stdout + done.stderr
    releases = json.loads(tanlian(data, "--json", "releases").stdout)
    assert [(row["status"], row["in_force"]) for row in releases] == [("published", False), ("published", True)]
    assert releases[1]["parent_release_id"] == releases[0]["release_id"]
    current = data / "releases" / "current"
    manifest = json.loads((current / "manifest.json").read_text(encoding="utf-8"))
    assert mart_hashes(current / "ministry.duckdb") == manifest["marts"]
    check_counts(data, tanlian)
    for row in releases:
        check_explained(data, row["release_id"], tanlian)
    check_linked(data)
    check_terminal(done.stdout, releases[1]["release_id"])
    report = ROOT / "report.html"
    assert report.stat().st_mtime >= started
    assert releases[1]["release_id"] in report.read_text(encoding="utf-8")

    again = tanlian(data, "run")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing new was delivered, nothing published" in again.stdout
    assert json.loads(tanlian(data, "--json", "releases").stdout) == releases


def check_explained(data: Path, release_id: str, tanlian: Run) -> None:
    """A figure of any kept release, without its build, and the largest row that it is made of."""
    shutil.rmtree(data / "builds", ignore_errors=True)
    with duckdb.connect(str(data / "releases" / release_id / "ministry.duckdb"), read_only=True) as connection:
        key = connection.execute(
            "select product_code, boundary, gwp_set, reporting_year from marts.footprint__sectors_by_year"
            " where province_code = '000000' order by disclosure_count desc, product_code, gwp_set, reporting_year limit 1"
        ).fetchone() or ("", "", "", 0)
    where = f"product_code = '{key[0]}' and boundary = '{key[1]}' and gwp_set = '{key[2]}' and reporting_year = {key[3]}"
    page = data / "page.html"
    asked = ("--release", release_id, "--where", f"{where} and province_code = '000000'", "--column", "weighted_mean_kg_co2e")
    done = tanlian(data, "--json", "explain", "footprint__sectors_by_year", *asked, "--html", str(page))
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["release"]["release_id"] == release_id
    (rows,) = [source["rows"] for source in document["sources"] if source["source"] == "product_footprint"]
    assert sum(row["share"] or 0 for row in rows) == pytest.approx(1)
    assert rows[0]["delivery"]["verdict"] in {"accepted", "partly_quarantined"}
    assert "<svg" in page.read_text(encoding="utf-8")
    place = f"#{rows[0]['delivery']['sequence']}:{rows[0]['row_number']}"
    moved = json.loads(tanlian(data, "--json", "explain", "--release", release_id, "--reverse", place).stdout)
    assert {"footprint__sectors_by_year", "footprint__products"} <= set(moved["marts"])
    refused = tanlian(data, "explain", "footprint__products", "--where", "1 = 1; drop table x", "--column", "revision")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stdout + refused.stderr
    assert not list((data / "work").glob("trace-*")), "scratch files are removed"


def check_linked(data: Path) -> None:
    """What a link of the dashboards opens: the explanation for the ministry, in words what is wrong with a question, and for others nothing."""
    table = read_definitions().tables["footprint__benchmarks_by_year"]
    link = write_link("footprint__benchmarks_by_year", table, "p20_kg_co2e", "en", "Explain")
    with duckdb.connect(str(data / "releases" / "current" / "ministry.duckdb"), read_only=True) as connection:
        cell, figure = connection.execute(
            f"select {link}, p20_kg_co2e from marts.footprint__benchmarks_by_year where p20_kg_co2e is not null order by 1 limit 1"
        ).fetchone() or ("", 0.0)
    address = html.unescape(re.findall('href="([^"]+)"', cell)[0])
    mine = ["tanlian_ministry"]
    asked = [
        {"roles": mine, "address": address},
        {"roles": mine, "address": address},
        {"roles": mine, "address": address.partition("where=")[0] + "where=1=1;drop+table+x"},
        {"roles": mine, "address": address.replace("footprint__benchmarks_by_year", "--html=x", 1)},
        {"roles": ["tanlian_bank_1", "tanlian_region_110000", "tanlian_public"], "address": address},
        {"roles": None, "address": address},
    ]
    done = subprocess.run(
        [SUPERSET, ROOT / "tests/end_to_end/ask_pages.py"],
        input=json.dumps({"home": str(data / "superset"), "asked": asked}),
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT / "dashboards/superset"),
            "TANLIAN_COMMAND": str(Path(sys.executable).with_name("tanlian")),
            "TANLIAN_DATA": str(data),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, again, wrong, option, others, nobody = json.loads(done.stdout)
    assert first["status"] == 200 and "<svg" in first["text"] and str(figure)[:6] in first["text"]
    assert first["text"] == again["text"]
    assert "default-src 'none'" in first["policy"]
    assert wrong["status"] == 400 and "--where takes comparisons" in wrong["text"]
    assert option["status"] == 400
    assert others["status"] == 403 and nobody["status"] == 302
    assert str(figure)[:6] not in others["text"] + nobody["text"]


def check_counts(data: Path, tanlian: Run) -> None:
    """Status, the release's own table and the demonstration's list of what it planted agree."""
    truth = json.loads((data / "demonstration" / "truth.json").read_text(encoding="utf-8"))
    told = {source["source"]: source for source in json.loads(tanlian(data, "--json", "status").stdout)["sources"]}
    for source, counts in truth["sources"].items():
        assert {name: told[source][name] for name in counts} == counts, source
        assert told[source]["inbox"] == 0
    with duckdb.connect(str(data / "releases" / "current" / "ministry.duckdb"), read_only=True) as connection:
        found = connection.execute(
            "select rule_code, list(subject_id order by subject_id) from marts.ccer__findings group by all"
        ).fetchall()
        rows = connection.execute("select source, accepted_count, quarantined_count from marts.release__sources").fetchall()
        assert connection.execute("select is_demonstration from marts.release__summary").fetchall() == [(True,)]
    # Every planted case and no other: the demonstration's registers agree wherever they are not meant to disagree.
    assert dict(found) == truth["findings"]
    assert {source: (accepted, quarantined) for source, accepted, quarantined in rows} == {
        source: (counts["accepted"], counts["quarantined"]) if (counts := truth["sources"].get(source)) else (0, 0)
        for source in read_contracts()
    }


def check_terminal(said: str, release_id: str) -> None:
    """The run ends with deliveries, gates, the release, five figures and what to do next."""
    for words in ("Deliveries", "Gates", "Headline figures", release_id, "report.html", "make up", "tanlian deliver"):
        assert words in said, words
    figures = said[said.index("Headline figures") :]
    assert len(re.findall(r"\b(?:footprint|ets)__\w+", figures)) >= 5
