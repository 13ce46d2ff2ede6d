"""A real Superset: the import is repeatable, its figures are the mart's, it cannot write or read elsewhere, it follows the release."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

from dashboards import assets, client, pull, server
from dashboards.assets import name_uuid
from dashboards.definitions import DEFINITIONS, read_definitions
from dashboards.errors import DashboardError

from ..conftest import find_free_port
from .conftest import SUPERSET_ENVIRONMENT, Live
from .test_tiles import read_map

pytestmark = [pytest.mark.superset, pytest.mark.slow, pytest.mark.xdist_group("superset")]

COUNTRY = "000000"


@pytest.fixture(scope="module")
def session(live: Live) -> Iterator[client.SupersetClient]:
    live.publish()
    with live.connect() as opened:
        yield opened


@pytest.fixture
def mart(live: Live) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(live.release_file.resolve()), read_only=True) as connection:
        yield connection


def ask(mart: duckdb.DuckDBPyConnection, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    rows = mart.execute(sql, values or []).fetchall()
    assert rows, f"the mart must hold something to compare: {sql}"
    return rows


def list_busy_cells(mart: duckdb.DuckDBPyConnection) -> list[dict[str, str]]:
    """The product, boundary and GWP set of the five cells with most disclosures."""
    rows = ask(
        mart,
        "select product_code, boundary, gwp_set from marts.footprint__sectors_by_year where province_code = ?"
        " group by all order by sum(disclosure_count) desc, product_code, boundary, gwp_set limit 5",
        [COUNTRY],
    )
    return [dict(zip(("product_code", "boundary", "gwp_set"), row, strict=True)) for row in rows]


def assert_same(found: Any, expected: Any) -> None:
    """Equal, and None only where the mart has a null: a comparison with nothing is a failure."""
    if isinstance(expected, float) and math.isfinite(expected):
        assert found == pytest.approx(expected, rel=1e-12)
    else:
        assert found == expected


def test_import_twice_changes_nothing(live: Live, session: client.SupersetClient) -> None:
    kinds = ("database", "dataset", "chart", "dashboard")
    ids = {kind: session.list_ids(kind) for kind in kinds}
    exported = session.export_assets()
    published = live.publish()
    expected = {kind: len(list((assets.ASSETS / kind).rglob("*.yaml"))) for kind in ("databases", "datasets", "charts", "dashboards")}
    assert published.counts == expected
    assert {f"{kind}s": len(found) for kind, found in ids.items()} == expected
    assert expected["dashboards"] == 22
    assert {kind: session.list_ids(kind) for kind in kinds} == ids
    assert session.export_assets() == exported


def test_an_edit_in_the_browser_becomes_a_change_of_the_definition_and_publishing_restores_it(
    live: Live, session: client.SupersetClient, tmp_path: Path
) -> None:
    shutil.copytree(DEFINITIONS, tmp_path / "definitions")
    shutil.copytree(assets.ASSETS, tmp_path / "assets")

    def pull_edits() -> pull.Pulled:
        return pull.pull(session, tmp_path / "definitions", tmp_path / "assets")

    assert pull_edits() == pull.Pulled(), "what was published and not edited is no change"
    number = session.list_ids("chart")[name_uuid("chart", "trend", "en")]
    session.change(f"chart/{number}", {"slice_name": "Is it 'better' now?"})
    pulled = pull_edits()
    assert pulled.texts == ["charts/trend_en.yaml: slice_name: Is the sector getting cleaner? -> Is it 'better' now?"]
    assert pulled.settings == []
    changed = [path.name for path in DEFINITIONS.iterdir() if path.read_bytes() != (tmp_path / "definitions" / path.name).read_bytes()]
    assert changed == ["sector_footprints.yaml"]
    told = read_definitions(tmp_path / "definitions")
    assert next(board for board in told.dashboards if board["order"] == 2)["charts"]["trend"]["title"] == {
        "zh": "行业在变清洁吗？",
        "en": "Is it 'better' now?",
    }
    assert assets.find_drift(assets.render_assets(told), tmp_path / "assets") == []
    live.publish()
    assert session._ask("GET", f"/api/v1/chart/{number}").json()["result"]["slice_name"] == "Is the sector getting cleaner?"


def test_wrong_password_is_named_as_such(live: Live) -> None:
    with (
        pytest.raises(DashboardError) as caught,
        client.SupersetClient(live.server.url, live.server.user, "not-the-password"),
    ):
        pass
    assert "does not accept the password" in caught.value.text("en")
    assert "不接受" in caught.value.text("zh")


TREND = (
    "weighted_mean_kg_co2e, p10_kg_co2e, p90_kg_co2e, p50_kg_co2e",
    ["Weighted mean", "P10 to P90 (band)__yhat_lower", "P10 to P90 (band)__yhat_upper", "Median P50"],
)


def test_trend_equals_the_mart(session: client.SupersetClient, mart: duckdb.DuckDBPyConnection) -> None:
    columns, labels = TREND
    for cell in list_busy_cells(mart):
        shown = session.chart_data(name_uuid("chart", "trend", "en"), cell | {"province_code": COUNTRY})
        expected = ask(
            mart,
            f"select reporting_year, {columns} from marts.footprint__sectors_by_year"
            " where (product_code, boundary, gwp_set, province_code) = (?, ?, ?, ?) order by reporting_year",
            [*cell.values(), COUNTRY],
        )
        assert len(shown) == len(expected)
        for row, figures in zip(shown, expected, strict=True):
            assert row["reporting_year"] == figures[0]
            for label, figure in zip(labels, figures[1:], strict=True):
                assert_same(row[label], figure)


def test_parts_of_the_change_equal_the_mart_and_add_up(session: client.SupersetClient, mart: duckdb.DuckDBPyConnection) -> None:
    chart, compared = name_uuid("chart", "split", "en"), 0
    for cell in list_busy_cells(mart):
        filters = cell | {"province_code": COUNTRY}
        parts, wholes = session.chart_data(chart, filters, part=0), session.chart_data(chart, filters, part=1)
        expected = mart.execute(
            "select reporting_year, yoy_within_kg_co2e, yoy_mix_kg_co2e, yoy_entry_exit_kg_co2e, yoy_change_kg_co2e"
            " from marts.footprint__sectors_by_year where (product_code, boundary, gwp_set, province_code) = (?, ?, ?, ?)"
            " and yoy_change_kg_co2e is not null order by reporting_year",
            [*cell.values(), COUNTRY],
        ).fetchall()
        for row, whole, figures in zip(parts, wholes, expected, strict=True):
            shown = (row["Within enterprises"], row["Shift of shares"], row["Entry and exit"])
            assert (row["reporting_year"], whole["reporting_year"]) == (figures[0], figures[0])
            for found, figure in zip((*shown, whole["Whole change"]), figures[1:], strict=True):
                assert_same(found, figure)
            assert sum(shown) == pytest.approx(whole["Whole change"], rel=1e-9, abs=1e-9)
            compared += 1
    assert compared, "no cell had a year before: nothing was compared"


def test_provinces_equal_the_mart_without_the_country(session: client.SupersetClient, mart: duckdb.DuckDBPyConnection) -> None:
    cell = list_busy_cells(mart)[0]
    latest = "select max(reporting_year) from marts.footprint__sectors_by_year where (product_code, boundary, gwp_set) = (?, ?, ?)"
    year = ask(mart, latest, [*cell.values()])[0][0]
    shown = session.chart_data(name_uuid("chart", "provinces", "zh"), cell | {"reporting_year": year})
    expected = ask(
        mart,
        "select province_name_zh, weighted_mean_kg_co2e from marts.footprint__sectors_by_year"
        " where (product_code, boundary, gwp_set, reporting_year) = (?, ?, ?, ?) and province_code <> ?",
        [*cell.values(), year, COUNTRY],
    )
    assert {row["province_name_zh"]: row["加权均值"] for row in shown} == dict(expected)
    (drawn,) = session.chart_data(name_uuid("chart", "province_tiles", "zh"), cell | {"reporting_year": year})
    tiles = read_map(drawn["加权均值"])
    values = {tiles[name].province: tiles[name].figure for name in tiles if tiles[name].province}
    assert values == {name: pytest.approx(value, rel=5e-3) for name, value in expected if name != "境外"}


def test_tiers_benchmarks_and_prices_equal_the_mart(session: client.SupersetClient, mart: duckdb.DuckDBPyConnection) -> None:
    cell = list_busy_cells(mart)[0]
    where = "where (product_code, boundary, gwp_set) = (?, ?, ?)"
    shown = session.chart_data(name_uuid("chart", "tiers", "en"), cell)
    expected = ask(
        mart,
        f"select reporting_year, tier, count(*) from marts.footprint__product_tiers {where} and tier is not null group by all",
        [*cell.values()],
    )
    assert {(row["reporting_year"], row["tier"], row["Disclosures"]) for row in shown} == set(expected)

    shown = session.chart_data(name_uuid("chart", "benchmarks", "en"), cell)
    figures = ("reporting_year", "p20_kg_co2e", "p50_kg_co2e", "p80_kg_co2e")
    expected = ask(mart, f"select {', '.join(figures)} from marts.footprint__benchmarks_by_year {where} order by 1 desc", [*cell.values()])
    assert [tuple(row[name] for name in figures) for row in shown] == expected

    shown = session.chart_data(name_uuid("chart", "price", "en"))
    expected = ask(
        mart,
        "select epoch_ms(trade_date::timestamp), close_cny_per_t::double, vwap_cny_per_t::double from marts.ets__prices_by_day"
        " where market = 'CN-ETS' and instrument = 'CEA' order by trade_date",
    )
    assert len(shown) == len(expected)
    for row, (day, close, mean) in zip(shown, expected, strict=True):
        assert row["trade_date"] == day
        # Superset turns a decimal into the nearest double by another way than the engine.
        assert_same(row["Close"], close)
        assert_same(row["Volume-weighted mean"], mean)


def test_a_choice_of_several_products_shows_nothing_rather_than_a_mean(session: client.SupersetClient) -> None:
    for name, label in (("mean", "kgCO₂e per declared unit"), ("trend", "Weighted mean"), ("provinces", "Weighted mean")):
        rows = session.chart_data(name_uuid("chart", name, "en"))
        assert rows
        assert {row[label] for row in rows} == {None}, name


OUTSIDE = (
    "select * from read_csv('/etc/hostname')",
    "select * from read_text('/etc/passwd')",
    "attach '{scratch}/other.duckdb' as other",
    "copy (select 1) to '{scratch}/stolen.csv'",
    "set enable_external_access = true",
    "install httpfs",
)
WRITES = (
    "create table marts.intruder as select 1 as one",
    "delete from marts.release__summary",
    "update marts.footprint__sectors_by_year set weighted_mean_kg_co2e = 0",
)


def test_sql_lab_reads_the_marts_and_nothing_else(session: client.SupersetClient, tmp_path: Path) -> None:
    database = session.list_ids("database")[name_uuid("database")]
    assert session.run_sql("select count(*) as rows from marts.footprint__sectors_by_year", database)[0]["rows"] > 0
    for sql in OUTSIDE:
        with pytest.raises(DashboardError, match=r"disabled by configuration|configuration has been locked"):
            session.run_sql(sql.format(scratch=tmp_path), database)
    assert list(tmp_path.iterdir()) == []


def test_chart_data_cannot_read_a_file(session: client.SupersetClient) -> None:
    dataset = session.list_ids("dataset")[name_uuid("dataset", "release__summary")]
    spy = {"expressionType": "SQL", "label": "spy", "sqlExpression": "max((select content from read_text('/etc/hostname')))"}
    context = {"datasource": {"id": dataset, "type": "table"}, "force": True, "queries": [{"metrics": [spy], "columns": []}]}
    with pytest.raises(DashboardError, match="sub-queries"):
        session._ask("POST", "/api/v1/chart/data", json=context)


def test_writes_fail_even_when_superset_would_let_them(live: Live, session: client.SupersetClient) -> None:
    """The connection itself is read-only: Superset's own switch is only the first lock."""
    database = session.list_ids("database")[name_uuid("database")]
    before = live.release_file.read_bytes()
    for sql in WRITES:
        with pytest.raises(DashboardError):
            session.run_sql(sql, database)
    session._ask("PUT", f"/api/v1/database/{database}", json={"allow_dml": True})
    try:
        for sql in WRITES:
            with pytest.raises(DashboardError, match="read-only"):
                session.run_sql(sql, database)
    finally:
        live.publish()
    assert session._ask("GET", f"/api/v1/database/{database}").json()["result"]["allow_dml"] is False
    assert live.release_file.read_bytes() == before


