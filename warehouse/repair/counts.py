"""How many rows were sent back, and what became of them, by source and by the region of who sent them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import duckdb

from ingest.contract import read_contracts
from warehouse.ledger import Ledger
from warehouse.quarantine import show_quarantine
from warehouse.settings import Settings

STATES = ("closed", "waived", "superseded", "open")
# Who sends a row is the enterprise that it is about; a borrower does not send the bank's loans.
_SENDER = "coalesce(typed->>'enterprise_id', typed->>'owner_id')"
_EMPTY = (
    "select cast(null as varchar) as source, cast(null as varchar) as title_zh, cast(null as varchar) as title_en, "
    "cast(null as varchar) as province_code, cast(null as bigint) as refused_count, "
    + ", ".join(f"cast(null as bigint) as {state}_count" for state in STATES)
    + " where false"
)


def count_repairs(settings: Settings, ledger: Ledger, as_of: datetime) -> list[dict[str, Any]]:
    """Rows refused until an instant by source, sender, disclosure and province as the row states them, with their states at that instant.

    What settled a row counts when the delivery that did it had been received by then.
    """
    files = [row for row in ledger.quarantine_files() if row["received_at"] <= as_of.isoformat()]
    late = [row["sequence"] for row in ledger.deliveries() if row["received_at"] > as_of.isoformat()]
    with duckdb.connect() as con:
        if not files or not show_quarantine(con, settings, ledger, files):
            return []
        con.execute("create temp table late as select unnest($1::bigint[]) as sequence", [late])
        counted = con.execute(
            f"""
            select source, {_SENDER} as sender, case when {_SENDER} is null then typed->>'disclosure_id' end as disclosure_id,
                case when {_SENDER} is null then typed->>'province_code' end as province_code,
                case when by_sequence in (select sequence from late) then 'open' else state end as state, count(*) as row_count
            from quarantined where verdict <> 'waiting' group by all order by all
            """
        )
        names = [column[0] for column in counted.description or ()]
        return [dict(zip(names, row, strict=True)) for row in counted.fetchall()]


def repairs_query(settings: Settings, ledger: Ledger, as_of: datetime) -> str:
    """SQL of `release__repairs`, to be run over the build: the region of a sender is the one in force there."""
    counted = count_repairs(settings, ledger, as_of)
    if not counted:
        return _EMPTY
    titles = {contract.source: contract.title for contract in read_contracts().values()}
    rows = [row | {"title_zh": titles[row["source"]].zh, "title_en": titles[row["source"]].en} for row in counted]
    form = json.dumps([{name: "bigint" if name == "row_count" else "varchar" for name in rows[0]}])
    literal = json.dumps(rows, ensure_ascii=False).replace("'", "''")
    states = ", ".join(
        f"cast(coalesce(sum(c.row_count) filter (where c.state = '{state}'), 0) as bigint) as {state}_count" for state in STATES
    )
    return (
        "select c.source, c.title_zh, c.title_en, coalesce(e.province_code, d.province_code, c.province_code) as province_code, "
        f"cast(sum(c.row_count) as bigint) as refused_count, {states} "
        f"from (select unnest(from_json('{literal}', '{form}'), recursive := true)) c "
        "left join intermediate.int_footprint__enterprises_resolved e on e.enterprise_id = c.sender "
        "left join intermediate.int_footprint__disclosures_resolved d on d.disclosure_id = c.disclosure_id "
        "group by all order by all"
    )
