"""Reviewed waivers at work: which rows of a delivery one names, and what of them may be stored although a rule refuses it.

A waiver lets one row, named by its key, through one rule. It works on rules alone: a cell that cannot be typed has no value that could be
stored, an empty required cell none that could be joined, and two values under one key would leave it open which is in force.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ingest.contract import Column, Contract, Message
from ingest.rules import FAULT_TYPES
from ingest.values import TypedRows, type_rows

if TYPE_CHECKING:
    from ingest.judgement import Judgement

# Faults of single cells whose value is of the column's type all the same, and so can be stored.
STORABLE_FAULTS = ("identifier_check", "enumeration", "range")
MATCH_TYPES = {"_record": pa.int32(), "code": pa.string(), "waiver": pa.string()}
CELL_FAULTS = (*STORABLE_FAULTS, "type", "required", "control_character", "cell_error", "digits_lost")
WAIVED_CODES = "_waived_codes"


@dataclass(frozen=True)
class Waiver:
    """One row's reviewed exception. `name` is the place it was read from; `key` holds the key's values as text."""

    name: str
    source: str
    key: Mapping[str, str]
    rule: str
    reason: Message
    author: str
    reviewer: str
    expires_on: date
    citation: str


def waivable_rules(contract: Contract) -> set[str]:
    """Codes that a waiver of this source may name."""
    return {*STORABLE_FAULTS, *(rule.code for rule in contract.rules if not rule.waits)}


def relax(contract: Contract) -> Contract:
    """The contract with its types alone: what can be typed by it can be stored."""
    free = [
        dataclasses.replace(
            column, required=False, identifier=False, values=(), list=None, also_allowed=(), not_allowed=(), minimum=None, maximum=None
        )
        for column in contract.columns
    ]
    return dataclasses.replace(contract, columns=tuple(free))


def no_matches() -> pa.Table:
    return pa.table({name: pa.array([], kind) for name, kind in MATCH_TYPES.items()})


def _named(contract: Contract, waivers: Sequence[Waiver]) -> pa.Table:
    columns = {"code": [waiver.rule for waiver in waivers], "waiver": [waiver.name for waiver in waivers]}
    columns |= {name: [waiver.key[name] for waiver in waivers] for name in contract.key}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def match_waivers(con: duckdb.DuckDBPyConnection, contract: Contract, rows: pa.Table, waivers: Sequence[Waiver]) -> pa.Table:
    """`_record`, code, waiver: the rules that a waiver lifts for a row, found by the row's typed key."""
    own = [waiver for waiver in waivers if waiver.source == contract.source]
    if not own:
        return no_matches()
    con.register("waivers_named", _named(contract, own))
    con.register("rows_keyed", rows.select(["_record", *contract.key]))
    tests = " and ".join(f"r.{name} = try_cast(w.{name} as {contract.column(name).sql_type})" for name in contract.key)
    found = con.execute(
        f"select r._record, w.code, min(w.waiver) as waiver from rows_keyed r join waivers_named w on {tests} group by 1, 2"
    )
    return found.to_arrow_table().cast(pa.schema(list(MATCH_TYPES.items())))


def _patched(table: pa.Table, column: Column, records: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.Table:
    """The table with some cells of a column replaced; records count from 1."""
    whole = table[column.name].combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0)
    if pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_decode()
    order = pc.sort_indices(records)
    mask = pc.is_in(table["_record"], records.combine_chunks()).combine_chunks()
    replaced = pc.replace_with_mask(whole, mask, values.take(order).combine_chunks().cast(whole.type))
    return table.set_column(table.schema.get_field_index(column.name), column.name, replaced)


