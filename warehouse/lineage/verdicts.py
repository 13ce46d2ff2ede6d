"""What became of a landed row before it landed: the delivery that brought it, and its earlier versions that were refused, with why."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import duckdb
import pyarrow as pa

from ingest.contract import Contract
from ingest.waivers import CELL_FAULTS
from warehouse.ledger import Ledger
from warehouse.quarantine import show_quarantine
from warehouse.settings import Settings

Place = tuple[int, int]  # a delivery's number and a row of it
_WHY = ("code", "column_name", "value", "message_zh", "message_en")


class Verdicts:
    """What the ledger and the quarantine tell of deliveries and of single rows."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings, self._ledger = settings, ledger
        self._deliveries = {row["sequence"]: row for row in ledger.deliveries()}
        self._waived: dict[Place, list[dict[str, Any]]] = {}
        for row in ledger.waived_rows():
            self._waived.setdefault((row["sequence"], row["row_number"]), []).append(row)

    def delivery(self, sequence: int) -> dict[str, Any]:
        """The delivery: its receipt in short, and who sent it."""
        row = self._deliveries.get(sequence)
        if row is None:
            return {"sequence": sequence}
        receipt = json.loads(row["receipt"] or "{}")
        fetched = receipt.get("fetched_from") or {}
        return {
            "sequence": sequence,
            "delivery_id": row["delivery_id"],
            "file": row["file"],
            "received_at": row["received_at"],
            "layout": row["layout"],
            "sender": fetched.get("connector") or "inbox",
            "verdict": row["verdict"],
            "counts": {name: row[name] for name in ("received", "accepted", "duplicate", "quarantined", "waiting")},
        }

    def histories(self, contract: Contract, rows: Iterable[dict[str, Any]]) -> dict[Place, list[dict[str, Any]]]:
        """What became of each row, oldest first.

        Args:
            rows: landed rows of the source, with their keys, `_sequence` and `_row_number`.
        """
        listed = list(rows)
        earlier = self._earlier(contract, listed)
        return {place: earlier.get(place, []) + self._own(place) for place in ((row["_sequence"], row["_row_number"]) for row in listed)}

    def _own(self, place: Place) -> list[dict[str, Any]]:
        row = self._deliveries.get(place[0])
        if row is None:
            return []
        events: list[dict[str, Any]] = [{"event": "received", "at": row["received_at"]}]
        waived = self._waived.get(place, [])
        events += [{"event": "waived", "at": item["landed_at"], "rule": item["rule"], "waiver": item["waiver"]} for item in waived]
        settles = json.loads(row["receipt"] or "{}").get("settles") or {}
        events.append({"event": "accepted", "at": row["received_at"], "settles": settles} if not waived else {"event": "landed"})
        return events

    def _earlier(self, contract: Contract, rows: list[dict[str, Any]]) -> dict[Place, list[dict[str, Any]]]:
        """The refused versions that each row put right: those that its delivery settled, those that they had superseded, and so on back;
        and the row itself, where it waited or stands in quarantine until a waiver.
        """
        files = self._ledger.quarantine_files(contract.source)
        if not files or not rows:
            return {}
        with duckdb.connect() as con:
            if not show_quarantine(con, self._settings, self._ledger, files):
                return {}
            _trace_back(con, contract, rows)
            found = con.execute(
                "select distinct on (a.root_sequence, a.root_row, q._sequence, q._record) a.root_sequence, a.root_row, q._sequence, q._row_number,"
                " q._source_file, q.verdict, q.reasons, q.by_sequence, q.settled_at from ancestors a"
                " inner join quarantined q on q._sequence = a._sequence and q._record = a._record"
                " order by a.root_sequence, a.root_row, q._sequence, q._record"
            ).to_arrow_table()
        earlier: dict[Place, list[dict[str, Any]]] = {}
        for version in found.to_pylist():
            place = (version["root_sequence"], version["root_row"])
            earlier.setdefault(place, []).append(self._describe(version))
        return earlier

    def _describe(self, version: dict[str, Any]) -> dict[str, Any]:
        delivery = self._deliveries.get(version["_sequence"], {})
        return {
            "event": version["verdict"],  # quarantined, or waiting for what it refers to
            "at": delivery.get("received_at"),
            "sequence": version["_sequence"],
            "delivery_id": delivery.get("delivery_id"),
            "file": version["_source_file"],
            "row_number": version["_row_number"],
            "reasons": [{name: reason[name] for name in _WHY} for reason in version["reasons"] or []],
            "settled_by": version["by_sequence"],
            "settled_at": version["settled_at"],
        }


def _trace_back(con: duckdb.DuckDBPyConnection, contract: Contract, rows: list[dict[str, Any]]) -> None:
    """Table `ancestors`: refused versions (`_sequence`, `_record`) by the landed row they led to (`root_sequence`, `root_row`).

    A version is known by its key; one whose key was at fault by its place, as when it was settled (see `find_settled`). What settles a
    version was received after it, so the way back ends.
    """
    columns = {name: pa.array([None if row[name] is None else str(row[name]) for row in rows], pa.string()) for name in contract.key}
    places = {name: pa.array([row[name] for row in rows], pa.int64()) for name in ("_sequence", "_row_number")}
    con.register("asked", pa.table(columns | places))
    keys = ", ".join(f'try_cast("{name}" as {contract.column(name).sql_type}) as "{name}"' for name in contract.key)
    cells = ", ".join(f"try_cast(typed->>'{name}' as {contract.column(name).sql_type}) as \"{name}\"" for name in contract.key)
    same = " and ".join(f'v."{name}" = b."{name}"' for name in contract.key)
    on_key = ", ".join(f"'{name}'" for name in contract.key)
    broken = ", ".join(f"'{code}'" for code in CELL_FAULTS)
    carried = ", ".join(f'v."{name}"' for name in contract.key)
    con.execute(
        f"create temp table versions as select _sequence, _record, _row_number, by_sequence, {cells},"
        f" len(list_filter(reasons, x -> x.code in ({broken}) and x.column_name in ({on_key}))) > 0 as is_broken from quarantined"
    )
    con.execute(
        "create temp table ancestors as with recursive back as ("
        f" select _sequence as root_sequence, _row_number as root_row, _sequence, null::integer as _record, _row_number, {keys} from asked"
        f" union select b.root_sequence, b.root_row, v._sequence, v._record, v._row_number, {carried} from versions v inner join back b"
        f" on v.by_sequence = b._sequence and (case when v.is_broken then v._row_number = b._row_number else {same} end)"
        ") select root_sequence, root_row, _sequence, _record from back where _record is not null"
        " union select a._sequence, a._row_number, v._sequence, v._record from versions v"
        " inner join asked a on v._sequence = a._sequence and v._row_number = a._row_number"
    )
