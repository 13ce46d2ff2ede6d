"""Reading a release, with or without the one before it. Neither file is ever opened for writing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

Row = dict[str, Any]

# What the report reads, mart by mart. A mart a release does not hold reads as empty; names fall back to codes.
COLUMNS: dict[str, dict[str, str]] = {
    mart: dict(column.split(" ") for column in columns.split(", "))
    for mart, columns in {
        "release__summary": (
            "release_id varchar, parent_release_id varchar, as_of timestamp, rule_date date, published_at timestamp, code_version varchar, "
            "is_demonstration boolean, delivery_count bigint, gate_count bigint, rows_examined bigint"
        ),
        "release__sources": (
            "source varchar, title_zh varchar, title_en varchar, delivery_count bigint, rejected_file_count bigint, received_count bigint, "
            "accepted_count bigint, duplicate_count bigint, quarantined_count bigint, last_received_at timestamp, cadence_days double, "
            "days_since_received double, is_stale boolean"
        ),
        "footprint__products": (
            "disclosure_id varchar, enterprise_id varchar, product_code varchar, reporting_year integer, recalculation_status varchar, "
            "is_discrepant boolean, is_verified boolean"
        ),
        "footprint__sectors_by_year": (
            "product_code varchar, boundary varchar, gwp_set varchar, reporting_year integer, province_code varchar, "
            "product_name_zh varchar, product_name_en varchar, province_name_zh varchar, province_name_en varchar, declared_unit varchar, "
            "disclosure_count bigint, enterprise_count bigint, weighted_mean_kg_co2e double, p10_kg_co2e double, p50_kg_co2e double, "
            "p90_kg_co2e double, total_t_co2e double, yoy_change_kg_co2e double, yoy_within_kg_co2e double, yoy_mix_kg_co2e double, "
            "yoy_entry_exit_kg_co2e double"
        ),
        "footprint__benchmarks_by_year": (
            "product_code varchar, boundary varchar, gwp_set varchar, reporting_year integer, enterprise_count bigint, "
            "disclosure_count bigint, p20_kg_co2e double, p50_kg_co2e double, p80_kg_co2e double, tier_basis varchar"
        ),
        "footprint__product_tiers": (
            "disclosure_id varchar, product_code varchar, boundary varchar, gwp_set varchar, reporting_year integer, tier integer"
        ),
        "ets__prices_by_day": (
            "market varchar, instrument varchar, trade_date date, close_cny_per_t double, vwap_cny_per_t double, volume_t double, "
            "volatility_30d double, is_carried boolean, has_conflict boolean"
        ),
        "ets__prices_by_year": (
            "market varchar, instrument varchar, year integer, vwap_cny_per_t double, close_cny_per_t double, high_cny_per_t double, "
            "low_cny_per_t double, volume_t double, turnover_cny double"
        ),
    }.items()
}
NAMES = frozenset({"product_name_zh", "product_name_en", "province_name_zh", "province_name_en", "declared_unit"})


class ReleaseShapeError(Exception):
    """A mart is there but lacks a column of its interface: the release and this report are not of one version."""


@dataclass(frozen=True)
class Releases:
    """Schemas `now` and `before` in one connection; `before` is empty for a first release."""

    connection: duckdb.DuckDBPyConnection
    has_previous: bool
    marts: frozenset[str] = frozenset()  # what the release in hand really holds
    marts_before: frozenset[str] = frozenset()

    def holds(self, *marts: str) -> bool:
        """Whether the reader's file has these marts: another reader's may not."""
        return self.marts.issuperset(marts)

    def read(self, sql: str, *parameters: object) -> list[Row]:
        """Rows as dictionaries; a float that is no number reads as unknown."""
        cursor = self.connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description or []]
        return [{n: drop_nan(v) for n, v in zip(names, values, strict=True)} for values in cursor.fetchall()]

    def read_one(self, sql: str, *parameters: object) -> Row | None:
        rows = self.read(sql, *parameters)
        return rows[0] if rows else None


def drop_nan(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def open_releases(release_file: Path, previous_file: Path | None) -> Iterator[Releases]:
    """Attach one or two releases read-only, with every column the report reads present and typed.

    Raises FileNotFoundError, ReleaseShapeError, and ValueError where a release is compared with itself.
    """
    files = {"now": release_file} | ({"before": previous_file} if previous_file is not None else {})
    for path in files.values():
        if not path.is_file():
            raise FileNotFoundError(path)
    if previous_file is not None and previous_file.resolve() == release_file.resolve():
        raise ValueError(f"{previous_file} is the release itself, not the one before it")
    with duckdb.connect(":memory:", config={"threads": 2, "autoinstall_known_extensions": False}) as connection:
        for schema, path in files.items():
            quoted = str(path.resolve()).replace("'", "''")
            connection.execute(f"attach '{quoted}' as {schema}_file (read_only)")
        held: dict[str, frozenset[str]] = {}
        for schema in ("now", "before"):
            present = list_columns(connection, f"{schema}_file") if schema in files else {}
            held[schema] = frozenset(present)
            connection.execute(f"create schema {schema}")
            for mart in sorted(set(present) - set(COLUMNS)):
                connection.execute(f'create view {schema}."{mart}" as from {schema}_file.marts."{mart}"')
            for mart, columns in COLUMNS.items():
                connection.execute(f"create view {schema}.{mart} as {select_columns(schema, mart, columns, present.get(mart))}")
        # From here on the connection reads these files and nothing else of the machine.
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield Releases(connection, previous_file is not None, held["now"], held["before"])


def list_columns(connection: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    rows = connection.execute(
        "select table_name, column_name from duckdb_columns() where database_name = ? and schema_name = 'marts'", [catalog]
    ).fetchall()
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return found


def select_columns(schema: str, mart: str, columns: dict[str, str], present: set[str] | None) -> str:
    if present is None:
        return "select " + ", ".join(f"null::{kind} as {name}" for name, kind in columns.items()) + " where false"
    absent = set(columns) - present - NAMES
    if absent:
        raise ReleaseShapeError(f"{mart}: columns {sorted(absent)} are absent; build the release again with this version")
    chosen = ", ".join(f"{name if name in present else 'null'}::{kind} as {name}" for name, kind in columns.items())
    beside = "".join(f', "{name}"' for name in sorted(present - set(columns)))
    return f"select {chosen}{beside} from {schema}_file.marts.{mart}"
