"""Keys over time: which rows repeat a stored row, and which say something else under a key that may be said once."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from ingest.contract import Contract
from ingest.lookups import Stored, parquet_relation
from ingest.rules import shown


def _mark(contract: Contract, row: str) -> str:
    """Whether a row withdraws its key. Saying nothing and saying no are one."""
    return f"coalesce({row}.{contract.withdrawn_column}, false)" if contract.withdrawn_column else "false"


def _same(contract: Contract, left: str, right: str) -> str:
    plain = [name for name in contract.names if name != contract.withdrawn_column]
    tests = [f"{left}.{name} is not distinct from {right}.{name}" for name in plain]
    return " and ".join([*tests, f"{_mark(contract, left)} = {_mark(contract, right)}"])


def _on(key: tuple[str, ...], left: str, right: str) -> str:
    return " and ".join(f"{left}.{name} = {right}.{name}" for name in key)


def _conflicts(contract: Contract, left: str, right: str) -> str:
    """Whether two rows of one key cannot both hold. A withdrawal says that a key is out of force, whatever else it repeats or leaves out."""
    return f"not ({_mark(contract, left)} or {_mark(contract, right)})"


def _has_repeated_keys(con: duckdb.DuckDBPyConnection, contract: Contract) -> str:
    """`true` or `false`: whether a key may stand twice in this delivery. Sorting hashes is far cheaper than grouping by the key;
    as many hashes as rows proves that no key repeats, fewer only says that it is worth looking."""
    hashes = con.execute(f"select hash({', '.join(contract.key)}) as hashed from sound").to_arrow_table()["hashed"].to_numpy()
    ordered = np.sort(hashes)
    return str(bool((ordered[1:] == ordered[:-1]).any())).lower()


def find_repeats(con: duckdb.DuckDBPyConnection, contract: Contract, stored: Stored) -> None:
    """Judge the keys of table `sound` (candidates without a fault of their own).

    Leaves two temp tables: `repeats` (_record, first_record: null where the row equals a stored one, else the earlier record of this
    delivery it equals) and `conflicts` (_record). A row equal to any stored version of its key is a repeat, also of a superseded one.
    Another value under a stored key conflicts unless the history is restated; within one delivery it always does, since
    "the newest delivery is in force" cannot decide between two rows of one.
    """
    names = contract.names
    key = ", ".join(f"c.{name}" for name in contract.key)
    relation = parquet_relation(stored(contract.source), contract.landing_types())
    # Keys first: on new data, which is most of it, no other column of what is stored is read.
    con.execute(
        f"create or replace temp table seen_before as select distinct c._record from sound c join (select {', '.join(contract.key)} from {relation}) s "
        f"on {_on(contract.key, 'c', 's')}"
    )
    met = (con.execute("select count(*) from seen_before").fetchone() or (0,))[0]
    con.execute(
        f"create or replace temp table met as select c._record, bool_or({_same(contract, 'c', 's')}) as same, "
        f"bool_or({_conflicts(contract, 'c', 's')}) as opposed "
        f"from (select * from sound where _record in (select _record from seen_before)) c "
        f"join (select {', '.join(names)} from {relation} where {str(met > 0).lower()}) s on {_on(contract.key, 'c', 's')} group by c._record"
    )
    repeated = _has_repeated_keys(con, contract)
    con.execute(
        f"create or replace temp table groups as select {key}, {_mark(contract, 'c')} as mark, min(_record) as first_record from sound c "
        f"where {repeated} and _record not in (select _record from met where same) group by {key}, mark having count(*) > 1"
    )
    con.execute(
        f"create or replace temp table within as select c._record, g.first_record, {_same(contract, 'c', 'f')} as same, "
        f"{_conflicts(contract, 'c', 'f')} as opposed "
        f"from sound c join groups g on {_on(contract.key, 'c', 'g')} and {_mark(contract, 'c')} = g.mark join sound f on f._record = g.first_record "
        f"where {repeated} and c._record <> g.first_record and c._record not in (select _record from met where same)"
    )
    con.execute(
        "create or replace temp table repeats as select _record, null::integer as first_record from met where same "
        "union all select _record, first_record from within where same"
    )
    stored_conflicts = "select _record from met where not same and opposed union " if contract.history != "restated" else ""
    con.execute(f"create or replace temp table conflicts as {stored_conflicts}select _record from within where not same and opposed")


def conflict_faults(con: duckdb.DuckDBPyConnection, contract: Contract) -> pa.Table:
    """`key_conflict` for the rows of `conflicts`, with the key as the offending value."""
    return con.execute(
        f"select r._record, 'key_conflict' as code, '{', '.join(contract.key)}' as column_name, {shown(contract, contract.key)} as value "
        f"from candidates r join conflicts c on c._record = r._record"
    ).to_arrow_table()
