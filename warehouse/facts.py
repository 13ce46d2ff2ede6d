"""Facts about a release that stand in its own file, so that every page can show what it shows and how fresh it is."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ingest.contract import Contract, read_contracts
from ingest.lookups import parquet_relation
from warehouse.ledger import Ledger
from warehouse.repair.counts import repairs_query
from warehouse.settings import Settings


def _text(value: object) -> str:
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


def _instant(text: str | None) -> str:
    return "cast(null as timestamp)" if text is None else f"timestamp {_text(text.rstrip('Z'))}"


def is_demonstration(settings: Settings) -> bool:
    """Whether the demonstration world was ever put into this data directory."""
    return (settings.data / "demonstration.json").exists()


def says_demonstration(file: Path) -> bool:
    """Whether a release's file says of itself that it holds synthetic data; a build, which is no release yet, says nothing."""
    with duckdb.connect(str(file), read_only=True) as con:
        try:
            return con.execute("select coalesce(bool_or(is_demonstration), false) from marts.release__summary").fetchone() == (True,)
        except duckdb.CatalogException:
            return False


def _summary(settings: Settings, manifest: dict[str, Any]) -> str:
    gates = manifest["gates"]
    return (
        f"select {_text(manifest['release_id'])} as release_id, cast({_text(manifest['parent_release_id'])} as varchar) as parent_release_id, "
        f"{_instant(manifest['as_of'])} as as_of, date {_text(manifest['rule_date'])} as rule_date, {_instant(manifest['published_at'])} as published_at, "
        f"{_text(manifest['code_version'])} as code_version, {str(is_demonstration(settings)).lower()} as is_demonstration, "
        f"{len({entry['delivery_id'] for entry in manifest['deliveries']})} as delivery_count, {len(gates)} as gate_count, "
        f"cast({sum(gate['rows_examined'] for gate in gates)} as bigint) as rows_examined"
    )


def _newest_day(settings: Settings, ledger: Ledger, contract: Contract, as_of: datetime) -> str:
    """SQL of the newest day that a source's landed rows speak of, in China's time; null where its rows bear no day. A file that came
    today may tell of last year: when it came says nothing of that.
    """
    column = contract.day_column
    files = [settings.data / row["path"] for row in ledger.landing_files(contract.source, as_of)] if column else []
    if column is None or not files:
        return "cast(null as date)"
    kind = contract.column(column).sql_type
    day = f"{column} + interval 8 hour" if kind == "timestamp" else column  # stored instants are UTC
    return f"(select max(cast({day} as date)) from {parquet_relation(files, {column: kind})})"


def _sources(settings: Settings, ledger: Ledger, as_of: datetime) -> str:
    rows = []
    for contract in read_contracts().values():
        known = [row for row in ledger.deliveries(contract.source) if row["received_at"] <= as_of.isoformat()]
        sums = {name: sum(row[name] for row in known) for name in ("received", "accepted", "duplicate", "quarantined")}
        landed = [row["received_at"] for row in known if row["status"] == "landed"]
        last = max(landed, default=None)
        days = (as_of - datetime.fromisoformat(last)).days if last else None
        stale = days is None or days > contract.cadence_days
        rows.append(
            f"select {_text(contract.source)} as source, {_text(contract.title.zh)} as title_zh, {_text(contract.title.en)} as title_en, "
            f"{len(known)} as delivery_count, {sum(row['status'] == 'rejected' for row in known)} as rejected_file_count, "
            + ", ".join(f"cast({sums[name]} as bigint) as {name}_count" for name in sums)
            + f", {_instant(last)} as last_received_at, {_newest_day(settings, ledger, contract, as_of)} as newest_content_on, {contract.cadence_days} as cadence_days, "
            f"cast({'null' if days is None else days} as integer) as days_since_received, {str(stale).lower()} as is_stale"
        )
    return " union all ".join(rows)


_WAIVER_COLUMNS = (
    "waiver", "source", "key", "rule", "reason_zh", "reason_en", "author", "reviewer", "expires_on", "citation", "file", "row_number", "landed_at",
)  # fmt: skip


def used_waivers(ledger: Ledger, as_of: datetime) -> list[dict[str, Any]]:
    """Every waiver by which a row had landed until an instant, as it was when it was used."""
    return [
        row["waiver"]
        | {"key": json.dumps(row["waiver"]["key"], ensure_ascii=False, sort_keys=True)}
        | {"file": row["file"], "row_number": row["row_number"], "landed_at": row["landed_at"]}
        for row in ledger.waived_rows(as_of)
    ]


def _waivers(waivers: list[dict[str, Any]]) -> str:
    types = dict.fromkeys(_WAIVER_COLUMNS, "varchar") | {"expires_on": "date", "row_number": "integer", "landed_at": "timestamp"}
    if not waivers:
        return "select " + ", ".join(f"cast(null as {kind}) as {name}" for name, kind in types.items()) + " where false"
    return " union all ".join(
        "select " + ", ".join(f"cast({_text(waiver[name])} as {kind}) as {name}" for name, kind in types.items()) for waiver in waivers
    )


def _gates(manifest: dict[str, Any]) -> str:
    rows = [
        f"select {_text(gate['suite'])} as suite, cast({gate['checks_run']} as integer) as checks_run, "
        f"cast({gate['rows_examined']} as bigint) as rows_examined, {str(bool(gate['success'])).lower()} as is_passed, "
        f"cast({sum(failure.get('severity') == 'warning' for failure in gate['failures'])} as integer) as warning_count"
        for gate in manifest["gates"]
    ]
    return (
        " union all ".join(rows)
        or "select null as suite, 0 as checks_run, 0::bigint as rows_examined, false as is_passed, 0 as warning_count where false"
    )


def _quarantined_rules(settings: Settings, ledger: Ledger, as_of: datetime) -> str:
    """Every row that was set aside, by each rule that it broke; one that was put right later stays counted."""
    files = [settings.data / row["path"] for row in ledger.quarantine_files() if row["received_at"] <= as_of.isoformat()]
    there = ", ".join(_text(path) for path in files if path.exists())
    if not there:
        return "select cast(null as varchar) as source, cast(null as varchar) as rule, cast(null as bigint) as row_count where false"
    return (
        "select source, reason.code as rule, count(*) as row_count from (select regexp_extract(filename, '([a-z_]+)/[^/]+$', 1) as source, "
        f"unnest(reasons) as reason from read_parquet([{there}], filename = true, union_by_name = true)) group by all"
    )


def own_tables(settings: Settings, ledger: Ledger, manifest: dict[str, Any], as_of: datetime) -> dict[str, str]:
    """The tables a release adds to its marts, as SQL: `release__summary` (one row), `release__sources` (one row per contract),
    `release__waivers` (one row per row and rule that a reviewed waiver let through), `release__repairs` (rows sent back, by source and
    the sender's region, with what became of them), `release__gates` (one row per gate) and `release__quarantined_rules` (one row per
    source and rule that rows were set aside for).
    """
    return {
        "release__summary": _summary(settings, manifest),
        "release__sources": _sources(settings, ledger, as_of),
        "release__waivers": _waivers(manifest["waivers"]),
        "release__repairs": repairs_query(settings, ledger, as_of),
        "release__gates": _gates(manifest),
        "release__quarantined_rules": _quarantined_rules(settings, ledger, as_of),
    }
