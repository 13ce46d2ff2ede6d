"""The marts of the acceptance world against figures that a separate implementation computed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

ACCEPTANCE = Path(__file__).resolve().parents[3] / "shared" / "acceptance"
MARTS = [
    "footprint__products",
    "footprint__sectors_by_year",
    "footprint__sectors_by_year_public",
    "footprint__benchmarks_by_year",
    "footprint__product_tiers",
    "ets__prices_by_day",
    "ets__prices_by_year",
]
# A standing close is as good as the last listed trade it comes from; where that day needs trades, the close of the days it is carried to,
# their returns and the windows that hold those returns need them too.
EXPECTED_DAYS = """
    with days as (
        select *, is_from_trades or has_conflict as needs_trades from read_parquet(?)
    ),
    closes as (
        select
            *,
            last_value(case when vwap_listed_cny_per_t is not null then needs_trades end ignore nulls) over instrument_days
                as close_needs_trades
        from days
        window instrument_days as (partition by market, instrument order by trade_date)
    )
    select
        *,
        coalesce(max(close_needs_trades) over (instrument_days rows 1 preceding), false) as return_needs_trades,
        coalesce(max(close_needs_trades) over (instrument_days rows 30 preceding), false) as volatility_needs_trades
    from closes
    window instrument_days as (partition by market, instrument order by trade_date)
"""
DAY_COLUMNS = {
    "volume_t": "needs_trades",
    "turnover_cny": "needs_trades",
    "vwap_cny_per_t": "needs_trades",
    "vwap_listed_cny_per_t": "needs_trades",
    "vwap_block_cny_per_t": "needs_trades",
    "vwap_auction_cny_per_t": "needs_trades",
    "is_carried": "needs_trades",
    "close_cny_per_t": "close_needs_trades",
    "log_return": "return_needs_trades",
    "volatility_30d": "volatility_needs_trades",
}


def differs(column: str) -> str:
    """SQL that is true where mart and expectation differ beyond 1e-9 of the larger, or in being null."""
    mart, expected = f"cast(mart.{column} as double)", f"cast(expected.{column} as double)"
    return (
        f"(({mart} is null) <> ({expected} is null)"
        f" or coalesce(abs({mart} - {expected}) > 1e-9 * greatest(abs({mart}), abs({expected}), 1e-3), false))"
    )


def test_marts_without_trades_or_suppliers_equal_the_expected_ones(world_warehouse: Path) -> None:
    compared = "footprint__sectors_by_year,footprint__benchmarks_by_year,footprint__product_tiers"
    command = [sys.executable, str(ACCEPTANCE / "compare.py"), "--warehouse", str(world_warehouse), "--only", compared]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("column", "needs_trades"), DAY_COLUMNS.items())
def test_daily_prices_equal_the_expected_ones_where_no_trades_are_needed(world_warehouse: Path, column: str, needs_trades: str) -> None:
    with duckdb.connect(str(world_warehouse), read_only=True) as connection:
        counts = connection.execute(
            f"with expected as ({EXPECTED_DAYS})"
            f" select count(*), count(*) filter (mart.market is null), count(*) filter ({differs(column)})"
            " from expected left join marts.ets__prices_by_day as mart using (market, instrument, trade_date)"
            f" where not expected.{needs_trades}",
            [str(ACCEPTANCE / "expected" / "ets__prices_by_day.parquet")],
        ).fetchone()
    assert counts is not None
    compared, missing, different = counts
    assert compared > 6000
    assert (missing, different) == (0, 0)


def test_daily_prices_have_the_expected_days_and_no_others(world_warehouse: Path) -> None:
    with duckdb.connect(str(world_warehouse), read_only=True) as connection:
        unmatched = connection.execute(
            "select count(*) from read_parquet(?) as expected full outer join marts.ets__prices_by_day as mart"
            " using (market, instrument, trade_date) where mart.close_cny_per_t is null or expected.close_cny_per_t is null",
            [str(ACCEPTANCE / "expected" / "ets__prices_by_day.parquet")],
        ).fetchone()
    assert unmatched == (0,)


def test_yearly_prices_equal_the_expected_ones_where_no_trades_are_needed(world_warehouse: Path) -> None:
    columns = ["volume_t", "turnover_cny", "vwap_cny_per_t", "close_cny_per_t", "high_cny_per_t", "low_cny_per_t"]
    with duckdb.connect(str(world_warehouse), read_only=True) as connection:
        counts = connection.execute(
            f"with days as ({EXPECTED_DAYS}), traded_years as (select market, instrument, year(trade_date) as year from days"
            " group by all having bool_or(needs_trades or close_needs_trades))"
            f" select count(*), count(*) filter ({' or '.join(differs(column) for column in columns)})"
            " from read_parquet(?) as expected left join marts.ets__prices_by_year as mart using (market, instrument, year)"
            " anti join traded_years using (market, instrument, year)",
            [str(ACCEPTANCE / "expected" / f"{mart}.parquet") for mart in ("ets__prices_by_day", "ets__prices_by_year")],
        ).fetchone()
    assert counts is not None
    assert counts[0] >= 15
    assert counts[1] == 0


def test_products_without_supplier_links_are_recalculated_as_expected(world_warehouse: Path) -> None:
    numbers = ["output_quantity", "declared_kg_co2e", "recalculated_kg_co2e", "uncertainty_pct"]
    numbers += ["primary_data_share", "data_quality_rating"]
    texts = ["revision", "enterprise_id", "product_code", "province_code", "reporting_year", "boundary", "gwp_set", "declared_unit"]
    texts += ["recalculation_status", "is_discrepant", "is_divergent_loop", "is_verified", "supplier_depth"]
    wrong = [differs(column) for column in numbers] + [f"mart.{column} is distinct from expected.{column}" for column in texts]
    wrong.append("abs(mart.discrepancy_ratio - expected.discrepancy_ratio) > 1e-9")
    with duckdb.connect(str(world_warehouse), read_only=True) as connection:
        counts = connection.execute(
            "with linked as (select distinct disclosure_id from landing.footprint_activity where supplier_disclosure_id is not null)"
            f" select count(*), count(*) filter ({' or '.join(wrong)})"
            " from read_parquet(?) as expected left join marts.footprint__products as mart using (disclosure_id)"
            " anti join linked using (disclosure_id)",
            [str(ACCEPTANCE / "expected" / "footprint__products.parquet")],
        ).fetchone()
    assert counts is not None
    assert counts[0] > 800
    assert counts[1] == 0


def test_content_is_the_same_for_other_threads_and_another_order_of_rows(world_builds: Callable[..., object]) -> None:
    one, two = world_builds(1, shuffled=True).warehouse, world_builds(2).warehouse  # type: ignore[attr-defined]
    for mart in MARTS:
        contents = []
        for warehouse in (one, two):
            with duckdb.connect(str(warehouse), read_only=True) as connection:
                contents.append(connection.execute(f"select * from marts.{mart} order by all").fetchall())
        assert contents[0], mart
        assert contents[0] == contents[1], mart
