"""The walls between readers, tried at a running Superset: nobody is shown a row that is somebody else's.

In CI every so many attempts are made; `make soak` makes all of them. TANLIAN_PROBES=<file> keeps the figures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pytest

from dashboards import client
from dashboards.access import ROLE_PREFIX
from dashboards.assets import Reader, name_uuid
from dashboards.definitions import LANGUAGES, read_definitions
from dashboards.errors import DashboardError
from dashboards.readers import read_readers

from .conftest import READERS, Live
from .probes import CHANNELS, DATASET, GENERAL, Tally, Target, list_foreign_codes, list_targets, read_text, try_all

pytestmark = [pytest.mark.superset, pytest.mark.slow, pytest.mark.xdist_group("superset")]

# So that CI makes a few hundred attempts, and each channel at several objects.
IN_CI = 41
BANK, REGION = "bank_91110000ONE", "region_130000"


@pytest.fixture(scope="module")
def walled(live: Live) -> Iterator[client.SupersetClient]:
    live.publish(only=frozenset(READERS))
    with live.connect() as admin:
        yield admin


@pytest.fixture(scope="module")
def readers(live: Live, walled: client.SupersetClient) -> list[Reader]:
    return read_readers(live.data_dir)


@pytest.fixture(scope="module")
def targets(live: Live, walled: client.SupersetClient, readers: list[Reader]) -> list[Target]:
    """Every object of the server, with cached answers of the ministry's to ask for."""
    tables = {
        name: sorted(described["columns"], key=lambda column: not column.endswith("_id"))
        for name, described in read_definitions().tables.items()
    }
    keys: dict[int, str] = {}
    with live.sign_in("ministry") as ministry:
        for name in ("release", "sources", "finding_list", "position_list"):
            number = walled.list_ids("chart")[name_uuid("chart", name, "en")]
            answer = ministry._ask("GET", f"/api/v1/chart/{number}/data/").json()["result"][0]
            keys[number] = answer["cache_key"] or ""
    assert all(keys.values())
    return list_targets(walled, readers, tables, keys)


def own_file(live: Live, reader: str) -> Path:
    return live.data_dir / "releases" / "current" / f"{reader}.duckdb"


def probe(live: Live, targets: list[Target], readers: list[Reader], every: int) -> dict[str, Tally]:
    tallies = {}
    for reader in readers:
        foreign = list_foreign_codes(live.release_file, own_file(live, reader.name))
        assert foreign or reader.name == "ministry", "there is something that must not be seen"
        with live.sign_in(reader.name) as session:
            tallies[reader.name] = try_all(session._http, reader.name, targets, foreign, every, guest=reader.kind == "public")
    kept = os.environ.get("TANLIAN_PROBES")
    if kept:
        told = {
            name: {"attempts": tally.attempts, "seconds": tally.seconds, "crashes": tally.crashes, **tally.by_channel}
            for name, tally in tallies.items()
        }
        Path(kept).write_text(json.dumps(told, indent=1), encoding="utf-8")
    return tallies


def assert_tight(tallies: dict[str, Tally], at_least: int) -> None:
    assert [leak for tally in tallies.values() for leak in tally.leaks] == []
    assert [opening for tally in tallies.values() for opening in tally.openings] == []
    assert sum(tally.attempts for tally in tallies.values()) >= at_least
    tried = {channel for tally in tallies.values() for channel in tally.by_channel}
    assert tried == {channel for channels in CHANNELS.values() for channel in channels} | set(GENERAL)


def test_nobody_is_shown_what_is_not_theirs(live: Live, targets: list[Target], readers: list[Reader]) -> None:
    assert_tight(probe(live, targets, readers, IN_CI), at_least=300)


@pytest.mark.soak
def test_nobody_is_shown_what_is_not_theirs_by_five_thousand_attempts(live: Live, targets: list[Target], readers: list[Reader]) -> None:
    assert_tight(probe(live, targets, readers, 1), at_least=5_000)


def test_a_leak_would_be_found(live: Live, walled: client.SupersetClient, targets: list[Target]) -> None:
    """The administrator may see everything: to the same attempts under a reader's name everything opens and leaks."""
    foreign = list_foreign_codes(live.release_file, own_file(live, BANK))
    some = [target for target in targets if target.owner == REGION and target.kind == "dataset" and target.table == "footprint__products"]
    tally = try_all(walled._http, BANK, some, foreign)
    channels = {opening.split(": ")[1].split(" of ")[0] for opening in tally.openings}
    assert {"chart data", "chart data, export csv", "filter values", "dataset metadata", "drill to detail"} <= channels
    assert {leak.split(": ")[1].split(" of ")[0] for leak in tally.leaks} >= {"chart data", "chart data, export csv", "filter values"}


@pytest.mark.parametrize("reader", sorted(READERS))
def test_every_reader_sees_its_own(live: Live, targets: list[Target], reader: str) -> None:
    """The walls have doors: what is one's own opens by every way of reading."""
    own = [target for target in targets if target.owner == reader and target.kind == "dataset" and target.table.startswith("ets__prices")]
    assert own
    with live.sign_in(reader) as session:
        for name in ("chart data", "chart data, export csv", "filter values", "drill to detail", "drill info"):
            method, path, sent = DATASET[name](own[0])
            answer = session._http.request(method, path, **sent)
            assert answer.status_code == 200, (name, answer.text[:300])
            if name != "drill info":
                assert f"CODE-OF-{reader.upper()}" in read_text(answer) or "2026" in read_text(answer), name
        boards = [target for target in targets if target.owner == reader and target.kind == "dashboard"]
        assert {target.slug[-2:] for target in boards} == {"zh", "en"}
        assert session._http.get(f"/api/v1/dashboard/{boards[0].slug}").status_code == 200


