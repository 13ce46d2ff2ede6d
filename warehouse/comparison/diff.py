"""Two releases compared: marts, columns and keys that changed, largest first. Set-based, over the two files; marts are found, not listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from warehouse.quarantine import quoted

CHANGES = "changes"
_OWN = "release__"  # what a release says of itself differs by nature
_UNITLESS = ("!_share", "!_ratio", "!_count", "!_rank", "!_score", "!_year", "!_pct")  # the grammar of names in the house
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True)
class MartChange:
    """One mart: how many rows each side has and how many came, went and changed; columns that only one side has."""

    mart: str
    key: Sequence[str]
    old_rows: int
    new_rows: int
    added: int
    removed: int
    changed: int
    columns: Sequence[Mapping[str, Any]]
    columns_added: Sequence[str]
    columns_removed: Sequence[str]

    @property
    def touched(self) -> int:
        return self.added + self.removed + self.changed


@contextmanager
def compared(first: Path, second: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with both files attached, as `first` and `second`, for reading."""
    with duckdb.connect() as con:
        for name, path in (("first", first), ("second", second)):
            con.execute(f"attach {quoted(path)} as {name} (read_only)")
        con.execute(
            f"create table {CHANGES} (mart varchar, key varchar, change varchar, column_name varchar, old_value varchar, new_value varchar,"
            " move double, relative_move double)"
        )
        yield con


