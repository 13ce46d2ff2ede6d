"""Values that would put refused rows right, where one is sure.

Candidates come from the slips that people make. Each is judged by the contract as a delivered row would be, and one is proposed only if
the rule that refused the row then holds, no other breaks, and no other candidate does as well. What is proposed is never applied: the
sender decides.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from ingest.contract import Column, Contract
from ingest.judgement import judge
from ingest.lookups import Landed, Stored, parquet_relation
from ingest.reference import ReferenceLists
from ingest.rules import predicate_faults
from ingest.values import type_rows
from warehouse.repair import slips
from warehouse.repair.findings import Finding, Proposal
from warehouse.repair.slips import Candidate

MOST_FINDINGS = 2_000
# Among peers a slip by a thousand comes back to the middle; what only comes back to the edge of the tolerated is something else.
_NEAR_PEERS = 6
_MOST_ROUNDS = 12
_UNIT_SHARE = 0.8
_SAME_ENTRY = 0.5


@dataclass(frozen=True)
class Setting:
    """What candidates are judged against."""

    contract: Contract
    contracts: Mapping[str, Contract]
    reference: ReferenceLists
    stored: Stored
    received_at: datetime


@dataclass(frozen=True)
class _Asked:
    """A candidate for a finding, with the row it would make."""

    finding: Finding
    candidate: Candidate
    row: Mapping[str, str]


def propose(setting: Setting, cells: Mapping[str, pa.ChunkedArray], findings: Sequence[Finding]) -> dict[tuple[int, str], Proposal]:
    """Proposals by record and rule.

    Args:
        cells: the delivery's texts by contract column; a finding's `record` is its place there, from 1.
    """
    looked_at = [finding for finding in findings if not finding.waits][:MOST_FINDINGS]
    if not looked_at:
        return {}
    places = sorted({finding.record for finding in looked_at})
    taken = pa.table({name: column.take(pa.array([place - 1 for place in places])) for name, column in cells.items()})
    rows = dict(zip(places, taken.to_pylist(), strict=True))
    codes: dict[int, set[str]] = defaultdict(set)
    for finding in findings:
        codes[finding.record].add(finding.code)
    with duckdb.connect() as con:
        setting.reference.load(con)
        register = _Register(con, setting)
        asked = [
            _Asked(finding, candidate, {**rows[finding.record], **candidate.values})
            for finding in looked_at
            for candidate in _candidates(setting.contract, finding, rows[finding.record], register)
        ]
        alone = _judge_alone(con, setting, asked, codes)
        held = _unheld(alone)
        passed = _judge_wholly(con, setting, [entry for entry in alone if not entry.candidate.probe and _slot(entry) not in held], codes)
        return _sure(setting, passed, rows, register)


def _slot(entry: _Asked) -> tuple[int, str, str]:
    return entry.finding.record, entry.finding.code, entry.candidate.kind


def _unheld(alone: Sequence[_Asked]) -> set[tuple[int, str, str]]:
    """Where a probe passes, nothing holds the figure in place, and the candidates of its kind prove nothing."""
    return {_slot(entry) for entry in alone if entry.candidate.probe}


class _Register:
    """Codes that are known: reference lists, and the identifiers that a source keeps as its only key."""

    def __init__(self, con: duckdb.DuckDBPyConnection, setting: Setting) -> None:
        self._con, self._setting = con, setting
        self._identifiers: frozenset[str] | None = None
        self._entries: dict[str, dict[str, str]] = {}
        self._lists: dict[str, frozenset[str]] = {}

    def _registers(self) -> list[Contract]:
        return [one for one in self._setting.contracts.values() if len(one.key) == 1 and one.column(one.key[0]).identifier]

    @property
    def identifiers(self) -> frozenset[str]:
        if self._identifiers is None:
            found: set[str] = set()
            for contract in self._registers():
                relation = parquet_relation(self._setting.stored(contract.source), contract.landing_types())
                found |= {row[0] for row in self._con.execute(f"select distinct {contract.key[0]} from {relation}").fetchall()}
            self._identifiers = frozenset(found)
        return self._identifiers

    def is_same_entry(self, contract: Contract, identifier: str, row: Mapping[str, str]) -> bool:
        """In the register itself another entry with the code proves nothing unless most of what it says is the same."""
        if contract not in self._registers():
            return True
        relation = parquet_relation(self._setting.stored(contract.source), contract.landing_types())
        found = self._con.execute(f"select * from {relation} where {contract.key[0]} = ?", [identifier]).to_arrow_table().to_pylist()
        others = [name for name in contract.names if name not in contract.key]
        return any(sum(str(entry[name]) == row.get(name, "").strip() for name in others) > _SAME_ENTRY * len(others) for entry in found)

    def codes(self, column: Column) -> frozenset[str]:
        """The codes a column may hold, less those it may not."""
        names = ([column.list] if column.list else []) + [item[5:] for item in column.also_allowed if item.startswith("list:")]
        found = set(column.values) | {item for item in column.also_allowed if not item.startswith("list:")}
        for dotted in names:
            if dotted not in self._lists:
                name, _, field = dotted.partition(".")
                query = f'select distinct cast("{field}" as varchar) from reference."{name}"'
                self._lists[dotted] = frozenset(row[0] for row in self._con.execute(query).fetchall() if row[0])
            found |= self._lists[dotted]
        return frozenset(found - set(column.not_allowed))


def _candidates(contract: Contract, finding: Finding, row: Mapping[str, str], register: _Register) -> Iterator[Candidate]:
    rule = next((rule for rule in contract.rules if rule.code == finding.code), None)
    if rule is not None:
        if rule.kind == "peer_ratio":
            yield from slips.scale_with_peers(contract, rule, row)
            yield from slips.other_units(contract, rule, row)
        elif rule.kind == "predicate":
            yield from slips.scale_one(contract, rule, row)
            yield from slips.swap_columns(contract, rule, row)
            if len(rule.columns) == 1:
                yield from slips.drop_sign(contract.column(rule.columns[0]), row.get(rule.columns[0], ""))
        return
    if len(finding.columns) != 1 or finding.columns[0] not in contract.names:
        return
    column = contract.column(finding.columns[0])
    text = row.get(column.name, "")
    if finding.code == "range":
        yield from slips.read_percent(column, text)
        yield from slips.drop_sign(column, text)
    elif finding.code == "enumeration":
        found = list(slips.read_unit(contract, column, row))
        yield from found or slips.read_code(column, text, register.codes(column))
    elif finding.code == "identifier_check":
        for candidate in slips.correct_identifier(column, text, register.identifiers):
            if register.is_same_entry(contract, candidate.values[column.name], row):
                yield candidate
    elif finding.code == "type" and column.type in ("date", "instant"):
        yield from slips.read_day(column, text)
    elif finding.code == "type" and column.type in slips.NUMBERS:
        yield from slips.read_number(column, text)


def _typed(con: duckdb.DuckDBPyConnection, contract: Contract, asked: Sequence[_Asked]) -> tuple[pa.Table, pa.Table]:
    cells = {name: pa.chunked_array([pa.array([entry.row.get(name) or "" for entry in asked], pa.string())]) for name in contract.names}
    typed = type_rows(con, contract, cells, len(asked))
    table = typed.table
    for flag in contract.layout_flags:
        table = table.append_column(flag, pa.nulls(len(asked), pa.bool_()))
    return table, typed.faults


def _cured(asked: Sequence[_Asked], faults: pa.Table, codes: Mapping[int, set[str]]) -> list[_Asked]:
    """Those whose fault is gone, without another that the row did not have."""
    broken: dict[int, set[str]] = defaultdict(set)
    for record, code in zip(faults["_record"].to_pylist(), faults["code"].to_pylist(), strict=True):
        broken[record].add(code)
    kept = []
    for place, entry in enumerate(asked, 1):
        others = codes[entry.finding.record] - {entry.finding.code}
        if broken[place] <= others:
            kept.append(entry)
    return kept


def _judge_alone(con: duckdb.DuckDBPyConnection, setting: Setting, asked: Sequence[_Asked], codes: Mapping[int, set[str]]) -> list[_Asked]:
    """By what a row says of itself: all candidates at once, since none concerns another."""
    if not asked:
        return []
    table, faults = _typed(con, setting.contract, asked)
    con.register("candidate_rows", table)
    received = f"timestamp '{setting.received_at.isoformat(sep=' ')}'"
    con.execute(f"create or replace temp view candidates as select *, {received} as _received_at from candidate_rows")
    landed = Landed(dict(setting.contracts), setting.stored)
    found = predicate_faults(con, setting.contract, landed)
    return _cured(asked, pa.concat_tables([faults.cast(found.schema), found]), codes)


def _strict(contract: Contract) -> Contract:
    """The contract with peers kept close, on both sides."""
    rules = [
        dataclasses.replace(rule, parameters={**rule.parameters, "ratio": _NEAR_PEERS, "side": "both"})
        if rule.kind == "peer_ratio"
        else rule
        for rule in contract.rules
    ]
    return dataclasses.replace(contract, rules=tuple(rules))


def _judge_wholly(con: duckdb.DuckDBPyConnection, setting: Setting, asked: Sequence[_Asked], codes: Mapping[int, set[str]]) -> list[_Asked]:
    """By what is beyond the row, too: in rounds, so that no two candidates of one row meet."""
    rounds: dict[int, list[_Asked]] = defaultdict(list)
    met: dict[int, int] = defaultdict(int)
    for entry in asked:
        rounds[met[entry.finding.record]].append(entry)
        met[entry.finding.record] += 1
    passed: list[_Asked] = []
    for number in sorted(rounds):
        if number >= _MOST_ROUNDS:
            # So many that none is the one: what was judged so far is no evidence.
            crowded = {entry.finding.record for entry in rounds[number]}
            return [entry for entry in passed if entry.finding.record not in crowded]
        table, faults = _typed(con, setting.contract, rounds[number])
        judged = judge(con, _strict(setting.contract), dict(setting.contracts), table, faults, setting.stored, setting.received_at)
        passed += _cured(rounds[number], judged.faults, codes)
    return passed


def _usual_unit(setting: Setting, entry: _Asked, register: _Register) -> str | None:
    """The unit that nearly all of a row's peers are stated in."""
    (column,) = entry.candidate.values
    by = setting.contract.rule(entry.finding.code).parameters["by"]
    relation = parquet_relation(setting.stored(setting.contract.source), setting.contract.landing_types())
    tests = " and ".join(f"cast({name} as varchar) = ?" for name in by)
    query = f"select {column}, count(*) / sum(count(*)) over () as share from {relation} where {tests} group by 1 order by 2 desc limit 1"
    found = register._con.execute(query, [entry.row.get(name, "").strip() for name in by]).fetchone()
    return str(found[0]) if found and found[1] >= _UNIT_SHARE else None


