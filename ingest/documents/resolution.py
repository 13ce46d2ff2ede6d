"""What documents cannot say by themselves: their place in a chain of versions, and the product of the catalogue that they name.

A chain is told by the ids of past versions. Its first id is the disclosure's number for good, and a place once taken keeps its number: what has
landed decides before what arrives. Decision 0009 says why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

import duckdb
import pyarrow as pa

from ingest.contract import Contract
from ingest.documents import KEPT, KINDS, USED
from ingest.lookups import Stored, parquet_relation
from ingest.readers import RawTable
from ingest.readers.strict_json import parse
from ingest.rules import FAULT_TYPES

Place = tuple[str, int]  # disclosure_id, revision


@dataclass
class Chains:
    """What is known of chains: the place of an id, and for an id that a landed version names as past, that version's disclosure and revision."""

    landed: dict[str, Place] = field(default_factory=dict)
    named: dict[str, set[Place]] = field(default_factory=lambda: defaultdict(set))
    other_forms: dict[str, Place] = field(default_factory=dict)  # disclosures that came in the contract's own form


@dataclass(frozen=True)
class Settled:
    """`raw`: the table with the settled cells; `faults`: the documents' own faults, by record number."""

    raw: RawTable
    faults: pa.Table


def _known_chains(con: duckdb.DuckDBPyConnection, contract: Contract, stored: Stored, asked: set[str]) -> Chains:
    """The landed rows that any of some ids belong to or are named in, found set-based: a chain is a few rows of very many."""
    relation = parquet_relation(stored(contract.source), contract.landing_types())
    con.register("asked_ids", pa.table({"id": pa.array(sorted(asked), pa.string())}))
    con.execute(
        "create or replace temp table landed_documents as select disclosure_id, revision, json_extract_string(_extra, '$.document_id') as id, "
        f"""from_json(json_extract_string(_extra, '$.document_preceding'), '["varchar"]') as preceding from {relation} """
        """where _extra like '%"document_id"%' and json_extract_string(_extra, '$.document_preceding') <> ''"""
    )
    chains = Chains()
    for identifier, disclosure, revision in con.execute(
        "select distinct id, disclosure_id, revision from landed_documents where id in (select id from asked_ids)"
    ).fetchall():
        chains.landed[identifier] = (disclosure, revision)
    for identifier, disclosure, revision in con.execute(
        "select distinct p.id, p.disclosure_id, p.revision from (select unnest(preceding) as id, disclosure_id, revision from landed_documents) p "
        "where p.id in (select id from asked_ids)"
    ).fetchall():
        chains.named[identifier].add((disclosure, revision))
    for disclosure, revision in con.execute(
        f"select disclosure_id, max(revision) from {relation} where disclosure_id in (select id from asked_ids) "
        "and disclosure_id not in (select disclosure_id from landed_documents) group by disclosure_id"
    ).fetchall():
        chains.other_forms[disclosure] = (disclosure, revision)
    con.unregister("asked_ids")
    return chains


def _in_order(preceding: dict[str, list[str]]) -> tuple[list[str], set[str]]:
    """The ids of a file, past versions first, and those that lie on a ring or beyond one."""
    left = {identifier: [past for past in pasts if past in preceding] for identifier, pasts in preceding.items()}
    ringed: set[str] = set()
    while True:
        try:
            return list(TopologicalSorter(left).static_order()), ringed
        except CycleError as error:
            ring = set(error.args[1])
            ringed |= ring
            left = {
                identifier: [past for past in pasts if past not in ring] for identifier, pasts in left.items() if identifier not in ring
            }


def _place(identifier: str, pasts: list[str], chains: Chains, placed: dict[str, Place]) -> Place | str:
    """Disclosure and revision of one document, or what is wrong with its chain."""
    known = {past: placed.get(past) or chains.landed.get(past) or chains.other_forms.get(past) for past in pasts}
    here = [place for place in known.values() if place is not None]
    named_later = chains.named.get(identifier, set())
    disclosures = {disclosure for disclosure, _ in here} | {disclosure for disclosure, _ in named_later}
    disclosures |= {disclosure for past in pasts for disclosure, _ in chains.named.get(past, set())}
    if identifier in chains.landed:
        return chains.landed[identifier]
    if len(disclosures) > 1:
        return "precedingPfIds: " + ", ".join(sorted(disclosures))
    disclosure = next(iter(disclosures), pasts[0] if pasts else identifier)
    revision = 1 + max([len(pasts), *(revision for _, revision in here)], default=0)
    if any(revision >= later for _, later in named_later):
        return f"{disclosure} ≥ {min(later for _, later in named_later)}"
    return disclosure, revision


