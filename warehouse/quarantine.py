"""Quarantined rows over time: which are open, and which a later delivery has put right.

The files of quarantined rows never change; the ledger says which of their rows are settled, by what. A row is known again by its key; where the
key itself was at fault, by its place in a file of the same name (or in the workbook that was returned for it), if most of its other cells are the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ingest.contract import Contract
from ingest.headers import match_headers
from ingest.landing import REASONS, Settled
from ingest.messages import messages_table
from ingest.waivers import CELL_FAULTS, WAIVED_CODES, Waiver
from warehouse.ledger import Closure, Ledger
from warehouse.settings import Settings
from warehouse.waivers import as_published

SETTLED, AGAIN = "closed", "superseded"
_SAME_SHARE = 0.5
_FIRST_TYPES = {"typed": "varchar"}  # what files of the first versions lack


def quoted(path: Path | str) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def show_quarantine(con: duckdb.DuckDBPyConnection, settings: Settings, ledger: Ledger, files: Sequence[dict[str, Any]]) -> bool:
    """Make view `quarantined`: rows of the files with their state (`open` where nothing has settled them). False where there is no file."""
    paths = [settings.data / row["path"] for row in files if (settings.data / row["path"]).exists()]
    if not paths:
        return False
    listed = ", ".join(quoted(path) for path in paths)
    wanted = {row["sequence"] for row in files}
    closures = [row for row in ledger.closures() if row["sequence"] in wanted]
    con.register(
        "closures",
        pa.table(
            {
                "sequence": pa.array([row["sequence"] for row in closures], pa.int64()),
                "record": pa.array([row["record"] for row in closures], pa.int32()),
                "state": pa.array([row["state"] for row in closures], pa.string()),
                "by_sequence": pa.array([row["by_sequence"] for row in closures], pa.int64()),
                "settled_at": pa.array([row["at"] for row in closures], pa.string()),
            }
        ),
    )
    con.register(
        "kept_files",
        pa.table(
            {
                "sequence": pa.array([row["sequence"] for row in files], pa.int64()),
                "source": pa.array([row["source"] for row in files], pa.string()),
                "status": pa.array([row["status"] for row in files], pa.string()),
                "layout": pa.array([row["layout"] for row in files], pa.string()),
            }
        ),
    )
    names = [row[0] for row in con.execute(f"describe select * from read_parquet([{listed}], union_by_name = true)").fetchall()]
    lacking = "".join(f", cast(null as {kind}) as {name}" for name, kind in _FIRST_TYPES.items() if name not in names)
    con.execute(
        f"create or replace temp view as_judged as select q.* replace (coalesce(n.verdict, q.verdict) as verdict, coalesce(n.reasons, q.reasons) as reasons) "
        f"from read_parquet([{listed}], union_by_name = true) q left join ({_judged_again(paths)}) n on n._sequence = q._sequence and n._record = q._record"
    )
    con.execute(
        f"create or replace temp view quarantined as select k.source, k.status, k.layout, q.*{lacking}, coalesce(c.state, 'open') as state, "
        "c.by_sequence, c.settled_at, list_transform(q.reasons, x -> x.code) as codes from as_judged q "
        "join kept_files k on k.sequence = q._sequence left join closures c on c.sequence = q._sequence and c.record = q._record"
    )
    return True


def reasons_after_waiting(contract: Contract, settled: Settled, kept: Path) -> pa.Table:
    """Rows that waited and were then refused: `_sequence`, `_record`, `_row_number` as in the quarantine file `kept`, `verdict` and the `reasons`
    why; what stands in the file is only that they wait.
    """
    key = " and ".join(f"try_cast(q.typed->>'{name}' as {contract.column(name).sql_type}) = w.{name}" for name in contract.key)
    pairs = zip(settled.faults["code"].to_pylist(), settled.faults["column_name"].to_pylist(), strict=True)
    with duckdb.connect() as con:
        con.register("waited", settled.rows.append_column("_place", pa.array(range(1, settled.rows.num_rows + 1), pa.int32())))
        con.register("outcome", settled.verdicts)
        con.register("faults", settled.faults)
        con.register("texts", messages_table(contract, pairs))
        return con.execute(
            f"select q._sequence, q._record, q._row_number, 'quarantined' as verdict, {REASONS} as reasons "
            f"from read_parquet({quoted(kept)}) q join waited w on w._row_number = q._row_number and {key} "
            "join outcome o on o._record = w._place and o.verdict = 'quarantined' join faults f on f._record = w._place "
            "join texts m on m.code = f.code and m.column_name = f.column_name where q.verdict = 'waiting' "
            "group by q._sequence, q._record, q._row_number order by q._record"
        ).to_arrow_table()


def judged_again(kept: Path) -> list[Path]:
    """The files beside a quarantine file that say why rows which waited were refused."""
    return sorted(kept.parent.glob(f"{kept.stem}.refused_*.parquet"))


def _judged_again(paths: Sequence[Path]) -> str:
    found = ", ".join(quoted(path) for kept in paths for path in judged_again(kept))
    reason = ", ".join(f"{name} varchar" for name in ("code", "column_name", "value", "message_zh", "message_en", "reason_zh", "reason_en"))
    nothing = f"select null::bigint as _sequence, null::integer as _record, null::varchar as verdict, null::struct({reason})[] as reasons where false"
    return f"select _sequence, _record, verdict, reasons from read_parquet([{found}])" if found else nothing


@dataclass(frozen=True)
class Arrival:
    """A delivery that may put refused rows right: its rows by what became of them, each a Parquet file with the contract's columns."""

    sequence: int
    file: str
    landed: Sequence[Path]
    refused: Path | None
    returned_for: str | None = None  # the delivery whose returned workbook this is