def store_waived_cells(
    con: duckdb.DuckDBPyConnection, contract: Contract, cells: dict[str, pa.ChunkedArray], typed: TypedRows, waivers: Sequence[Waiver]
) -> tuple[TypedRows, pa.Table, pa.Table]:
    """Give the cells that a waiver lets through their value back.

    Args:
        cells: the delivery's texts by contract column, as they were typed.

    Returns:
        The typed rows with those cells filled and their faults gone; the matches of all rows; the faults taken away, with their waiver.
    """
    own = [waiver for waiver in waivers if waiver.source == contract.source]
    nothing = pa.table({name: pa.array([], kind) for name, kind in (FAULT_TYPES | {"waiver": pa.string()}).items()})
    if not own:
        return typed, no_matches(), nothing
    rules = pa.array(sorted({waiver.rule for waiver in own} & set(STORABLE_FAULTS)), pa.string())
    records = pc.unique(typed.faults["_record"].filter(pc.is_in(typed.faults["code"], rules)))
    records = records.take(pc.sort_indices(records))
    rows = typed.table
    lenient = None
    if len(records):
        places = pc.subtract(records, 1)
        taken = {name: column.take(places) for name, column in cells.items()}
        lenient = type_rows(con, relax(contract), taken, len(records)).table
        lenient = lenient.set_column(lenient.schema.get_field_index("_record"), "_record", records)
        # The key itself may be what the rule refuses: it is looked up by the value that would be stored.
        rest = rows.filter(pc.invert(pc.is_in(rows["_record"], records))).select(["_record", *contract.key])
        keys = lenient.select(["_record", *contract.key]).cast(
            pa.schema([(f.name, _plain(f.type)) for f in lenient.select(["_record", *contract.key]).schema])
        )
        rows = pa.concat_tables([rest.cast(keys.schema), keys])
    matches = match_waivers(con, contract, rows, own)
    con.register("cell_faults_found", typed.faults)
    con.register("waiver_matches", matches)
    lifted = con.execute(
        "select f.*, m.waiver from cell_faults_found f join waiver_matches m on m._record = f._record and m.code = f.code "
        f"where f.code in ({', '.join(repr(code) for code in STORABLE_FAULTS)}) order by f._record"
    ).to_arrow_table()
    kept = con.execute(
        "select f.* from cell_faults_found f anti join waiver_matches m on m._record = f._record and m.code = f.code"
    ).to_arrow_table()
    table = typed.table
    for name in lifted["column_name"].unique().to_pylist() if lenient is not None else ():
        concerned = lifted.filter(pc.equal(lifted["column_name"], name))["_record"]
        found = pc.index_in(concerned, records)
        table = _patched(table, contract.column(name), concerned, lenient[name].take(found))  # type: ignore[index]
    return TypedRows(table, kept, typed.normalised), matches, lifted


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def hold_waived(judgement: Judgement) -> Judgement:
    """Let rows that only a waiver lets through wait instead of landing with the rest.

    They are landed by themselves directly afterwards, so that the gate holds the delivery to the contract without exceptions.
    """
    from ingest.judgement import VERDICTS

    if not judgement.waived.num_rows:
        return judgement
    verdict = judgement.verdicts["verdict"].combine_chunks()
    verdict = verdict.chunk(0) if isinstance(verdict, pa.ChunkedArray) else verdict
    waived = pc.is_in(judgement.verdicts["_record"], pc.unique(judgement.waived["_record"])).combine_chunks()
    accepted = pc.equal(verdict.indices, VERDICTS.index("accepted"))
    held = pc.and_(waived, accepted)
    indices = pc.if_else(held, pa.scalar(VERDICTS.index("waiting"), verdict.indices.type), verdict.indices)
    verdicts = judgement.verdicts.set_column(1, "verdict", pa.DictionaryArray.from_arrays(indices, verdict.dictionary))
    records = judgement.verdicts["_record"].filter(held)
    reasons = judgement.waived.filter(pc.is_in(judgement.waived["_record"], records.combine_chunks())).select(list(FAULT_TYPES))
    return dataclasses.replace(
        judgement, verdicts=verdicts, faults=pa.concat_tables([judgement.faults, reasons.cast(judgement.faults.schema)])
    )


def waived_codes(judgement: Judgement, records: pa.Array) -> pa.Array:
    """For each record, the rules on single cells that a waiver lifts, comma-separated; null where none does."""
    of_cells = judgement.waived.filter(pc.is_in(judgement.waived["code"], pa.array(CELL_FAULTS)))
    with duckdb.connect() as con:
        con.register("waived", of_cells.select(["_record", "code"]))
        con.register("asked", pa.table({"place": pa.array(range(len(records)), pa.int32()), "_record": records.cast(pa.int32())}))
        query = (
            "select string_agg(distinct w.code, ',' order by w.code) as codes from asked a left join waived w on w._record = a._record "
            "group by a.place order by a.place"
        )
        return con.execute(query).to_arrow_table()["codes"].combine_chunks()


@dataclass(frozen=True)
class Held:
    """Of rows that a waiver let through and that were then held: `waived` faults, and those whose waiver is no longer in force."""

    faults: pa.Table
    waived: pa.Table


def held_faults(con: duckdb.DuckDBPyConnection, contract: Contract, rows: pa.Table, matches: pa.Table) -> Held:
    """The faults of single cells of waiting rows. Their cells are typed, so what a rule said of them is known from the rows alone."""
    schema = pa.schema([*FAULT_TYPES.items(), ("waiver", pa.string())])
    if WAIVED_CODES not in rows.column_names:
        return Held(schema.empty_table().drop_columns(["waiver"]), schema.empty_table())
    con.register("held_rows", pa.table({"_record": pa.array(range(1, rows.num_rows + 1), pa.int32()), "codes": rows[WAIVED_CODES]}))
    con.register("waiver_matches", matches)
    found = con.execute(
        "with held as (select _record, unnest(string_split(codes, ',')) as code from held_rows where codes is not null) "
        f"select h._record, h.code, '{contract.key[0]}' as column_name, cast(null as varchar) as value, m.waiver from held h "
        "left join waiver_matches m on m._record = h._record and m.code = h.code order by 1, 2"
    ).to_arrow_table()
    in_force = pc.is_valid(found["waiver"])
    return Held(
        found.filter(pc.invert(in_force)).drop_columns(["waiver"]).cast(pa.schema(list(FAULT_TYPES.items()))),
        found.filter(in_force).cast(schema),
    )