def test_a_new_release_shows_without_restart(live: Live, session: client.SupersetClient, mart: duckdb.DuckDBPyConnection) -> None:
    chart = name_uuid("chart", "release", "zh")
    old = ask(mart, "select release_id from marts.release__summary")[0][0]
    assert session.chart_data(chart)[0]["release_id"] == old
    second = live.data_dir / "releases" / "second" / "ministry.duckdb"
    second.parent.mkdir()
    shutil.copy(live.release_file, second)
    with duckdb.connect(str(second)) as connection:
        connection.execute("update marts.release__summary set release_id = 'the-next-release'")
    live.point_to("second")
    try:
        assert session.chart_data(chart, force=False)[0]["release_id"] == "the-next-release"
    finally:
        live.point_to("first")
    assert session.chart_data(chart, force=False)[0]["release_id"] == old


def test_a_page_keeps_its_release_until_it_is_opened_again(live: Live, mart: duckdb.DuckDBPyConnection) -> None:
    """A release between two charts of a page must not mix with the one before; the next page shows it."""
    chart, first = name_uuid("chart", "release", "zh"), ask(mart, "select release_id from marts.release__summary")[0][0]
    third = live.data_dir / "releases" / "third" / "ministry.duckdb"
    third.parent.mkdir()
    shutil.copy(live.release_file, third)
    with duckdb.connect(str(third)) as connection:
        connection.execute("update marts.release__summary set release_id = 'after-the-page'")
    with live.connect() as signed, live.browse(live.server.user, live.server.password) as browser:
        number = signed.list_ids("chart")[chart]
        context = signed._ask("GET", f"/api/v1/chart/{number}").json()["result"]["query_context"]

        def see() -> str:
            answer = browser.post("/api/v1/chart/data", json=json.loads(context) | {"force": False})
            assert answer.status_code == 200, answer.text[:500]
            return str(answer.json()["result"][0]["data"][0]["release_id"])

        browser.get("/superset/dashboard/sector-footprints-zh/")
        assert see() == first
        live.point_to("third")
        try:
            assert see() == first, "the open page keeps its release"
            started = time.perf_counter()
            browser.get("/superset/dashboard/sector-footprints-zh/")
            assert see() == "after-the-page"
            assert time.perf_counter() - started < 30
        finally:
            live.point_to("first")
        assert see() == "after-the-page"