FIRST_PAGES = {"ministry": "national-overview", "public": "public-footprints", "bank": "bank-portfolio", "region": "sector-footprints"}


def test_readers_arrive_at_the_first_dashboard_of_their_own(live: Live, walled: client.SupersetClient, readers: list[Reader]) -> None:
    for reader in readers:
        with live.browse(reader.name, live.password_of(reader.name)) as browser:
            for lang in LANGUAGES:
                browser.get(f"/lang/{lang}")
                answer = browser.get("/", follow_redirects=True)
                assert answer.url.path == f"/superset/dashboard/{reader.slug(FIRST_PAGES[reader.kind], lang)}/"
                assert answer.status_code == 200
    assert "/login/" in httpx.get(f"{live.server.url}/", trust_env=False, timeout=60, follow_redirects=True).url.path


def test_explanations_are_for_the_ministry_alone(live: Live, walled: client.SupersetClient) -> None:
    """Of a planted release nothing can be explained: whoever may ask is told so, and nobody else is told anything."""
    address = "/tanlian/explain?mart=ets__prices_by_year&column=close_cny_per_t&lang=en&where=year=2025"
    told = {}
    for reader in ("ministry", *READERS):
        with live.browse(reader, live.password_of(reader)) as browser:
            told[reader] = browser.get(address)
    told["nobody"] = httpx.get(live.server.url + address, trust_env=False, timeout=60)
    statuses = {reader: answer.status_code for reader, answer in told.items()}
    assert statuses == {"ministry": 400, "nobody": 302} | dict.fromkeys(READERS, 403)
    assert "lineage" in told.pop("ministry").text
    assert not any("ets__prices_by_year" in answer.text for reader, answer in told.items() if reader != "nobody")


def test_row_rules_hold_where_the_file_does_not(live: Live, walled: client.SupersetClient, targets: list[Target]) -> None:
    """The second lock alone: with another bank's file put in place of its own, a bank sees nothing."""
    own = next(target for target in targets if target.owner == BANK and target.table == "finance__portfolios")
    file, other = own_file(live, BANK), own_file(live, "bank_91310000TWO")
    kept = file.read_bytes()
    with live.sign_in(BANK) as session:
        method, path, sent = DATASET["chart data"](own)
        rows = session._http.request(method, path, **sent).json()["result"][0]["data"]
        assert rows and {row[own.column] for row in rows} == {"91110000ONE"}
        file.write_bytes(other.read_bytes())
        try:
            answer = session._http.request(method, path, **sent)
            assert answer.status_code == 200 and answer.json()["result"][0]["data"] == []
        finally:
            file.write_bytes(kept)


def test_only_the_ministry_writes_statements(live: Live, walled: client.SupersetClient) -> None:
    numbers = walled.list_ids("database")
    with live.sign_in("ministry") as session:
        assert session.run_sql("select count(*) as n from marts.release__summary", numbers[name_uuid("database")]) == [{"n": 1}]
        with pytest.raises(DashboardError):
            session.run_sql("select 1 as n", numbers[name_uuid("database", reader=BANK)])
        with pytest.raises(DashboardError, match=r"disabled by configuration|configuration has been locked"):
            session.run_sql("select * from read_text('/etc/passwd')", numbers[name_uuid("database")])
    for reader in READERS:
        with live.sign_in(reader) as session, pytest.raises(DashboardError, match="403"):
            session.run_sql("select 1 as n", numbers[name_uuid("database", reader=reader)])


def test_no_connection_leads_outside_the_releases(live: Live, walled: client.SupersetClient, tmp_path: Path) -> None:
    """Not even the administrator can point a database at another file, or open one for writing."""
    elsewhere = tmp_path / "elsewhere.duckdb"
    duckdb.connect(str(elsewhere)).close()
    for address in (f"duckdb:///{elsewhere}", "duckdb:///:memory:", "duckdb:///", "sqlite:////etc/passwd"):
        with pytest.raises(DashboardError):
            walled.create("database", {"database_name": f"spy {address}", "sqlalchemy_uri": address})
    with pytest.raises(DashboardError):
        walled._ask("POST", "/api/v1/database/test_connection/", json={"sqlalchemy_uri": f"duckdb:///{elsewhere}", "database_name": "spy"})


def test_publishing_again_changes_no_role_and_no_password(live: Live, walled: client.SupersetClient) -> None:
    def look() -> dict[str, object]:
        roles = walled.list_named("security/roles", "name")
        own = {name: number for name, number in roles.items() if name.startswith(ROLE_PREFIX)}
        given = {
            name: sorted(entry["id"] for entry in walled._ask("GET", f"/api/v1/security/roles/{number}/permissions/").json()["result"])
            for name, number in own.items()
        }
        return {"roles": own, "given": given, "rules": walled.list_named("rowlevelsecurity", "name")}

    before = look()
    assert set(before["roles"]) == {ROLE_PREFIX + name for name in ("ministry", *READERS)}  # type: ignore[call-overload]
    live.publish(only=frozenset({BANK, REGION}))
    assert look() == before
    with live.sign_in(BANK):
        pass
