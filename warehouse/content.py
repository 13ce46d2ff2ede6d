"""Hashes of what tables hold, whatever their order: how a release is compared with another and with its own manifest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import duckdb


def content_hash(con: duckdb.DuckDBPyConnection, table: str) -> tuple[int, str]:
    """Row count and order-independent hash of a table's content: the sum of each row's md5, in two halves, over its canonical JSON."""
    query = (
        f"select count(*), coalesce(sum(('0x' || h[1:15])::bigint::hugeint), 0), coalesce(sum(('0x' || h[16:30])::bigint::hugeint), 0) "
        f"from (select md5(cast(to_json(t) as varchar)) as h from {table} t)"
    )
    count, low, high = con.execute(query).fetchone() or (0, 0, 0)
    return int(count), hashlib.sha256(f"{count}:{low}:{high}".encode()).hexdigest()


def table_hashes(file: Path) -> dict[str, dict[str, Any]]:
    """Row count and content hash of every table in schema `marts` of a DuckDB file."""
    hashes = {}
    with duckdb.connect(str(file), read_only=True) as con:
        names = con.execute("select table_name from information_schema.tables where table_schema = 'marts' order by 1").fetchall()
        for (name,) in names:
            count, digest = content_hash(con, f'marts."{name}"')
            hashes[name] = {"row_count": count, "content_hash": digest}
    return hashes


def mart_hashes(warehouse: Path) -> dict[str, dict[str, Any]]:
    """Row count and content hash of every dbt mart of a DuckDB file."""
    return {name: entry for name, entry in table_hashes(warehouse).items() if not name.startswith("release__")}
