"""Bytes of a delivery -> what would land and what would be quarantined, as Parquet files in a work folder, and its receipt.

Nothing here decides whether it does land: the gate does, and the ledger then lists the file. Until it is listed, nobody reads it.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest import layout as layouts
from ingest.confinement import read_confined
from ingest.contract import Contract, Message
from ingest.documents.resolution import locate_missing, settle_documents
from ingest.faults import FileRefused
from ingest.judgement import Judgement, judge
from ingest.lookups import Stored
from ingest.messages import messages_table
from ingest.readers import RawTable
from ingest.reference import ReferenceLists
from ingest.values import type_rows
from ingest.waivers import WAIVED_CODES, Waiver, held_faults, hold_waived, match_waivers, relax, store_waived_cells, waived_codes

SHOWN_FAULTS = 50
# A quarantined row's reasons, over faults `f` and their texts `m`.
REASONS = (
    "list_sort(list({'code': f.code, 'column_name': f.column_name, 'value': f.value, 'message_zh': m.message_zh, 'message_en': m.message_en, "
    "'reason_zh': m.reason_zh, 'reason_en': m.reason_en}))"
)
_MOST_STRETCHES = 1000


@dataclass(frozen=True)
class Delivery:
    """One file as received: `delivery_id` is the sha256 of its bytes, `sequence` its place in the received order, `received_at` UTC without zone."""

    delivery_id: str
    source: str
    file: str
    sequence: int
    received_at: datetime
    layout: str | None = None


@dataclass(frozen=True)
class Prepared:
    """What a delivery would do. Paths lie in the work folder; `waiting`, `quarantine` and `repeats` (duplicate rows) are None where no row is.

    `counts`: received = accepted + duplicate + quarantined; the waiting rows are part of the quarantined.
    """

    landing: Path
    verdicts: Path
    quarantine: Path | None
    waiting: Path | None
    counts: dict[str, int]
    normalised: dict[str, int]
    fault_counts: dict[str, int]
    faults: list[dict[str, Any]]
    layout: str | None
    notes: dict[str, str]
    unknown_columns: list[str]
    file_rows: int = 0
    repeats: Path | None = None
    waived: tuple[dict[str, Any], ...] = ()  # rows that only a waiver lets through: row number, rule, waiver
    contract: Contract | None = None  # as the layout reads it: a tolerance of its own, columns its publication lacks
    not_data: list[dict[str, Any]] = field(default_factory=list)  # rows that are no records of this source: kind, count, zh, en


def _constant(text: str, count: int) -> pa.Array:
    """One text for every row, stored once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int8)), pa.array([text]))


def _with_lineage(rows: pa.Table, delivery: Delivery) -> pa.Table:
    """Rows that carry `_row_number` and `_extra`, with the rest of what tells where they come from; the same for all rows, so added last."""
    count = rows.num_rows
    lineage = {
        "_delivery_id": _constant(delivery.delivery_id, count),
        "_row_number": rows["_row_number"],
        "_source_file": _constant(delivery.file, count),
        "_received_at": pa.repeat(pa.scalar(delivery.received_at, pa.timestamp("us")), count),
        "_sequence": pa.repeat(pa.scalar(delivery.sequence, pa.int64()), count),
        "_extra": rows["_extra"],
    }
    landed = rows.drop_columns(["_row_number", "_extra"])
    for name, values in lineage.items():
        landed = landed.append_column(name, values)
    return landed


def _write(table: pa.Table, path: Path) -> Path:
    """A Parquet file. Numbers that hardly repeat are not worth a dictionary, and nothing that reads whole files asks for statistics."""
    repeating = [column.name for column in table.schema if column.type not in (pa.float64(), pa.int32())]
    pq.write_table(table, path, compression="zstd", row_group_size=1 << 20, use_dictionary=repeating, write_statistics=False)
    return path


def _json_of(con: duckdb.DuckDBPyConnection, headers: list[str], columns: list[pa.ChunkedArray]) -> pa.Array:
    """Rows as JSON objects, header -> cell; null where there is no column."""
    if not headers:
        return pa.nulls(0, pa.string())
    table = pa.table({f"c{i}": column for i, column in enumerate(columns)})
    con.register("cells", table)
    pairs = ", ".join(f"'{header.replace(chr(39), chr(39) * 2)}', c{i}" for i, header in enumerate(headers))
    made = con.execute(f"select cast(json_object({pairs}) as varchar) as j from cells").to_arrow_table()["j"].combine_chunks()
    con.unregister("cells")
    return made


def _take(columns: list[pa.ChunkedArray], rows: pa.Array) -> list[pa.ChunkedArray]:
    """Some rows of the columns. Of few rows each is sliced: `take` would first join a column's chunks."""
    table = pa.table({str(i): column for i, column in enumerate(columns)})
    if len(rows) > _MOST_STRETCHES:
        return list(table.take(rows).columns)
    return list(pa.concat_tables([table.slice(row, 1) for row in rows.to_pylist()]).columns)