def _union(parts: Sequence[str]) -> str:
    return " union all ".join(parts)


def _arrived(contract: Contract, arrival: Arrival) -> str | None:
    names = ", ".join(contract.names)
    parts = [f"select {names}, _row_number, '{SETTLED}' as outcome from read_parquet({quoted(path)})" for path in arrival.landed]
    if arrival.refused is not None:
        cells = ", ".join(f"try_cast(typed->>'{name}' as {contract.column(name).sql_type}) as {name}" for name in contract.names)
        parts.append(f"select {cells}, _row_number, '{AGAIN}' as outcome from read_parquet({quoted(arrival.refused)})")
    return _union(parts) or None


def find_settled(settings: Settings, ledger: Ledger, contract: Contract, arrival: Arrival, besides: int | None = None) -> list[Closure]:
    """The open rows that an arrival settles, those of the delivery `besides` left out: a delivery does not settle what it brought itself."""
    files = [row for row in ledger.quarantine_files(contract.source, only_open=True) if row["sequence"] != besides]
    arrived = _arrived(contract, arrival)
    if not files or arrived is None:
        return []
    with duckdb.connect() as con:
        if not show_quarantine(con, settings, ledger, files):
            return []
        con.execute(f"create temp table arrived as {arrived}")
        on_key = ", ".join(f"'{name}'" for name in contract.key)
        broken = ", ".join(f"'{code}'" for code in CELL_FAULTS)
        con.execute(
            "create temp table open_rows as select _sequence, _record, _row_number, _source_file, _delivery_id, typed, "
            "list_transform(list_filter(reasons, x -> not contains(x.column_name, ', ')), x -> x.column_name) as faulty, "
            f"len(list_filter(reasons, x -> x.code in ({broken}) and x.column_name in ({on_key}))) > 0 as is_broken "
            "from quarantined where state = 'open' and typed is not null"
        )
        found = con.execute(_by_key(contract) + " union all " + _by_place(contract), [arrival.file, arrival.returned_for or ""]).fetchall()
    # What landed weighs more than what was refused anew, when a file holds both.
    best: dict[tuple[int, int], str] = {}
    for sequence, record, outcome in found:
        if best.get((sequence, record)) != SETTLED:
            best[sequence, record] = outcome
    return [Closure(sequence, record, outcome, arrival.sequence) for (sequence, record), outcome in sorted(best.items())]


def _by_key(contract: Contract) -> str:
    tests = " and ".join(f"try_cast(q.typed->>'{name}' as {contract.column(name).sql_type}) = a.{name}" for name in contract.key)
    return f"select q._sequence, q._record, a.outcome from open_rows q join arrived a on {tests} where not q.is_broken"


