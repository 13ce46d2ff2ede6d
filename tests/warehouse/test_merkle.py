"""Trees against the definition of RFC 9162 (section 2.1.1), written out; proofs hold for their own leaf and place only."""

from __future__ import annotations

import hashlib

import duckdb
import pytest

from warehouse.audience import read_policy
from warehouse.custody.merkle import Tree, leaf_hash, root_of_path
from warehouse.custody.row_trees import RowTree, mart_tree, part_hash, row_leaf, rows_query


def defined_root(leaves: list[bytes]) -> bytes:
    """The tree head as the RFC defines it: split at the largest power of two below the size."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


def test_root_and_every_proof_are_those_of_the_standard() -> None:
    for size in (*range(35), 64, 65, 127):
        leaves = [leaf_hash(bytes([number])) for number in range(size)]
        tree = Tree(leaves)
        assert tree.root == defined_root(leaves)
        assert all(root_of_path(leaf, index, size, tree.path(index)) == tree.root for index, leaf in enumerate(leaves))


@pytest.mark.parametrize("levels", range(5))
def test_rows_have_the_same_tree_by_their_bytes(levels: int) -> None:
    size = 1 << levels
    leaves = sorted(leaf_hash(bytes([number])) for number in range(size))
    tree, plain = RowTree(b"".join(leaves)), Tree(leaves)
    assert (tree.size, tree.root) == (size, plain.root)
    assert [tree.find(leaf) for leaf in leaves] == list(range(size))
    assert all(tree.path(index) == plain.path(index) for index in range(size))
    with pytest.raises(KeyError):
        tree.find(leaf_hash(b"other"))


def test_leaves_of_rows_are_made_as_a_reader_makes_them() -> None:
    """The engine hashes a mart's rows; whoever checks one of them does so by `part_hash` and `row_leaf`."""
    with duckdb.connect() as con:
        con.execute("create schema marts; create table marts.m as select range as n, '名' || range as name, null as nothing from range(5)")
        tree = mart_tree(con, read_policy(), "m", "key")
        assert tree.size == 8
        rows = con.execute(rows_query(con, read_policy(), "m", "key")).fetchall()
        places = {tree.find(row_leaf(part_hash(*row[1:3]), part_hash(*row[3:5]))) for row in rows}
        fillers = {tree.find(leaf_hash(f"key|m|{number}|none".encode())) for number in range(5, 8)}
    assert places | fillers == set(range(8))


def test_proof_of_another_place_size_or_length_proves_nothing() -> None:
    for size in range(2, 20):
        tree = Tree([leaf_hash(bytes([number])) for number in range(size)])
        for index, leaf in enumerate(tree.levels[0]):
            path = tree.path(index)
            others = [(leaf, other, size, path) for other in range(size) if other != index]
            others += [(leaf, index, size, path[:-1]), (leaf, index, size, [*path, path[-1]]), (leaf, index, size, path[::-1])]
            others += [(leaf, -1, size, path), (leaf, size, size, path), (leaf_hash(b"other"), index, size, path)]
            proved = [root_of_path(*other) for other in others if other[3] != path or other[1] != index or other[0] != leaf]
            assert tree.root not in proved
