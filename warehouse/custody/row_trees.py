"""A tree over the rows of each mart, so that single rows can be shown to belong to a release without showing the others.

A leaf is made of salted hashes: without the salts, which stay in the release's folder, nobody can guess a row and find it confirmed.
Columns that the policy changes for some audience are hashed apart: who may not see them shows the rest and their hash.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

import duckdb

from warehouse.audience import Policy, quoted
from warehouse.custody.merkle import Tree, leaf_hash, read_hash

SALTS = "row_salts.key"


def write_salt_key(folder: Path) -> Path:
    """A release's secret, from which every row's salts follow."""
    path = folder / SALTS
    path.write_text(secrets.token_hex(32), encoding="ascii")
    path.chmod(0o400)
    return path


def restricted_columns(policy: Policy, mart: str) -> set[str]:
    """Columns of a mart that some kind of audience gets changed."""
    return {column for choice in policy.marts.get(mart, {}).values() for column in choice.replace}


def _struct(columns: list[str]) -> str:
    packed = ", ".join(f'"{column}" := "{column}"' for column in columns)
    return f"cast(to_json(struct_pack({packed})) as varchar)" if columns else "'{}'"


def rows_query(con: duckdb.DuckDBPyConnection, policy: Policy, mart: str, key: str) -> str:
    """SQL of a mart's rows as they are hashed: place in the file, salts and JSON of the open and of the restricted columns."""
    names = con.execute(
        "select column_name from duckdb_columns() where schema_name = 'marts' and table_name = ? order by column_index", [mart]
    )
    columns = [name for (name,) in names.fetchall()]
    restricted = restricted_columns(policy, mart)
    salt = f"sha256({quoted(key)} || {quoted('|' + mart + '|')} || rowid"
    return (
        f"select rowid as place, {salt} || '|open') as open_salt, {_struct([name for name in columns if name not in restricted])} as open_json,"
        f" {salt} || '|restricted') as restricted_salt, {_struct([name for name in columns if name in restricted])} as restricted_json"
        f' from marts."{mart}"'
    )


def part_hash(salt: str, text: str) -> str:
    """Hash of one part of a row. Salt and text are joined so that neither can be cut otherwise: the salt has a fixed length."""
    return hashlib.sha256((salt + text).encode()).hexdigest()


def row_leaf(open_hash: str, restricted_hash: str) -> bytes:
    return leaf_hash(read_hash(open_hash) + read_hash(restricted_hash))


def mart_tree(con: duckdb.DuckDBPyConnection, policy: Policy, mart: str, key: str) -> Tree:
    """The tree over a mart's rows. Its leaves stand in the order of their own hashes, filled up to a power of two, so that neither a row's
    place nor the tree's size tells how many rows others have.

    Args:
        con: a connection to the ministry's file.
        key: the release's secret.
    """
    hashed = (
        f"select sha256(open_salt || open_json), sha256(restricted_salt || restricted_json) from ({rows_query(con, policy, mart, key)})"
    )
    leaves = []
    for batch in con.execute(hashed).to_arrow_reader(100_000):
        leaves += [row_leaf(o, r) for o, r in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)]
    size = 1 << max(len(leaves) - 1, 0).bit_length()
    leaves += [leaf_hash(f"{key}|{mart}|{number}|none".encode()) for number in range(len(leaves), size)]
    return Tree(sorted(leaves))


def tree_roots(ministry: Path, policy: Policy, key: str) -> dict[str, dict[str, Any]]:
    """Root and size of every mart's tree; the release's own tables have none."""
    with duckdb.connect(str(ministry), read_only=True) as con:
        names = con.execute("select table_name from duckdb_tables() where schema_name = 'marts' order by 1").fetchall()
        trees = {name: mart_tree(con, policy, name, key) for (name,) in names if not name.startswith("release__")}
    return {name: {"size": len(tree.levels[0]), "root": tree.root.hex()} for name, tree in trees.items()}