def _by_place(contract: Contract) -> str:
    """Same place and name, and most cells that were not at fault the same: a file of the same name with other rows settles nothing."""
    stem = "regexp_replace({}, '(\\.(csv|tsv|txt|xlsx|jsonl|ndjson|json|parquet|gz))+$', '', 'i')"
    sound = [f"(not list_contains(q.faulty, '{name}'))::int" for name in contract.names]
    same = [
        f"(not list_contains(q.faulty, '{name}') and try_cast(q.typed->>'{name}' as {contract.column(name).sql_type}) is not distinct from a.{name})::int"
        for name in contract.names
    ]
    return (
        "select q._sequence, q._record, a.outcome from open_rows q join arrived a on a._row_number = q._row_number "
        f"where q.is_broken and ({stem.format('q._source_file')} = {stem.format('$1')} or q._delivery_id = $2) "
        f"and {' + '.join(same)} >= {_SAME_SHARE} * ({' + '.join(sound)})"
    )


def places_of(settings: Settings, ledger: Ledger, contract: Contract, sequence: int) -> dict[int, int]:
    """Record -> row number of a delivery's quarantined rows."""
    paths = [settings.data / row["path"] for row in ledger.quarantine_files(contract.source) if row["sequence"] == sequence]
    if not paths:
        return {}
    table = pq.read_table(paths[0], columns=["_record", "_row_number"])
    return dict(zip(table["_record"].to_pylist(), table["_row_number"].to_pylist(), strict=True))


def waived_of(settled: Settled, waivers: Sequence[Waiver], outcome: pa.ChunkedArray) -> dict[int, list[dict[str, Any]]]:
    """Row number -> the rules lifted for it and their waivers, of the rows that left by them."""
    named = {waiver.name: waiver for waiver in waivers}
    numbers, verdicts = settled.rows["_row_number"].to_pylist(), outcome.to_pylist()
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for entry in settled.waived.to_pylist():
        place = entry["_record"] - 1
        if verdicts[place] in ("accepted", "duplicate"):
            rules = found.setdefault(numbers[place], {})
            rules[entry["code"]] = {"rule": entry["code"], "waiver": as_published(named[entry["waiver"]])}
    return {number: list(rules.values()) for number, rules in found.items()}


def refused_rows_named(
    settings: Settings, ledger: Ledger, contract: Contract, waivers: Sequence[Waiver]
) -> list[tuple[dict[str, Any], pa.Table]]:
    """Open rows of landed deliveries that a waiver names, as landing columns and the rules their cells broke, by delivery."""
    files = [row for row in ledger.quarantine_files(contract.source, only_open=True) if row["status"] == "landed"]
    own = [waiver for waiver in waivers if waiver.source == contract.source]
    found = []
    with duckdb.connect() as con:
        if not files or not own or not show_quarantine(con, settings, ledger, files):
            return []
        columns = {name: [waiver.key[name] for waiver in own] for name in contract.key}
        con.register("named", pa.table({"rule": [waiver.rule for waiver in own]} | columns))
        cells = {name: f"try_cast(q.typed->>'{name}' as {contract.column(name).sql_type})" for name in contract.names}
        tests = " and ".join(f"{cells[name]} = try_cast(n.{name} as {contract.column(name).sql_type})" for name in contract.key)
        listed = ", ".join(f"'{code}'" for code in CELL_FAULTS)
        typed = ", ".join(f"{cell} as {name}" for name, cell in cells.items())
        con.execute(
            f"create temp table chosen as select {typed}, q._delivery_id, q._row_number, q._source_file, q._received_at, q._sequence, q.row, "
            f"nullif(array_to_string(list_sort(list_distinct(list_filter(q.codes, x -> x in ({listed})))), ','), '') as {WAIVED_CODES} "
            "from quarantined q where q.state = 'open' and q.verdict = 'quarantined' "
            f"and exists (select 1 from named n where list_contains(q.codes, n.rule) and {tests})"
        )
        for (sequence,) in con.execute("select distinct _sequence from chosen order by 1").fetchall():
            rows = con.execute("select * from chosen where _sequence = ? order by _row_number", [sequence]).to_arrow_table()
            delivery = ledger.delivery(sequence)
            extra = pa.array([_beside(contract, text, delivery) for text in rows["row"].to_pylist()], pa.string())
            table = rows.append_column("_extra", extra).select([*contract.landing_types(), WAIVED_CODES])
            found.append((delivery, table))
    return found


def _beside(contract: Contract, row: str, delivery: dict[str, Any]) -> str | None:
    """What of a refused row the contract does not know, as it would have been kept beside it."""
    cells = json.loads(row)
    if json.loads(delivery["receipt"] or "{}").get("layout"):
        return row
    unknown = match_headers(contract, list(cells)).unknown
    return json.dumps({header: cells[header] for header in unknown.values()}, ensure_ascii=False) if unknown else None
