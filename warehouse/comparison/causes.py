"""Which landed rows one release has and another has not, and for what cause each came or went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml

from ingest.contract import Contract, Rule, in_reference_order
from ingest.lookups import parquet_relation
from warehouse.ledger import Ledger
from warehouse.quarantine import show_quarantine
from warehouse.settings import Settings, SettingsError

NEW, RESTATED, CORRECTED, FACTORS, RULES, CODE = (
    "new_disclosures", "restatements", "corrections", "factor_updates", "rule_changes", "code",
)  # fmt: skip
_THROUGH_A_WAIVER = "_waived_"  # in the name of a landing file (warehouse.intake)


class FileGone(SettingsError):
    """A landing file that a release names is not there: what the release was made from cannot be evaluated any more."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"发布所据的已入库文件不在了：{path}。比较要逐行判断原因，须先从备份取回该文件，或改比较文件齐全的两个发布",
            f"a landed file that a release was made from is gone: {path}. A comparison judges causes row by row: get the file back from a"
            " backup first, or compare two releases whose files are all there",
        )
        self.path = path


@cache
def declared() -> dict[str, Any]:
    """Causes and measures as `causes.yaml` declares them."""
    document: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return document


def cause_names() -> list[str]:
    return [cause["name"] for cause in declared()["causes"]]


def sources_of(cause: str) -> list[str]:
    """The sources all of whose rows belong to a cause."""
    return next((list(entry.get("sources", ())) for entry in declared()["causes"] if entry["name"] == cause), [])


@dataclass(frozen=True)
class Difference:
    """The landed rows of two releases: files of both, and per source a table `difference.<source>` of the rows that only one of them has,
    with `_cause` and `_is_second`.
    """

    shared: Mapping[str, Sequence[Path]]
    causes: Mapping[str, frozenset[str]]
    contracts: Mapping[str, Contract]

    def rows(self, source: str, causes: frozenset[str]) -> str:
        """SQL of a source's rows when these causes have happened and the others have not."""
        contract = self.contracts[source]
        names = ", ".join(f'"{name}"' for name in contract.landing_types())
        shared = f"select {names} from {parquet_relation(self.shared[source], contract.landing_types())}"
        if source not in self.causes:
            return shared
        happened = ", ".join(f"'{cause}'" for cause in sorted(causes)) or "''"
        return f'{shared} union all select {names} from memory.difference."{source}" where _is_second = (_cause in ({happened}))'


def find_difference(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    ledger: Ledger,
    contracts: Mapping[str, Contract],
    files: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
) -> Difference:
    """Compare the landing files that two manifests name, and give each row of either side alone its cause.

    Raises:
        FileGone: a file is not there any more.
    """
    con.execute("create schema if not exists difference")
    shared: dict[str, list[Path]] = {}
    causes: dict[str, frozenset[str]] = {}
    for source in in_reference_order(contracts):
        sides = [{entry["path"] for entry in side if entry["source"] == source} for side in files]
        for path in sorted(sides[0] | sides[1]):
            if not (settings.data / path).is_file():
                raise FileGone(path)
        shared[source] = [settings.data / path for path in sorted(sides[0] & sides[1])]
        alone = [sorted(side - (sides[0] & sides[1])) for side in sides]
        if any(alone):
            _classify(con, settings, ledger, contracts[source], shared[source], alone)
            found = con.execute(f'select distinct _cause from difference."{source}"').fetchall()
            causes[source] = frozenset(cause for (cause,) in found)
    return Difference(shared, causes, contracts)


