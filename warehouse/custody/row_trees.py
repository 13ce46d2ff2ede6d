"""A tree over the rows of each mart, so that single rows can be shown to belong to a release without showing the others.

A leaf is made of salted hashes: without the salts, which stay in the release's folder, nobody can guess a row and find it confirmed.
Columns that the policy changes for some audience are hashed apart: who may not see them shows the rest and their hash.
"""

from __future__ import annotations

import hashlib
import secrets
from bisect import bisect_left
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from warehouse.audience import Policy, quoted
from warehouse.custody.merkle import leaf_hash, read_hash

SALTS = "row_salts.key"
HASH_BYTES = 32
_BATCH = 1_000_000


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
    mine = f"sha256({quoted(f'{key}|{mart}|')} || rowid"
    # Where no column is restricted there is nothing to hide in that part, and one salt and one hash serve all rows.
    hidden = f"{mine} || '|restricted')" if restricted else f"sha256({quoted(f'{key}|{mart}|restricted')})"
    return (
        f"select rowid as place, {mine} || '|open') as open_salt, {_struct([name for name in columns if name not in restricted])} as open_json,"
        f" {hidden} as restricted_salt, {_struct([name for name in columns if name in restricted])} as restricted_json"
        f' from marts."{mart}"'
    )


def part_hash(salt: str, text: str) -> str:
    """Hash of one part of a row. Salt and text are joined so that neither can be cut otherwise: the salt has a fixed length."""
    return hashlib.sha256((salt + text).encode()).hexdigest()


def row_leaf(open_hash: str, restricted_hash: str) -> bytes:
    return leaf_hash(read_hash(open_hash) + read_hash(restricted_hash))


class RowTree:
    """The tree over a mart's rows, as `merkle.Tree` has it, for millions of leaves: each level is the bytes of its hashes in a row.

    Its size is a power of two, so that every node has its pair.
    """

    def __init__(self, leaves: bytes) -> None:
        """Args:
        leaves: leaf hashes in ascending order, 32 bytes each.
        """
        self._levels = [leaves]
        with duckdb.connect() as con:  # one for all levels: opening one takes longer than hashing a small level
            while len(self._levels[-1]) > HASH_BYTES:
                self._levels.append(_hash_pairs(con, self._levels[-1]))

    @property
    def size(self) -> int:
        return len(self._levels[0]) // HASH_BYTES

    @property
    def root(self) -> bytes:
        return self._levels[-1]

    def _node(self, level: int, index: int) -> bytes:
        return self._levels[level][index * HASH_BYTES : (index + 1) * HASH_BYTES]

    def find(self, leaf: bytes) -> int:
        """The place of a leaf.

        Raises:
            KeyError: it is none of the tree's.
        """
        index = bisect_left(range(self.size), leaf, key=lambda place: self._node(0, place))
        if index == self.size or self._node(0, index) != leaf:
            raise KeyError(leaf.hex())
        return index

    def path(self, index: int) -> list[bytes]:
        """The hashes that lead from a leaf to the root."""
        return [self._node(level, (index >> level) ^ 1) for level in range(len(self._levels) - 1)]


def _hash_pairs(con: duckdb.DuckDBPyConnection, level: bytes) -> bytes:
    """The level above: each node is `merkle.node_hash` of the two below it."""
    count = len(level) // (2 * HASH_BYTES)
    below = pa.table({"pair": pa.FixedSizeBinaryArray.from_buffers(pa.binary(2 * HASH_BYTES), count, [None, pa.py_buffer(level)])})
    con.register("below", below)
    hashed = con.execute(r"select sha256('\x01'::blob || pair) from below")
    return b"".join(bytes.fromhex("".join(batch.column(0).to_pylist())) for batch in hashed.to_arrow_reader(_BATCH))


def mart_tree(con: duckdb.DuckDBPyConnection, policy: Policy, mart: str, key: str) -> RowTree:
    """The tree over a mart's rows. Its leaves stand in the order of their own hashes, filled up to a power of two, so that neither a row's
    place nor the tree's size tells how many rows others have.

    Args:
        con: a connection to the ministry's file.
        key: the release's secret.
    """
    count = (con.execute(f'select count(*) from marts."{mart}"').fetchone() or (0,))[0]
    size = 1 << max(count - 1, 0).bit_length()
    # As `row_leaf` and `merkle.leaf_hash` have it.
    leaves = con.execute(
        r"select unhex(sha256('\x00'::blob || unhex(sha256(open_salt || open_json)) || unhex(sha256(restricted_salt || restricted_json))))"
        f" as leaf from ({rows_query(con, policy, mart, key)}) union all"
        rf" select unhex(sha256('\x00'::blob || encode({quoted(f'{key}|{mart}|')} || range || '|none'))) from range({count}, {size})"
        " order by leaf"
    )
    return RowTree(b"".join(b"".join(batch.column(0).to_pylist()) for batch in leaves.to_arrow_reader(_BATCH)))


def tree_roots(ministry: Path, policy: Policy, key: str) -> dict[str, dict[str, Any]]:
    """Root and size of every mart's tree; the release's own tables have none."""
    with duckdb.connect(str(ministry), read_only=True) as con:
        names = con.execute("select table_name from duckdb_tables() where schema_name = 'marts' order by 1").fetchall()
        trees = {name: mart_tree(con, policy, name, key) for (name,) in names if not name.startswith("release__")}
    return {name: {"size": tree.size, "root": tree.root.hex()} for name, tree in trees.items()}
