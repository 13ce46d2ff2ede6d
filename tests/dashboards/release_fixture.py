"""A release file to look at: the acceptance world's expected marts with the world's names, before the pipeline makes one."""

from __future__ import annotations

from pathlib import Path

import duckdb

MARTS = ("footprint__sectors_by_year", "footprint__benchmarks_by_year", "footprint__product_tiers", "ets__prices_by_day")


def write_release(acceptance: Path, file: Path, release_id: str, is_stale: bool = True) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        for mart in MARTS:
            _copy_mart(connection, acceptance, mart)
        _write_release_tables(connection, acceptance, release_id, is_stale)


def _copy_mart(connection: duckdb.DuckDBPyConnection, acceptance: Path, mart: str) -> None:
    columns = [row[0] for row in connection.execute(f"describe select * from '{acceptance}/expected/{mart}.parquet'").fetchall()]
    names, joins = "", ""
    if "product_code" in columns:
        names += ", product.name_zh as product_name_zh, product.name_en as product_name_en, product.declared_unit"
        joins += f" left join '{acceptance}/world/seeds/product_catalogue.csv' product using (product_code)"
    if "province_code" in columns:
        names += ", province.name_zh as province_name_zh, province.name_en as province_name_en"
        joins += (
            f" left join read_csv('{acceptance}/world/seeds/province.csv', types = {{'province_code': 'VARCHAR'}}) province"
            " using (province_code)"
        )
    connection.execute(f"create table marts.{mart} as select mart.*{names} from '{acceptance}/expected/{mart}.parquet' mart{joins}")


def _write_release_tables(connection: duckdb.DuckDBPyConnection, acceptance: Path, release_id: str, is_stale: bool) -> None:
    manifest = f"{acceptance}/world/manifest.csv"
    connection.execute(
        f"""
        create table marts.release__summary as
        select
            ? as release_id,
            null::varchar as parent_release_id,
            timestamp '2026-10-31 15:59:59' as as_of,
            date '2026-10-31' as rule_date,
            timestamp '2026-10-31 16:10:00' as published_at,
            'fixture' as code_version,
            true as is_demonstration,
            count(*) as delivery_count,
            11::bigint as gate_count,
            sum(rows)::bigint as rows_examined
        from '{manifest}'
        """,
        [release_id],
    )
    connection.execute(
        f"""
        create table marts.release__sources as
        select
            source,
            '来源 ' || source as title_zh,
            replace(source, '_', ' ') as title_en,
            count(*) as delivery_count,
            0::bigint as rejected_file_count,
            sum(rows)::bigint as received_count,
            sum(rows)::bigint as accepted_count,
            0::bigint as duplicate_count,
            0::bigint as quarantined_count,
            max(received_on)::timestamp as last_received_at,
            365::bigint as cadence_days,
            date_diff('day', max(received_on)::date, date '2026-10-31') as days_since_received,
            ? and date_diff('day', max(received_on)::date, date '2026-10-31') > 365 as is_stale
        from '{manifest}'
        group by source
        """,
        [is_stale],
    )