def place_documents(preceding: dict[str, list[str]], chains: Chains) -> dict[str, Place | str]:
    """Disclosure and revision of every document of a file, or what is wrong with its chain.

    Args:
        preceding: id -> the ids of its past versions.
        chains: what has landed of them.
    """
    order, ringed = _in_order(preceding)
    placed: dict[str, Place] = {}
    outcome: dict[str, Place | str] = {identifier: "precedingPfIds: ⟲" for identifier in ringed}
    for identifier in order:
        pasts = preceding[identifier]
        broken = next((past for past in pasts if isinstance(outcome.get(past), str)), None)
        found = f"precedingPfIds: {broken}" if broken else _place(identifier, pasts, chains, placed)
        outcome[identifier] = found
        if not isinstance(found, str):
            placed[identifier] = found
            for past in pasts:  # versions nobody has seen belong to the chain that names them, for every other version that names them
                placed.setdefault(past, (found[0], 1))
    return outcome


def _columns(raw: RawTable) -> dict[str, list[str]]:
    return {header: column.to_pylist() for header, column in zip(raw.headers, raw.columns, strict=True)}


def _settle_chains(
    con: duckdb.DuckDBPyConnection, contract: Contract, stored: Stored, cells: dict[str, list[str]]
) -> list[tuple[int, str, str, str]]:
    preceding: dict[str, list[str]] = {}
    for identifier, written in zip(cells["document_id"], cells["document_preceding"], strict=True):
        if written and identifier:
            known = preceding.setdefault(identifier, [])
            known += [past for past in parse(written.encode()) if past not in known]
    chains = _known_chains(con, contract, stored, {*preceding, *(past for pasts in preceding.values() for past in pasts)})
    outcome = place_documents(preceding, chains)
    faults = []
    for place, (identifier, written) in enumerate(zip(cells["document_id"], cells["document_preceding"], strict=True)):
        found = outcome.get(identifier) if written else None
        if isinstance(found, str):
            cells["disclosure_id"][place], cells["revision"][place] = identifier, "1"
            faults.append((place + 1, "chain_broken", "disclosure_id", found))
        elif found is not None:
            cells["disclosure_id"][place], cells["revision"][place] = found[0], str(found[1])
        elif written:  # a document without an id
            cells["revision"][place] = "1"
    return faults


def _settle_products(con: duckdb.DuckDBPyConnection, cells: dict[str, list[str]]) -> None:
    """The product that the first of a document's identifiers stands for. None: the identifiers themselves, which the catalogue does not hold."""
    named = [list(parse(written.encode())) for written in cells["document_products"]]
    con.register("asked_products", pa.table({"urn": pa.array(sorted({urn.casefold() for urns in named for urn in urns}), pa.string())}))
    rows = con.execute("select lower(urn), product_code from reference.product_alias where lower(urn) in (select urn from asked_products)")
    aliases = dict(rows.fetchall())
    con.unregister("asked_products")
    for place, urns in enumerate(named):
        found = next((aliases[urn.casefold()] for urn in urns if urn.casefold() in aliases), None)
        cells["product_code"][place] = found if found is not None else " ".join(urns)


def _own_faults(cells: dict[str, list[str]]) -> Iterable[tuple[int, str, str, str]]:
    for number, written in enumerate(cells["document_faults"], 1):
        for code, column, value in parse(written.encode()):
            yield number, code, column, value


def settle_documents(con: duckdb.DuckDBPyConnection, contract: Contract, raw: RawTable, stored: Stored) -> Settled:
    """Settle what a table of documents leaves open; any other table is handed back as it is.

    Args:
        con: DuckDB connection with the reference lists in schema `reference`.
    """
    empty = pa.schema(list(FAULT_TYPES.items())).empty_table()
    if not set(KEPT + USED) <= set(raw.headers):
        return Settled(raw, empty)
    cells = _columns(raw)
    faults = [*_settle_chains(con, contract, stored, cells), *_own_faults(cells)]
    _settle_products(con, cells)
    kept = [header for header in cells if header not in USED]
    columns = [pa.chunked_array([pa.array(cells[header], pa.string())]) for header in kept]
    rows = [dict(zip(FAULT_TYPES, fault, strict=True)) for fault in sorted(set(faults))]
    table = pa.Table.from_pylist(rows, schema=empty.schema)
    return Settled(replace(raw, headers=kept, columns=columns), table)


def locate_missing(raw: RawTable, faults: pa.Table) -> pa.Table:
    """Give an empty cell of a document the path at which its sender finds it."""
    if not set(KEPT) <= set(raw.headers):
        return faults
    kinds = _columns(raw)["document_kind"]
    rows = faults.to_pylist()
    for row in rows:
        if row["code"] == "required":
            name, _, version = kinds[row["_record"] - 1].partition(" ")
            row["value"] = KINDS[name].paths(version).get(row["column_name"], row["value"])
    return pa.Table.from_pylist(rows, schema=pa.schema(list(FAULT_TYPES.items())))
