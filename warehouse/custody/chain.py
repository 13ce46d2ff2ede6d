"""The chain of custody: what a release commits to, how releases are chained, and the line that is kept elsewhere.

A release's chain hash follows from its parent's, from everything its manifest says, and from the root of a tree over what it gave to
whom. Who keeps one line of text (the anchor) can later tell whether anything before it was changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.custody.merkle import Tree, leaf_hash, read_hash, root_of_path

MANIFEST = "manifest.json"
SEAL_SUFFIX, SEAL_FORMAT, VERSION = ".seal.json", "tanlian-seal/1", 1
_FACTS = ("release_id", "parent_release_id", "as_of", "rule_date", "published_at", "code_version", "content_hash")
_ANCHOR = re.compile(r"tanlian-anchor/1 release=([\w.-]+) chain=([0-9a-f]{64}) ledger=(\d+):([0-9a-f]{64}|-)")


def canonical(value: object) -> bytes:
    """The one text of a value that is hashed: JSON with sorted keys and no white space, UTF-8."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def page(value: object) -> bytes:
    """The one text in which a manifest or a seal is stored: any other bytes of the same content are a change, too."""
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def chain_hash(parent_chain: str, release_id: str, body_hash: str, seal_root: str) -> str:
    return hashlib.sha256("\n".join(("tanlian-release/1", parent_chain, release_id, body_hash, seal_root)).encode()).hexdigest()


def release_facts(manifest: dict[str, Any]) -> dict[str, Any]:
    return {name: manifest[name] for name in _FACTS}


def _leaves(manifest: dict[str, Any]) -> list[str]:
    """What the seal tree stands for: every audience's file, then every mart's tree of rows, each with the release's own facts."""
    facts = release_facts(manifest)
    audiences = [{"release": facts, "audience": entry} for entry in manifest["audiences"]]
    marts = [{"release": facts, "tree": {"mart": mart} | tree} for mart, tree in sorted(manifest["trees"].items())]
    return [canonical(leaf).decode() for leaf in [*audiences, *marts]]


def body_hash(manifest: dict[str, Any]) -> str:
    """Hash of everything a manifest says but its own custody."""
    return hashlib.sha256(canonical({name: value for name, value in manifest.items() if name != "custody"})).hexdigest()


def seal_tree(manifest: dict[str, Any]) -> Tree:
    return Tree([leaf_hash(leaf.encode()) for leaf in _leaves(manifest)])


def parent_chain(parent: Path | None) -> str:
    """The chain hash that a new release follows: its parent's; of a parent made before there was a chain, its manifest's hash."""
    if parent is None:
        return ""
    content = (parent / MANIFEST).read_bytes()
    custody = json.loads(content).get("custody")
    return str(custody["chain"]) if custody else hashlib.sha256(content).hexdigest()


def seal_manifest(manifest: dict[str, Any], parent: Path | None) -> dict[str, Any]:
    """A manifest that is complete otherwise, as it is stored, with `custody`."""
    stored: dict[str, Any] = json.loads(json.dumps(manifest, default=str))
    body, root, before = body_hash(stored), seal_tree(stored).root.hex(), parent_chain(parent)
    custody = {"version": VERSION, "parent_chain": before, "body_hash": body, "seal_root": root}
    return stored | {"custody": custody | {"chain": chain_hash(before, stored["release_id"], body, root)}}


def proof(manifest: dict[str, Any], index: int) -> dict[str, Any]:
    """A leaf of the seal tree with the way to its root and on to the chain."""
    tree = seal_tree(manifest)
    return {
        "leaf": _leaves(manifest)[index],
        "index": index,
        "size": len(tree.levels[0]),
        "path": [node.hex() for node in tree.path(index)],
        "custody": manifest["custody"],
    }


def mart_proof(manifest: dict[str, Any], mart: str) -> dict[str, Any]:
    return proof(manifest, len(manifest["audiences"]) + sorted(manifest["trees"]).index(mart))


def seal(manifest: dict[str, Any], index: int) -> dict[str, Any]:
    """The part of a manifest that concerns one audience, provable by itself."""
    return {"format": SEAL_FORMAT} | proof(manifest, index)


def write_seals(manifest: dict[str, Any], folder: Path) -> list[Path]:
    """Write beside each audience's file its seal; nothing of other audiences stands in it."""
    paths = []
    for index, entry in enumerate(manifest["audiences"]):
        path = folder / f"{entry['name']}{SEAL_SUFFIX}"
        path.write_bytes(page(seal(manifest, index)))
        path.chmod(0o444)
        paths.append(path)
    return paths


def is_seal(proved: dict[str, Any]) -> bool:
    """Whether a document has the parts of a seal and no others."""
    parts = {"format", "leaf", "index", "size", "path", "custody"}
    links = {"version", "parent_chain", "body_hash", "seal_root", "chain"}
    return (
        set(proved) == parts
        and proved["format"] == SEAL_FORMAT
        and set(proved["custody"]) == links
        and proved["custody"]["version"] == VERSION
    )


def custody_faults(proved: dict[str, Any]) -> list[str]:
    """What is wrong with a proof (see `proof`): its leaf, its path or its chain do not lead to one another."""
    custody, facts = proved["custody"], json.loads(proved["leaf"])["release"]
    faults = []
    root = root_of_path(leaf_hash(proved["leaf"].encode()), proved["index"], proved["size"], [read_hash(node) for node in proved["path"]])
    if root is None or root.hex() != custody["seal_root"]:
        faults.append("seal_root")
    if custody["chain"] != chain_hash(custody["parent_chain"], facts["release_id"], custody["body_hash"], custody["seal_root"]):
        faults.append("chain")
    return faults


@dataclass(frozen=True)
class Anchor:
    """What somebody keeps elsewhere: a release's chain hash, and how long the ledger's audit chain was and how it ended."""

    release_id: str
    chain: str
    entry_count: int
    head: str

    def line(self) -> str:
        return f"tanlian-anchor/1 release={self.release_id} chain={self.chain} ledger={self.entry_count}:{self.head or '-'}"


def read_anchor(text: str) -> Anchor | None:
    """The anchor in a text; None where there is none."""
    found = _ANCHOR.search(text)
    return Anchor(found[1], found[2], int(found[3]), "" if found[4] == "-" else found[4]) if found else None
