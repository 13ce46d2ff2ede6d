"""Releases to report on: a small one written here, and the acceptance world's expected marts where they are at hand."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[2]
ACCEPTANCE = ROOT.parent / "shared" / "acceptance"
MARTS = (
    "footprint__products",
    "footprint__sectors_by_year",
    "footprint__benchmarks_by_year",
    "footprint__product_tiers",
    "ets__prices_by_day",
    "ets__prices_by_year",
)
MANIFEST: dict[str, Any] = {
    "gates": [
        {"suite": "landing.product_footprint", "severity": "critical", "success": True, "checks_run": 21, "rows_examined": 1234},
        {"suite": "marts.footprint", "severity": "critical", "success": True, "checks_run": 14, "rows_examined": 3866},
        {"suite": "marts.ets", "severity": "warning", "success": False, "checks_run": 9, "rows_examined": 7022},
    ]
}
SUMMARY = """
create table marts.release__summary (
    release_id varchar, parent_release_id varchar, as_of timestamp, rule_date date, published_at timestamp, code_version varchar,
    is_demonstration boolean, delivery_count bigint, gate_count bigint, rows_examined bigint
);
create table marts.release__sources (
    source varchar, title_zh varchar, title_en varchar, delivery_count bigint, rejected_file_count bigint, received_count bigint,
    accepted_count bigint, duplicate_count bigint, quarantined_count bigint, last_received_at timestamp, cadence_days integer,
    days_since_received integer, is_stale boolean
);
"""
SMALL = """
create table marts.footprint__products (
    disclosure_id varchar, revision bigint, enterprise_id varchar, product_code varchar, province_code varchar, reporting_year integer,
    boundary varchar, gwp_set varchar, declared_kg_co2e double, recalculation_status varchar, is_discrepant boolean, is_verified boolean
);
create table marts.footprint__sectors_by_year (
    product_code varchar, boundary varchar, gwp_set varchar, reporting_year integer, province_code varchar, product_name_zh varchar,
    product_name_en varchar, province_name_zh varchar, province_name_en varchar, declared_unit varchar, disclosure_count bigint,
    enterprise_count bigint, weighted_mean_kg_co2e double, p10_kg_co2e double, p50_kg_co2e double, p90_kg_co2e double,
    total_t_co2e double, yoy_change_kg_co2e double, yoy_within_kg_co2e double, yoy_mix_kg_co2e double, yoy_entry_exit_kg_co2e double
);
create table marts.footprint__benchmarks_by_year (
    product_code varchar, boundary varchar, gwp_set varchar, reporting_year integer, enterprise_count bigint, disclosure_count bigint,
    p20_kg_co2e double, p50_kg_co2e double, p80_kg_co2e double, tier_basis varchar
);
create table marts.footprint__product_tiers (
    disclosure_id varchar, product_code varchar, boundary varchar, gwp_set varchar, reporting_year integer, declared_kg_co2e double,
    tier integer, percentile_rank double, tier_basis varchar
);
create table marts.ets__prices_by_day (
    market varchar, instrument varchar, trade_date date, close_cny_per_t double, vwap_cny_per_t double, volume_t double,
    volatility_30d double, is_carried boolean, has_conflict boolean
);
create table marts.ets__prices_by_year (
    market varchar, instrument varchar, year integer, vwap_cny_per_t double, close_cny_per_t double, high_cny_per_t double,
    low_cny_per_t double, volume_t double, turnover_cny double
);
"""
AS_OF = datetime(2026, 10, 31, 15, 59, 59)


def write_summary(connection: duckdb.DuckDBPyConnection, release_id: str, parent: str | None, is_demonstration: bool) -> None:
    connection.execute(
        "insert into marts.release__summary values (?, ?, ?, ?, ?, 'abc1234', ?, 41, 23, 28711)",
        [release_id, parent, AS_OF, AS_OF.date(), AS_OF + timedelta(minutes=3), is_demonstration],
    )


def write_empty_release(path: Path, release_id: str = "20261031-0001", is_demonstration: bool = True) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts")
        connection.execute(SUMMARY)
        connection.execute(SMALL)
        write_summary(connection, release_id, None, is_demonstration)
    return path


def write_small_release(path: Path, release_id: str = "20261031-0002", steel: str = "粗钢", *, mean: float = 1800.0) -> Path:
    """Two products over two years and two provinces, every figure written by hand."""
    write_empty_release(path, release_id)
    with duckdb.connect(str(path)) as connection:
        for year, shift in ((2024, 0.0), (2025, -36.0)):
            for number in range(6):
                status = "complete" if number else "none"
                connection.execute(
                    "insert into marts.footprint__products values (?, 1, ?, 'STEEL', '130000', ?, 'cradle_to_gate', 'AR5', ?, ?, ?, ?)",
                    [f"D{year}{number}", f"E{number}", year, mean + 10 * number, status, number == 5 if number else None, number % 2 == 0],
                )
                connection.execute(
                    "insert into marts.footprint__product_tiers values (?, 'STEEL', 'cradle_to_gate', 'AR5', ?, ?, ?, 0.5, 'percentiles')",
                    [f"D{year}{number}", year, mean, 1 + number % 4],
                )
            yoy = [None] * 4 if year == 2024 else [-36.0, -40.0, 5.0, -1.0]
            for province, zh, en, factor in (
                ("000000", "全国", "China", 1.0),
                ("130000", "河北", "Hebei", 1.1),
                ("320000", "江苏", "Jiangsu", 0.9),
            ):
                value = (mean + shift) * factor
                connection.execute(
                    "insert into marts.footprint__sectors_by_year values ('STEEL', 'cradle_to_gate', 'AR5', ?, ?, ?, 'crude steel', ?, ?,"
                    " 't', 6, ?, ?, ?, ?, ?, 9.0e6, ?, ?, ?, ?)",
                    [year, province, steel, zh, en, 6 if province == "000000" else 2, value, value * 0.8, value, value * 1.2, *yoy],
                )
            connection.execute(
                "insert into marts.footprint__benchmarks_by_year values"
                " ('STEEL', 'cradle_to_gate', 'AR5', ?, 6, 6, ?, ?, ?, 'percentiles')",
                [year, 1700.0 + shift, 1790.0 + shift, 1900.0 + shift],
            )
        for number in range(70):
            day = date(2026, 7, 1) + timedelta(days=number)
            volatility = 0.21 if number >= 30 else None
            connection.execute(
                "insert into marts.ets__prices_by_day values ('CN-ETS', 'CEA', ?, ?, ?, 1000.0, ?, false, false)",
                [day, 90 + number / 10, 90 + number / 10, volatility],
            )
        connection.execute(
            "insert into marts.ets__prices_by_year values ('CN-ETS', 'CEA', 2026, 93.45, 96.9, 96.9, 90.0, 70000.0, 6541500.0)"
        )
        connection.executemany(
            "insert into marts.release__sources values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                ("product_footprint", "产品碳足迹披露", "product footprint disclosures", 9, 1, 1300, 1234, 40, 26, AS_OF, 30, 2, False),
                ("market_quote", "市场行情", "market quotes", 4, 0, 800, 800, 0, 0, AS_OF, 7, 40, True),
                ("loan", "贷款", "loans", 0, 0, 0, 0, 0, 0, None, 30, None, None),
            ],
        )
    return path


def write_world_release(path: Path, release_id: str, parent: str | None) -> Path:
    """The acceptance world's expected marts with names from its reference lists and its true counts per source."""
    truth = json.loads((ACCEPTANCE / "world" / "truth.json").read_text(encoding="utf-8"))
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts")
        connection.execute(SUMMARY)
        write_summary(connection, release_id, parent, True)
        for mart in MARTS:
            connection.execute(f"create table marts.{mart} as from '{ACCEPTANCE / 'expected' / mart}.parquet'")
        seeds = ACCEPTANCE / "world" / "seeds"
        connection.execute(
            f"""
            create or replace table marts.footprint__sectors_by_year as
            select s.*, p.name_zh as product_name_zh, p.name_en as product_name_en, p.declared_unit,
                v.name_zh as province_name_zh, v.name_en as province_name_en
            from marts.footprint__sectors_by_year as s
            left join read_csv('{seeds / "product_catalogue.csv"}', all_varchar = true) as p using (product_code)
            left join read_csv('{seeds / "province.csv"}', all_varchar = true) as v using (province_code)
            """
        )
        for source, counts in truth["sources"].items():
            connection.execute(
                "insert into marts.release__sources values (?, ?, ?, 3, 0, ?, ?, ?, ?, ?, 30, 14, false)",
                [
                    source,
                    source,
                    source,
                    *(counts[k] for k in ("received", "accepted", "duplicate", "quarantined")),
                    AS_OF - timedelta(days=14),
                ],
            )
    return path