def _tables(con: duckdb.DuckDBPyConnection, side: str) -> dict[str, dict[str, str]]:
    rows = con.execute(
        "select table_name, column_name, data_type from duckdb_columns() where database_name = ? and schema_name = 'marts' order by table_name, column_index",
        [side],
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        if not table.startswith(_OWN):
            tables.setdefault(table, {})[column] = kind
    return tables


def find_changes(con: duckdb.DuckDBPyConnection, keys: Mapping[str, Sequence[str]]) -> list[MartChange]:
    """Fill table `changes`, one row per changed cell (one with a null column per row that came or went), and sum it up by mart.

    Args:
        keys: mart -> the columns of its grain; a mart without any is compared by whole rows.
    """
    old, new = _tables(con, "first"), _tables(con, "second")
    found = [_compare_mart(con, mart, old.get(mart, {}), new.get(mart, {}), keys.get(mart, ())) for mart in sorted({**old, **new})]
    changed = [mart for mart in found if mart.touched or mart.columns_added or mart.columns_removed]
    return sorted(changed, key=lambda mart: (-mart.touched, mart.mart))


def _compare_mart(
    con: duckdb.DuckDBPyConnection, mart: str, old: Mapping[str, str], new: Mapping[str, str], grain: Sequence[str]
) -> MartChange:
    shared = [name for name in (new or old) if name in old and name in new]
    key = [name for name in grain if name in shared] or shared
    if not set(grain) <= set(shared):
        key = shared
    values = [name for name in shared if name not in key]
    there = {side: bool(columns) for side, columns in (("first", old), ("second", new))}
    counts = {side: _count(con, f'{side}.marts."{mart}"') if there[side] else 0 for side in there}
    if all(there.values()):
        added, removed, changed = _join(con, mart, key, values)
    else:
        side, change = ("second", "added") if there["second"] else ("first", "removed")
        columns = [name for name in grain if name in (new or old)] or list(new or old)
        con.execute(
            f"insert into {CHANGES} select '{mart}', {_key_json(columns, 't')}, '{change}', null, null, null, null, null from {side}.marts.\"{mart}\" t"
        )
        added, removed, changed = counts["second"], counts["first"], 0
    return MartChange(
        mart, key, counts["first"], counts["second"], added, removed, changed,
        _sum_columns(con, mart),
        [name for name in new if name not in old and there["first"]],
        [name for name in old if name not in new and there["second"]],
    )  # fmt: skip


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int((con.execute(f"select count(*) from {table}").fetchone() or (0,))[0])


def _key_json(key: Sequence[str], row: str) -> str:
    cells = ", ".join(f'"{name}" := {row}."{name}"' for name in key)
    return f"cast(to_json(struct_pack({cells})) as varchar)"


def _join(con: duckdb.DuckDBPyConnection, mart: str, key: Sequence[str], values: Sequence[str]) -> tuple[int, int, int]:
    """Pair the rows of both sides by key and keep the cells that differ. Rows that are the same in whole leave first: they are most."""
    names = ", ".join(f'"{name}"' for name in [*key, *values])
    for side, other in (("first", "second"), ("second", "first")):
        con.execute(
            f'create or replace temp table {side}_rows as select {names} from {side}.marts."{mart}" except all '
            f'select {names} from {other}.marts."{mart}"'
        )
    if values:
        on = " and ".join(f'a."{name}" is not distinct from b."{name}"' for name in key)
        join = f"from first_rows a full join second_rows b on {on}"
        # A row is there or not by its row number in the temp table; any of its cells may be null.
        con.execute(
            "create or replace temp table paired as select a.rowid is not null as is_old, b.rowid is not null as is_new, "
            + ", ".join(f'coalesce(a."{name}", b."{name}") as "{name}"' for name in key)
            + "".join(f', a."{name}" as "old_{name}", b."{name}" as "new_{name}"' for name in values)
            + f" {join}"
        )
    else:
        con.execute(
            f"create or replace temp table paired as select true as is_old, false as is_new, {names} from first_rows "
            f"union all select false, true, {names} from second_rows"
        )
    _keep_cells(con, mart, key, values)
    added, removed, changed = con.execute(
        "select count(*) filter (not is_old), count(*) filter (not is_new), count(*) filter (is_old and is_new) from paired"
    ).fetchone() or (0, 0, 0)
    return int(added), int(removed), int(changed)


def _keep_cells(con: duckdb.DuckDBPyConnection, mart: str, key: Sequence[str], values: Sequence[str]) -> None:
    kinds = {name: kind for name, kind, *_ in con.execute("describe paired").fetchall()}
    told = _key_json(key, "p")
    con.execute(
        f"insert into {CHANGES} select '{mart}', {told}, case when is_new then 'added' else 'removed' end, null, null, null, null, null "
        "from paired p where not (is_old and is_new)"
    )
    for name in values:
        move, relative = "null", "null"
        if kinds[f"old_{name}"].startswith(_NUMBERS) and kinds[f"new_{name}"].startswith(_NUMBERS):
            move = f'cast(p."new_{name}" as double) - cast(p."old_{name}" as double)'
            relative = f'({move}) / nullif(abs(cast(p."old_{name}" as double)), 0)'
        con.execute(
            f"insert into {CHANGES} select '{mart}', {told}, 'changed', '{name}', cast(p.\"old_{name}\" as varchar), "
            f'cast(p."new_{name}" as varchar), {move}, {relative} from paired p '
            f'where is_old and is_new and p."old_{name}" is distinct from p."new_{name}"'
        )


def _sum_columns(con: duckdb.DuckDBPyConnection, mart: str) -> list[dict[str, Any]]:
    """Per column of a mart how many cells changed and by how much at most, the most moved first."""
    result = con.execute(
        "select column_name, count(*) as changed, max(abs(move)) as largest_move, max(abs(relative_move)) as largest_relative_move, "
        f"count(*) filter ((old_value is null) <> (new_value is null)) as came_or_went from {CHANGES} where mart = ? and column_name is not null "
        "group by column_name order by changed desc, largest_relative_move desc nulls last, column_name",
        [mart],
    )
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def largest_changes(con: duckdb.DuckDBPyConnection, limit: int) -> list[dict[str, Any]]:
    """The cells that moved most, against the larger of their two figures. Those with a unit come first: ratios and ranks follow from others,
    and differences near nothing move by any multiple.
    """
    unitless = " or ".join(f"column_name like '%{suffix}' escape '!'" for suffix in _UNITLESS)
    result = con.execute(
        f"select * from {CHANGES} where column_name is not null order by move is null, {unitless}, "
        "abs(move) / greatest(abs(try_cast(old_value as double)), abs(try_cast(new_value as double))) * (case when "
        "try_cast(old_value as double) * try_cast(new_value as double) > 0 then 1 else 0 end) desc nulls last, "
        "abs(move) desc nulls last, mart, key, column_name limit ?",
        [limit],
    )
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def find_effects(con: duckdb.DuckDBPyConnection, effects: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the declared columns came to: how many cells moved, their net move, and of a status from which value to which."""
    found = []
    for effect in effects:
        where = f"from {CHANGES} where mart = ? and column_name = ?"
        place = [effect["mart"], effect["column"]]
        count, net = con.execute(f"select count(*), coalesce(sum(move order by key), 0) {where}", place).fetchone() or (0, 0)
        steps: list[dict[str, Any]] = []
        if effect["kind"] == "status":
            rows = con.execute(f"select old_value, new_value, count(*) {where} group by all order by 3 desc, 1, 2", place).fetchall()
            steps = [{"old": old, "new": new, "count": times} for old, new, times in rows]
        told = {name: effect[name] for name in ("name", "mart", "column", "kind")} | {"title": {"zh": effect["zh"], "en": effect["en"]}}
        found.append(told | {"count": int(count), "net_move": float(net), "steps": steps})
    return found
