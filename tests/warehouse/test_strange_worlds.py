"""Worlds at the edges of what may be delivered: each builds, passes its gates with the identities holding, or is refused with a clear text."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.country import SOURCES, Size, make_country
from warehouse.settings import Settings
from warehouse.world import Judged, judge_world, read_world

pytestmark = [pytest.mark.xdist_group("strange"), pytest.mark.slow]
# Accounts without any market data are refused: the gates hold prices to be the least that a carbon market gives.
ETS_ALONE = ("market_quote", "market_trade", "ets_facility_year", "ets_surrender")
Judge = Callable[..., tuple[Judged, Path]]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """A world made, perhaps changed, and judged: its outcome and the folder of its release."""

    def made(size: Size, sources: tuple[str, ...] = SOURCES, change: Callable[[Path], None] = lambda _: None) -> tuple[Judged, Path]:
        folder, out = tmp_path_factory.mktemp("world"), tmp_path_factory.mktemp("out")
        make_country(size, folder, sources)
        change(folder)
        return judge_world(read_world(folder), out, Settings(data=out / "data", threads=2)), out

    return made


def explain(judged: Judged) -> list[Any]:
    return [gate for gate in judged.gates if not gate["success"]]


def add_file(folder: Path, source: str, query: str, received_on: str) -> None:
    """One more delivery of a source: `query` over the file that is there, named `sent`."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    first = folder / "inbox" / source / "country.parquet"
    target = folder / "inbox" / source / f"{len(rows)}.parquet"
    with duckdb.connect() as con:
        con.execute(f"create view sent as select * from read_parquet('{first}')")
        con.execute(f"copy ({query}) to '{target}' (format parquet)")
    with (folder / "manifest.csv").open("a", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerow([len(rows), received_on, source, target.name, 0])


def ask(out: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(out / "release.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_nothing_delivered_is_refused_with_a_clear_text(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "manifest.csv").write_text("sequence,received_on,source,file,rows\n", encoding="utf-8")
    judged = judge_world(read_world(tmp_path), tmp_path / "out", Settings(data=tmp_path / "data", threads=2), datetime(2026, 6, 30))
    assert judged.release_id is None
    assert not (tmp_path / "out" / "release.duckdb").exists()
    refusals = {failure["check"] for gate in explain(judged) for failure in gate["failures"]}
    assert "marts_filled" in refusals
    messages = json.dumps(explain(judged), ensure_ascii=False, default=str)
    assert "空数据集不构成发布" in messages or "各数据集不应为空" in messages
    assert "no mart should be empty" in messages


@pytest.fixture(scope="module")
def lonely(judge: Judge) -> tuple[Judged, Path]:
    """One enterprise with three disclosures without any line, of years with one left out, sent again changed; all other sources as well."""

    def change(folder: Path) -> None:
        path = folder / "inbox" / "product_footprint" / "country.parquet"
        with duckdb.connect() as con:
            con.execute(f"create table sent as select * from read_parquet('{path}') where year(period_end) <> 2024")
            con.execute(f"copy sent to '{path}' (format parquet)")
        # Only restated: every later delivery of these sources says again what is there, otherwise.
        add_file(folder, "enterprise", "select * replace ('130000' as province_code) from sent", "2026-04-16")
        add_file(
            folder,
            "product_footprint",
            "select * replace (2::bigint as revision, output_quantity + 1 as output_quantity) from sent",
            "2026-04-17",
        )
        add_file(folder, "ets_facility_year", "select * replace (allocated_t_co2e + 1 as allocated_t_co2e) from sent", "2026-04-18")
        add_file(folder, "loan", "select * replace (outstanding_cny + 1 as outstanding_cny) from sent", "2026-04-19")

    return judge(
        Size(enterprises=1, disclosures=4, lines=1, trades=5, products=3), tuple(s for s in SOURCES if s != "footprint_activity"), change
    )


def test_one_enterprise_without_lines_and_with_a_missing_year_is_released(lonely: tuple[Judged, Path]) -> None:
    judged, out = lonely
    assert judged.release_id is not None, explain(judged)
    years = ask(
        out,
        "select reporting_year, yoy_change_kg_co2e, enterprise_count from marts.footprint__sectors_by_year where province_code = '000000' order by 1",
    )
    assert years == [(2022, None, 1), (2023, years[1][1], 1), (2025, None, 1)], "no change across the year without data"
    assert years[1][1] is not None
    assert ask(out, "select distinct recalculation_status, recalculated_kg_co2e from marts.footprint__products") == [("none", None)]
    assert ask(out, "select count(*) from marts.footprint__sectors_by_year_public where suppression_reason is null") == [(0,)]
    assert ask(out, "select distinct bias_status from marts.eia__promise_biases") == [("too_few",)]


def test_restatements_count_once(lonely: tuple[Judged, Path]) -> None:
    _, out = lonely
    assert ask(out, "select distinct province_code, revision from marts.footprint__products") == [("130000", 2)]
    assert ask(out, "select count(*), count(distinct disclosure_id) from marts.footprint__products") == [(3, 3)]
    sums = ask(out, "select bank_id, as_of, outstanding_cny from marts.finance__portfolios")
    assert sums == ask(out, "select bank_id, as_of, sum(outstanding_cny) from marts.finance__borrowers group by all") or not sums


def test_ets_sources_alone_are_released(judge: Judge) -> None:
    judged, out = judge(Size(enterprises=12, disclosures=1, trades=50), ETS_ALONE)
    assert judged.release_id is not None, explain(judged)
    assert ask(out, "select count(*) from marts.ets__positions_by_year") == [(24,)]
    assert ask(out, "select count(*), count(price_cny_per_t), count(cost_cny) from marts.ets__positions_by_year") == [(24, 24, 24)]
    assert ask(out, "select distinct reconciliation_status from marts.ets__cost_reconciliations_by_year") == [("no_disclosures",)]
    assert ask(out, "select count(*) from marts.footprint__products") == [(0,)]


@pytest.fixture(params=["ring", "same product", "many lines"])
def large(request: pytest.FixtureRequest, judge: Judge) -> Iterator[tuple[str, Size, Judged, Path]]:
    """Worlds that take minutes."""
    small = Size(enterprises=300, disclosures=3000, lines=4, trades=1000)
    size = {
        "ring": replace(small, supplier_share=1.0, is_looped=True),
        "same product": Size(enterprises=20_000, disclosures=200_000, lines=1, trades=1000, products=1),
        "many lines": replace(small, lines=60, supplier_share=0.5),
    }[request.param]
    judged, out = judge(size)
    yield request.param, size, judged, out


@pytest.mark.soak
def test_large_strange_world_is_released_with_its_identities(large: tuple[str, Size, Judged, Path]) -> None:
    name, size, judged, out = large
    assert judged.release_id is not None, explain(judged)
    assert ask(out, "select count(*) from marts.footprint__products") == [(size.disclosures,)]
    total = "select sum(total_t_co2e) from marts.footprint__sectors_by_year where province_code"
    [(country,)], [(provinces,)] = ask(out, f"{total} = '000000'"), ask(out, f"{total} <> '000000'")
    assert abs(country - provinces) <= 1e-9 * country
    if name == "ring":
        assert ask(out, "select min(supplier_depth), bool_or(is_divergent_loop) from marts.footprint__products") == [(1, False)]
    if name == "same product":
        assert ask(out, "select count(distinct product_code) from marts.footprint__products") == [(1,)]
