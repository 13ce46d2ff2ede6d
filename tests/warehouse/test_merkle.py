"""Trees against the definition of RFC 9162 (section 2.1.1), written out; proofs hold for their own leaf and place only."""

from __future__ import annotations

import hashlib

from warehouse.custody.merkle import Tree, leaf_hash, root_of_path


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