def _quarantine_table(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    delivery: Delivery,
    raw: RawTable,
    row_numbers: pa.Array,
    judgement: Judgement,
    cells: dict[str, pa.ChunkedArray],
) -> pa.Table | None:
    kept = judgement.records("quarantined", "waiting")
    if not len(kept):
        return None
    rows = row_numbers.take(kept)
    places = pc.subtract(rows, 1)
    headers = [header or f"column_{i + 1}" for i, header in enumerate(raw.headers)]
    originals = _json_of(con, headers, _take(raw.columns, places))
    # As typed, too: by it a row delivered again is known as the one that was refused, whatever form its cells had. A cell that a rule
    # refuses has its value here, which a waiver may let through; only what cannot be typed is null.
    refused = dict(zip(cells, _take(list(cells.values()), kept), strict=True))
    lenient = type_rows(con, relax(contract), refused, len(kept)).table
    as_typed = _json_of(con, list(contract.names), [pc.cast(lenient[name], pa.string()) for name in contract.names])
    numbers, verdicts = pc.add(kept.cast(pa.int32()), 1), judgement.verdicts["verdict"].take(kept)
    con.register("kept", pa.table({"_record": numbers, "_row_number": rows, "verdict": verdicts, "row": originals, "typed": as_typed}))
    pairs = zip(judgement.faults["code"].to_pylist(), judgement.faults["column_name"].to_pylist(), strict=True)
    con.register("messages", messages_table(contract, pairs))
    con.register("all_faults", judgement.faults)
    return con.execute(
        f"""
        with reasoned as (
            select f._record, {REASONS} as reasons from all_faults f
            join messages m on m.code = f.code and m.column_name = f.column_name
            group by f._record
        )
        select ? as _delivery_id, ? as _source_file, cast(? as timestamp) as _received_at, cast(? as bigint) as _sequence,
            k._row_number, k._record, k.verdict, k.row, k.typed, r.reasons
        from kept k join reasoned r on r._record = k._record
        order by k._record
        """,
        [delivery.delivery_id, delivery.file, delivery.received_at, delivery.sequence],
    ).to_arrow_table()


def _shown_faults(quarantine: pa.Table | None) -> list[dict[str, Any]]:
    if quarantine is None:
        return []
    return [
        {"row_number": row["_row_number"], **reason}
        for row in quarantine.slice(0, SHOWN_FAULTS).select(["_row_number", "reasons"]).to_pylist()
        for reason in row["reasons"]
    ][:SHOWN_FAULTS]


def too_many_bad_rows(contract: Contract, bad: int, received: int) -> FileRefused:
    return FileRefused(
        "too_many_bad_rows",
        Message(
            f"{received} 行中有 {bad} 行不合规则，超过容许的 {contract.tolerance:.0%}：整个文件未入库。按下列原因更正后重报。",
            f"{bad} of {received} rows break a rule, more than the tolerated {contract.tolerance:.0%}: nothing of the file landed. Correct them as listed and deliver again.",
        ),
    )


def prepare(
    data: bytes,
    delivery: Delivery,
    contract: Contract,
    contracts: dict[str, Contract],
    reference: ReferenceLists,
    stored: Stored,
    work: Path,
    waivers: Sequence[Waiver] = (),
    keep_repeats: bool = False,
) -> Prepared:
    """Read, fold, type and judge one delivery.

    Args:
        data: the file's bytes.
        stored: landing files of every source, as listed before this delivery.
        work: an empty folder to write into.
        waivers: those in force; the rows they let through wait, to be landed by themselves directly afterwards.
        keep_repeats: write the duplicate rows, too; they tell which refused rows have been put right.

    Raises:
        FileRefused: nothing of the file can land; says why in both languages.
    """
    sheet_names = (contract.source, contract.title.zh, contract.title.en)
    raw = read_confined(data, sheet_names, contract.documents, work)
    with duckdb.connect() as con:
        con.execute(f"set temp_directory = '{str(work).replace(chr(39), chr(39) * 2)}/spill'")
        reference.load(con)
        settled = settle_documents(con, contract, raw, stored)
        raw = settled.raw
        mapped = layouts.map_cells(con, contract, raw, delivery.layout)
        contract = mapped.contract
        typed, matches, lifted = store_waived_cells(
            con, contract, mapped.cells, type_rows(con, contract, mapped.cells, mapped.record_count), waivers
        )
        rows = typed.table
        for name, flag in mapped.flags.items():
            rows = rows.append_column(name, flag)
        cell_faults = pa.concat_tables([locate_missing(raw, typed.faults), settled.faults])
        judged = judge(con, contract, contracts, rows, cell_faults, stored, delivery.received_at, matches)
        judgement = hold_waived(dataclasses.replace(judged, waived=pa.concat_tables([judged.waived, lifted.cast(judged.waived.schema)])))
        quarantine = _quarantine_table(con, contract, delivery, raw, mapped.row_numbers, judgement, mapped.cells)
        extra = pa.nulls(mapped.record_count, pa.string())
        if mapped.unknown:
            made = _json_of(con, list(mapped.unknown.values()), [raw.columns[i] for i in mapped.unknown])
            extra = made.take(pc.subtract(mapped.row_numbers, 1))
    normalised = Counter(typed.normalised) + Counter(mapped.folded)
    return _written(work, contract, delivery, raw, mapped, typed.table, extra, judgement, quarantine, normalised, keep_repeats)


