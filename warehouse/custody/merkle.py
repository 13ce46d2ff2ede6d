"""Merkle trees as in RFC 9162 (section 2.1): a root that stands for many leaves, and short proofs that one of them is among them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def read_hash(text: str) -> bytes:
    """A hash from the one text that stands for it.

    Raises:
        ValueError: another text, such as capital letters: two texts of one hash would let a file be changed unseen.
    """
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError(f"no hash: {text[:80]}")
    return bytes.fromhex(text)


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """All levels of a tree, leaves first. A level's odd last node moves up as it is, which gives the tree of RFC 9162."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """Args:
        leaves: leaf hashes, in order.
        """
        self.levels = [list(leaves)]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            above = [node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
            self.levels.append(above + below[len(below) & ~1 :])

    @property
    def root(self) -> bytes:
        return self.levels[-1][0] if self.levels[0] else hashlib.sha256(b"").digest()

    def path(self, index: int) -> list[bytes]:
        """The hashes that lead from a leaf to the root."""
        path = []
        for level in self.levels[:-1]:
            beside = index ^ 1
            if beside < len(level):
                path.append(level[beside])
            index >>= 1
        return path


def root_of_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root to which a proof leads (RFC 9162, section 2.1.3.2); None where it is no proof for that place of a tree of that size."""
    if not 0 <= index < size:
        return None
    place, last, found = index, size - 1, leaf
    for beside in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            found = node_hash(beside, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, beside)
        place, last = place >> 1, last >> 1
    return found if last == 0 else None