def _classify(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    ledger: Ledger,
    contract: Contract,
    shared: Sequence[Path],
    alone: Sequence[Sequence[str]],
) -> None:
    types = contract.landing_types()
    parts = []
    for side, paths in enumerate(alone):
        for is_waived in (False, True):
            chosen = [settings.data / path for path in paths if (_THROUGH_A_WAIVER in path) == is_waived]
            facts = f"{str(bool(side)).lower()} as _is_second, {str(is_waived).lower()} as _is_waived"
            parts.append(f"select *, {facts} from {parquet_relation(chosen, types)}")
    con.execute(f"create or replace temp table alone as {' union all '.join(parts)}")
    con.execute(f"create or replace temp table shared_keys as select {', '.join(contract.key)} from {parquet_relation(shared, types)}")
    _gather_repaired(con, settings, ledger, contract)
    con.execute(f'create or replace table difference."{contract.source}" as {_caused(con, contract)}')


def _caused(con: duckdb.DuckDBPyConnection, contract: Contract) -> str:
    """Every row alone, with its cause. A row is known already where the other side has its key, its revision left out."""
    owner = next((cause["name"] for cause in declared()["causes"] if contract.source in cause.get("sources", ())), None)
    if owner is not None:
        return f"select * exclude (_is_waived), '{owner}' as _cause from alone"
    identity = [name for name in contract.key if name != contract.revision_column]
    same = " and ".join(f"k.{name} = a.{name}" for name in identity)
    known = (
        f"exists (select 1 from shared_keys k where {same}) or exists (select 1 from alone k where k._is_second <> a._is_second and {same})"
    )
    repaired = " and ".join(f"r.{name} = a.{name}" for name in contract.key)
    withdrawn = f"coalesce(a.{contract.withdrawn_column}, false)" if contract.withdrawn_column else "false"
    parent = _parent_cause(con, contract)
    return (
        "select a.* exclude (_is_waived), case "
        f"when a._is_waived or {withdrawn} or exists (select 1 from repaired r where r._sequence = a._sequence and {repaired}) then '{CORRECTED}' "
        f"when {parent} is not null then {parent} "
        f"when '{contract.history}' <> 'append' and ({known}) then '{RESTATED}' else '{NEW}' end as _cause from alone a"
    )


def _parent_cause(con: duckdb.DuckDBPyConnection, contract: Contract) -> str:
    """The cause of the record that a row is a part of, where that came with it: a revision's lines come for the revision's reason.

    A row is part of a record that its own key begins with.
    """
    for rule in contract.rules:
        if rule.kind == "reference" and set(_matched(rule)) <= set(contract.key):
            source = rule.parameters["source"]
            there = con.execute(
                "select count(*) from duckdb_tables() where schema_name = 'difference' and table_name = ?", [source]
            ).fetchone()
            if there and there[0]:
                on = " and ".join(f"p.{theirs} = a.{ours}" for ours, theirs in _matched(rule).items())
                return f'(select min(p._cause) from difference."{source}" p where p._is_second = a._is_second and {on})'
    return "null"


def _matched(rule: Rule) -> dict[str, str]:
    """Column of the row -> column of what it refers to."""
    match = rule.parameters["match"]
    return dict(match) if isinstance(match, Mapping) else {name: name for name in match}


def _gather_repaired(con: duckdb.DuckDBPyConnection, settings: Settings, ledger: Ledger, contract: Contract) -> None:
    """Temp table `repaired`: the keys of refused rows that a later delivery put right, and which delivery did."""
    keys = ", ".join(f"try_cast(typed->>'{name}' as {contract.column(name).sql_type}) as {name}" for name in contract.key)
    empty = {name: contract.column(name).sql_type for name in contract.key}
    con.execute(
        "create or replace temp table repaired (_sequence bigint, " + ", ".join(f"{name} {kind}" for name, kind in empty.items()) + ")"
    )
    files = ledger.quarantine_files(contract.source)
    with duckdb.connect() as side:
        if files and show_quarantine(side, settings, ledger, files):
            found: pa.Table = side.execute(
                f"select distinct by_sequence as _sequence, {keys} from quarantined where state = 'closed' and verdict <> 'waiting' "
                "and by_sequence is not null and typed is not null"
            ).to_arrow_table()
            con.register("found", found)
            con.execute("insert into repaired from found")
            con.unregister("found")