def _without(table: pa.Table, places: pa.Array) -> pa.Table:
    """A table less some rows. Where these are few, what stays is the stretches between them, and nothing is copied."""
    if not len(places):
        return table
    if len(places) > _MOST_STRETCHES:
        kept = np.ones(table.num_rows, dtype=bool)
        kept[places.to_numpy()] = False
        return table.filter(pa.array(kept))
    ends = [*places.to_pylist(), table.num_rows]
    starts = [0, *(place + 1 for place in ends[:-1])]
    return pa.concat_tables([table.slice(start, end - start) for start, end in zip(starts, ends, strict=True)])


def _written(
    work: Path,
    contract: Contract,
    delivery: Delivery,
    raw: RawTable,
    mapped: layouts.Mapped,
    typed: pa.Table,
    extra: pa.Array,
    judgement: Judgement,
    quarantine: pa.Table | None,
    normalised: Counter[str],
    keep_repeats: bool,
) -> Prepared:
    full = typed.select(list(contract.names)).append_column("_row_number", mapped.row_numbers).append_column("_extra", extra)
    repeated = judgement.records("duplicate")
    waiting = judgement.records("waiting")
    waiting_rows = _with_lineage(full.take(waiting), delivery)
    if judgement.waived.num_rows:
        waiting_rows = waiting_rows.append_column(WAIVED_CODES, waived_codes(judgement, pc.add(waiting, 1)))
    accepted = _with_lineage(_without(full, judgement.records("duplicate", "quarantined", "waiting")), delivery)
    counts = {name: judgement.count(name) for name in ("accepted", "duplicate", "quarantined", "waiting")}
    counts["quarantined"] += counts["waiting"]
    counts["received"] = mapped.record_count
    fault_counts = Counter(judgement.faults["code"].to_pylist())
    verdicts = pa.table({"_row_number": mapped.row_numbers, "verdict": judgement.verdicts["verdict"]})
    return Prepared(
        landing=_write(accepted, work / "landing.parquet"),
        verdicts=_write(verdicts, work / "verdicts.parquet"),
        quarantine=_write(quarantine, work / "quarantine.parquet") if quarantine is not None else None,
        waiting=_write(waiting_rows, work / "waiting.parquet") if waiting_rows.num_rows else None,
        counts=counts,
        normalised=dict(sorted(normalised.items())),
        fault_counts=dict(sorted(fault_counts.items())),
        faults=_shown_faults(quarantine),
        layout=mapped.layout,
        notes=raw.notes,
        unknown_columns=[header for header in mapped.unknown.values() if header],
        file_rows=raw.row_count,
        repeats=_write(_with_lineage(full.take(repeated), delivery), work / "repeats.parquet") if keep_repeats and len(repeated) else None,
        waived=_waived_rows(judgement, mapped.row_numbers),
        contract=contract,
        not_data=mapped.not_data,
    )


def _waived_rows(judgement: Judgement, row_numbers: pa.Array) -> tuple[dict[str, Any], ...]:
    waiting = {place + 1 for place in judgement.records("waiting").to_pylist()} if judgement.waived.num_rows else set()
    return tuple(
        {"row_number": row_numbers[row["_record"] - 1].as_py(), "rule": row["code"], "waiver": row["waiver"]}
        for row in judgement.waived.to_pylist()
        if row["_record"] in waiting
    )


@dataclass(frozen=True)
class Settled:
    """Rows that waited, judged again: as they were kept, their verdicts (`_record`, verdict; `_record` is the place in the rows,
    from 1), their faults, and the faults that a waiver lifted (`_record`, code, …, waiver).
    """

    rows: pa.Table
    verdicts: pa.Table
    faults: pa.Table
    waived: pa.Table


def settle_waiting(
    waiting: Path | pa.Table,
    contract: Contract,
    contracts: dict[str, Contract],
    reference: ReferenceLists,
    stored: Stored,
    received_at: datetime,
    waivers: Sequence[Waiver] = (),
) -> Settled:
    """Judge waiting rows again, after something they may have waited for has landed, or a waiver has been signed."""
    rows = waiting if isinstance(waiting, pa.Table) else pq.read_table(waiting)
    numbered = rows.select(list(contract.names)).append_column("_record", pa.array(range(1, rows.num_rows + 1), pa.int32()))
    for flag in contract.layout_flags:
        numbered = numbered.append_column(flag, pa.nulls(rows.num_rows, pa.bool_()))
    with duckdb.connect() as con:
        reference.load(con)
        matches = match_waivers(con, contract, numbered, waivers)
        held = held_faults(con, contract, rows, matches)
        judgement = judge(con, contract, contracts, numbered, held.faults, stored, received_at, matches)
    return Settled(rows, judgement.verdicts, judgement.faults, pa.concat_tables([held.waived, judgement.waived.cast(held.waived.schema)]))


def clear(work: Path) -> None:
    """Empty a work folder that an interrupted run may have left."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
