"""The verdict of each row of a delivery: accepted, duplicate, quarantined with every reason, or waiting for another delivery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.contract import Contract
from ingest.history import conflict_faults, find_repeats
from ingest.lookups import Landed, Stored
from ingest.rules import FAULT_TYPES, predicate_faults, relation_faults
from ingest.waivers import no_matches

VERDICTS = ("accepted", "duplicate", "quarantined", "waiting")


@dataclass(frozen=True)
class Judgement:
    """`verdicts`: _record, verdict (one row per candidate); `faults`: _record, code, column_name, value (one row per reason);
    `waived`: the faults that a waiver lifted, each with its waiver.
    """

    verdicts: pa.Table
    faults: pa.Table
    waived: pa.Table

    def count(self, verdict: str) -> int:
        return len(self.records(verdict))

    def records(self, *verdicts: str) -> pa.Array:
        """Places (from 0) of the rows with one of some verdicts."""
        wanted = [VERDICTS.index(verdict) for verdict in verdicts]
        codes = self.verdicts["verdict"].combine_chunks()
        codes = codes.chunk(0) if isinstance(codes, pa.ChunkedArray) else codes
        return pc.indices_nonzero(pc.is_in(codes.indices, pa.array(wanted, pa.int8())))


def _fault_table(tables: list[pa.Table]) -> pa.Table:
    schema = pa.schema(list(FAULT_TYPES.items()))
    return pa.concat_tables([table.select(schema.names).cast(schema) for table in tables]).combine_chunks()


def _lift(con: duckdb.DuckDBPyConnection, faults: pa.Table, waived: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The faults that stay, and those that a waiver lifts, with its name."""
    if not waived.num_rows:
        return faults, pa.schema([*FAULT_TYPES.items(), ("waiver", pa.string())]).empty_table()
    con.register("found_faults", faults)
    con.register("waived_rules", waived)
    test = "on w._record = f._record and w.code = f.code"
    lifted = con.execute(f"select f.*, w.waiver from found_faults f join waived_rules w {test}").to_arrow_table()
    if not lifted.num_rows:
        return faults, lifted
    return _fault_table([con.execute(f"select f.* from found_faults f anti join waived_rules w {test}").to_arrow_table()]), lifted


def _verdicts(count: int, repeated: pa.ChunkedArray, faulty: pa.ChunkedArray, waits: pa.ChunkedArray) -> pa.Table:
    """One verdict per record; what comes later in the order of VERDICTS outweighs what comes before."""
    codes = np.zeros(count, dtype=np.int8)
    for code, records in enumerate((repeated, faulty, waits), start=1):
        codes[records.to_numpy() - 1] = code
    verdict = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(VERDICTS))
    return pa.table({"_record": pa.array(np.arange(1, count + 1, dtype=np.int32)), "verdict": verdict})


def judge(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    contracts: dict[str, Contract],
    rows: pa.Table,
    cell_faults: pa.Table,
    stored: Stored,
    received_at: datetime,
    waived: pa.Table | None = None,
) -> Judgement:
    """Judge typed rows.

    Args:
        con: DuckDB connection with the reference lists in schema `reference`.
        rows: the contract's columns typed, and `_record`.
        cell_faults: faults of single cells, found while typing.
        stored: the landing files of every source as they were before this delivery.
        received_at: UTC instant without zone; rules may ask whether something lies after it.
        waived: _record, code, waiver: rules that a reviewed waiver lifts for a row.
    """
    con.register("candidate_rows", rows)
    received = f"timestamp '{received_at.isoformat(sep=' ')}'"
    con.execute(f"create or replace temp view candidates as select *, {received} as _received_at from candidate_rows")
    con.register("cell_faults", cell_faults)
    landed = Landed(contracts, stored)
    matches = waived if waived is not None else no_matches()
    own, lifted = _lift(con, _fault_table([cell_faults, predicate_faults(con, contract, landed)]), matches)
    con.register("own_faults", own)
    con.execute("create or replace temp view sound as select * from candidates where _record not in (select _record from own_faults)")
    find_repeats(con, contract, stored)
    conflicting = conflict_faults(con, contract)
    con.execute(
        "create or replace temp view typed_candidates as select * from candidates where _record not in (select _record from cell_faults) "
        "and _record not in (select _record from repeats)"
    )
    related, lifted_later = _lift(con, _fault_table([own.slice(0, 0), *relation_faults(con, contract, landed)]), matches)
    faults = _fault_table([own, conflicting, related])
    con.register("all_faults", faults)
    waiting = [rule.code for rule in contract.rules if rule.waits]
    listed = ", ".join(f"'{code}'" for code in waiting) or "''"
    # A row that repeats a refused row of its own delivery is refused for the same reasons, not called a duplicate of nothing.
    inherited = con.execute(
        f"select p._record, f.code, f.column_name, f.value from repeats p join all_faults f on f._record = p.first_record where f.code not in ({listed}) "
        "and not exists (select 1 from all_faults own where own._record = p._record and own.code = f.code)"
    ).to_arrow_table()
    faults = _fault_table([faults, inherited])
    con.register("all_faults", faults)
    waits = con.execute(f"select _record from all_faults group by _record having bool_and(code in ({listed}))").to_arrow_table()["_record"]
    repeated = con.execute("select _record from repeats").to_arrow_table()["_record"]
    verdicts = _verdicts(rows.num_rows, repeated, faults["_record"], waits)
    return Judgement(verdicts, faults, pa.concat_tables([lifted, lifted_later.cast(lifted.schema)]))