def _without_rival_units(
    setting: Setting, entries: list[_Asked], rows: Mapping[int, Mapping[str, str]], register: _Register
) -> list[_Asked]:
    """Figure or unit: the unit is mistaken if the row's peers have the other one, the figure if they have the same."""
    units = [entry for entry in entries if entry.candidate.kind == "other_unit"]
    if not units:
        return entries
    usual = _usual_unit(setting, units[0], register)
    (column,) = units[0].candidate.values
    if usual is None:
        return []
    if rows[units[0].finding.record].get(column, "").strip() == usual:
        return [entry for entry in entries if entry.candidate.kind != "other_unit"]
    return [entry for entry in units if entry.candidate.values[column] == usual]


def _sure(
    setting: Setting, passed: Sequence[_Asked], rows: Mapping[int, Mapping[str, str]], register: _Register
) -> dict[tuple[int, str], Proposal]:
    groups: dict[tuple[int, str], list[_Asked]] = defaultdict(list)
    for entry in passed:
        groups[entry.finding.record, entry.finding.code].append(entry)
    found = {}
    for slot, entries in groups.items():
        left = _without_rival_units(setting, entries, rows, register)
        if len(left) > 1:
            derived = slips.declared()["derived"].get(f"{setting.contract.source}.{slot[1]}")
            left = [entry for entry in left if set(entry.candidate.values) == {derived}]
        if len(left) == 1:
            found[slot] = Proposal(left[0].candidate.kind, dict(left[0].candidate.values))
    return found