def test_server_answers_on_loopback_only(live: Live) -> None:
    sockets = [entry for entry in psutil.Process(live.server.pid).net_connections() if entry.status == psutil.CONN_LISTEN]
    assert [(entry.laddr.ip, entry.laddr.port) for entry in sockets] == [("127.0.0.1", live.server.port)]


def test_secrets_are_on_no_command_line_and_in_no_log(live: Live) -> None:
    home = live.data_dir / "superset"
    secrets = [(home / name).read_text(encoding="ascii").strip() for name in ("secret_key", "admin_password")]
    seen = "".join(path.read_text(encoding="utf-8", errors="replace") for path in home.glob("*.log"))
    seen += " ".join(" ".join(process.cmdline()) for process in (psutil.Process(live.server.pid), psutil.Process()))
    assert seen
    assert [secret for secret in secrets if secret in seen] == []


def test_stop_leaves_no_process_and_a_later_start_skips_the_setup(live: Live) -> None:
    """In a copy of the state, so that it may run at any place among these tests."""
    copy = live.data_dir.parent / "copy"
    shutil.copytree(live.data_dir / "superset", copy / "superset", ignore=shutil.ignore_patterns("server.json"))
    said: list[str] = []
    running = server.start(copy, SUPERSET_ENVIRONMENT, find_free_port(), lang="en", say=said.append)
    try:
        assert said == [], "the state is prepared: nothing to set up"
        assert server.start(copy, SUPERSET_ENVIRONMENT, running.port).pid == running.pid
        assert len(list_living(running.pid)) >= 2, "the leader and a worker"
    finally:
        assert server.stop(copy) is True
    assert list_living(running.pid) == []
    assert not psutil.pid_exists(running.pid)
    assert server.stop(copy) is False


def list_living(session: int) -> list[int]:
    """Processes of a session; one that ended and waits for the system to take note of it is not living."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found
