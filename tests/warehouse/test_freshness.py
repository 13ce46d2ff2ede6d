"""Freshness is honest: whichever source stops, it alone is overdue, in the release's own table and on the page, and nothing stands in for it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from dashboards.reports.exhibit import drawing_in
from dashboards.reports.quality_exhibits import build_sources
from dashboards.reports.release_file import open_releases
from ingest.contract import read_contracts
from warehouse.facts import own_tables
from warehouse.ledger import Ledger
from warehouse.settings import Settings

AS_OF = datetime(2026, 10, 31, 15, 59, 59)
CADENCES = {name: contract.cadence_days for name, contract in read_contracts().items()}
MANIFEST = {
    "release_id": "20261031-fresh", "parent_release_id": None, "as_of": AS_OF.isoformat(), "rule_date": "2026-10-31",
    "published_at": AS_OF.isoformat(), "code_version": "test", "gates": [], "deliveries": [], "waivers": [],
}  # fmt: skip


def deliver(ledger: Ledger, source: str, at: datetime, status: str = "landed") -> None:
    identifier = hashlib.sha256(f"{source}{at}{status}".encode()).hexdigest()
    sequence = ledger.receive(identifier, source, f"{source}_{at:%Y%m%d}.csv", 1, at, None)
    counts = {"received": 1, "accepted": 1} if status == "landed" else {}
    ledger.settle(sequence, status, "accepted" if status == "landed" else "rejected", counts, {}, [])


def stop(folder: Path, stopped: str) -> list[tuple[str, bool, str]]:
    """(source, overdue in the release's own table, what the page says of it), where one source stopped a day too long ago. Since then it has
    sent only what was refused, and what came after the as-of instant; all others came exactly as often as they should.
    """
    settings, ledger = Settings(folder), Ledger(folder / "ledger.sqlite")
    for source, cadence in CADENCES.items():
        deliver(ledger, source, AS_OF - timedelta(days=cadence + (source == stopped)))
    deliver(ledger, stopped, AS_OF - timedelta(hours=1), "rejected")
    deliver(ledger, stopped, AS_OF + timedelta(seconds=1))
    file = folder / "release.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("create schema marts")
        con.execute(f"create table marts.release__sources as {own_tables(settings, ledger, MANIFEST, AS_OF)['release__sources']}")
    ledger.close()
    with open_releases(file, None) as releases, drawing_in():
        table = build_sources(releases).table
        assert table is not None
        said = {row[0].display.zh: row[-1].display.en for row in table.rows}
        rows = releases.read("select source, title_zh, is_stale from now.release__sources order by source")
    return [(row["source"], row["is_stale"], said[row["title_zh"]]) for row in rows]


@pytest.mark.parametrize("stopped", sorted(CADENCES))
def test_source_that_stops_is_overdue_and_no_other(tmp_path: Path, stopped: str) -> None:
    found = stop(tmp_path, stopped)
    assert len(found) == len(CADENCES) > 15
    assert [source for source, is_stale, _ in found if is_stale] == [stopped]
    words = {word for source, _, word in found if source != stopped}
    assert len(words) == 1 and next(word for source, _, word in found if source == stopped) not in words


def test_source_that_never_came_is_overdue(tmp_path: Path) -> None:
    settings, ledger = Settings(tmp_path), Ledger(tmp_path / "ledger.sqlite")
    with duckdb.connect() as con:
        rows = con.execute(own_tables(settings, ledger, MANIFEST, AS_OF)["release__sources"]).fetchall()
    ledger.close()
    assert len(rows) == len(CADENCES) and all(row[-1] is True and row[-2] is None for row in rows)
