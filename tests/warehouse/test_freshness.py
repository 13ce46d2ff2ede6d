"""Freshness is honest: whichever source stops, it alone is overdue, in the release's own table and on the page, and nothing stands in for it."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
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


def _land(ledger: Ledger, folder: Path, source: str, rows: str, at: datetime) -> None:
    """A landing file with the given rows, known from `at` on."""
    path = Path("landing") / source / f"{at:%Y%m%d%H%M%S}.parquet"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.execute(f"copy ({rows}) to '{folder / path}' (format parquet)")
    sequence = ledger.receive(hashlib.sha256(str(path).encode()).hexdigest(), source, path.name, 1, at, None)
    ledger.settle(sequence, "landed", "accepted", {"received": 1, "accepted": 1}, {}, [(path, 1)])


def test_content_may_be_old_though_its_file_came_today(tmp_path: Path) -> None:
    """When a file came and which days it speaks of are two things; both are told, and what came after the as-of instant does not count."""
    settings, ledger = Settings(tmp_path), Ledger(tmp_path / "ledger.sqlite")
    today = AS_OF - timedelta(hours=2)
    _land(ledger, tmp_path, "market_quote", "select unnest([date '2026-07-31', date '2026-07-30']) as trade_date", today)
    _land(ledger, tmp_path, "market_quote", "select date '2026-11-02' as trade_date", AS_OF + timedelta(days=2))
    _land(ledger, tmp_path, "market_trade", "select timestamp '2026-08-02 17:30:00' as traded_at", today)  # UTC: the third in China
    _land(ledger, tmp_path, "enterprise", "select 'E' as enterprise_id", today)
    file = tmp_path / "release.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("create schema marts")
        con.execute(f"create table marts.release__sources as {own_tables(settings, ledger, MANIFEST, AS_OF)['release__sources']}")
        found = con.execute(
            "select source, newest_content_on, is_stale from marts.release__sources where last_received_at is not null"
        ).fetchall()
    ledger.close()
    assert sorted(found) == [
        ("enterprise", None, False), ("market_quote", date(2026, 7, 31), False), ("market_trade", date(2026, 8, 3), False),
    ]  # fmt: skip
    with open_releases(file, None) as releases, drawing_in():
        table = build_sources(releases).table
    assert table is not None
    place = [column.en for column in table.columns].index("Newest day told")
    told = {row[0].display.en: (row[place].display.en, row[-1].display.en) for row in table.rows}
    assert told["Carbon-market quotes"] == ("2026-07-31", "on time") and told["Enterprises"] == ("—", "on time")


def test_day_column_bears_days() -> None:
    contracts = read_contracts()
    kinds = {name: contract.column(contract.day_column).type for name, contract in contracts.items() if contract.day_column}
    assert len(kinds) >= 15 and set(kinds.values()) == {"date", "instant"}


def test_source_that_never_came_is_overdue(tmp_path: Path) -> None:
    settings, ledger = Settings(tmp_path), Ledger(tmp_path / "ledger.sqlite")
    with duckdb.connect() as con:
        rows = con.execute(own_tables(settings, ledger, MANIFEST, AS_OF)["release__sources"]).fetchall()
    ledger.close()
    assert len(rows) == len(CADENCES) and all(row[-1] is True and row[-2] is None for row in rows)
