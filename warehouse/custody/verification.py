"""Checks releases against their manifests, their parents and an anchor, from the files alone.

What is found is told by a code and a place: `missing`, `changed`, `unexpected` (files), `manifest` (bytes that are not what was stored),
`chain`, `parent`, `seal`, `anchor`, `ledger`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from warehouse.audience_files import file_hash, listed_audiences
from warehouse.content import mart_hashes
from warehouse.custody.chain import (
    MANIFEST,
    SEAL_SUFFIX,
    VERSION,
    Anchor,
    body_hash,
    chain_hash,
    custody_faults,
    is_seal,
    page,
    seal,
    seal_tree,
)
from warehouse.ledger import Ledger

# A manifest that has these and no custody has lost it.
_PARTS_SINCE_CUSTODY = {"trees", "files", "ledger"}


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it was stored: a code and where."""

    code: str
    place: str


@dataclass
class Verified:
    """What was looked at and what was wrong. `is_anchored` is None where no anchor was given: then nothing speaks against a release that
    somebody rewrote as a whole.
    """

    subject: str
    faults: list[Fault] = field(default_factory=list)
    file_count: int = 0
    parent_count: int = 0
    is_anchored: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        faults = [{"code": fault.code, "place": fault.place} for fault in self.faults]
        return self.__dict__ | {"faults": faults, "is_good": not self.faults}


def _read_page(path: Path) -> dict[str, Any] | None:
    """A stored manifest or seal; None where it cannot be read or its bytes are not those that were written."""
    try:
        content = path.read_bytes()
        value = json.loads(content)
        if not isinstance(value, dict) or ("custody" in value and page(value) != content):
            return None
    except (OSError, ValueError):
        return None
    return value


def _is_whole(manifest: dict[str, Any]) -> bool:
    """Whether a manifest's custody follows from the rest of it."""
    custody = manifest["custody"]
    expected = chain_hash(custody["parent_chain"], manifest["release_id"], custody["body_hash"], custody["seal_root"])
    seals = seal_tree(manifest).root.hex()
    return bool(
        custody["version"] == VERSION
        and custody["body_hash"] == body_hash(manifest)
        and custody["seal_root"] == seals
        and custody["chain"] == expected
    )


def _file_fault(path: Path, sha256: str, name: str = "") -> Fault | None:
    if path.is_symlink() or not path.is_file():
        return Fault("missing", name or path.name)
    return None if file_hash(path) == sha256 else Fault("changed", name or path.name)


def _listed_files(manifest: dict[str, Any]) -> dict[str, str]:
    """Every file of a release beside its manifest and seals, with its sha256."""
    beside: dict[str, str] = manifest["files"]
    return {entry["file"]: entry["sha256"] for entry in manifest["audiences"]} | beside


def _folder_faults(folder: Path, manifest: dict[str, Any]) -> Iterator[Fault]:
    files = _listed_files(manifest)
    for name, sha256 in files.items():
        fault = _file_fault(folder / name, sha256, name)
        if fault:
            yield fault
    seals = {f"{entry['name']}{SEAL_SUFFIX}": index for index, entry in enumerate(manifest["audiences"])}
    for name, index in seals.items():
        expected = hashlib.sha256(page(seal(manifest, index))).hexdigest()
        fault = _file_fault(folder / name, expected)
        if fault:
            yield fault
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_dir() and name not in {MANIFEST, *files, *seals}:
            yield Fault("unexpected", name)


def _old_faults(folder: Path, manifest: dict[str, Any]) -> Iterator[Fault]:
    """A release made before there was a chain: its manifest holds the content of the ministry's file, and nothing of itself."""
    for entry in listed_audiences(manifest):
        if not (folder / entry["file"]).is_file():
            yield Fault("missing", entry["file"])
    try:
        if mart_hashes(folder / "ministry.duckdb") != manifest["marts"]:
            yield Fault("changed", "ministry.duckdb")
    except duckdb.Error:
        yield Fault("changed", "ministry.duckdb")


def _ancestors(folder: Path, manifest: dict[str, Any], found: Verified) -> Iterator[tuple[str, str]]:
    """The release itself and each one before it whose manifest lies beside it, as (release, chain hash); a broken link is a fault."""
    while "custody" in manifest:
        custody, parent_id = manifest["custody"], manifest["parent_release_id"]
        yield manifest["release_id"], custody["chain"]
        if parent_id is None:
            if custody["parent_chain"] != "":
                found.faults.append(Fault("parent", manifest["release_id"]))
            return
        yield parent_id, custody["parent_chain"]
        path = folder.parent / parent_id / MANIFEST
        if not path.exists():
            return
        parent = _read_page(path)
        expected = (parent["custody"]["chain"] if "custody" in parent else file_hash(path)) if parent else None
        if parent is None or expected != custody["parent_chain"] or file_hash(path) != manifest["parent_manifest_hash"]:
            found.faults.append(Fault("parent", parent_id))
            return
        if "custody" in parent and not _is_whole(parent):
            found.faults.append(Fault("parent", parent_id))
            return
        found.parent_count += 1
        manifest = parent


def _judge_anchor(found: Verified, anchor: Anchor | None, chains: list[tuple[str, str]]) -> None:
    if anchor is None:
        return
    found.is_anchored = (anchor.release_id, anchor.chain) in chains
    if not found.is_anchored:
        found.faults.append(Fault("anchor", anchor.release_id))


def verify_release(folder: Path, anchor: Anchor | None = None) -> Verified:
    """Check a release's folder: every file, the manifest against itself, and the chain of the releases beside it."""
    found = Verified(folder.name)
    manifest = _read_page(folder / MANIFEST)
    if manifest is None or manifest.get("release_id") != folder.name:
        found.faults.append(Fault("manifest", MANIFEST))
        return found
    try:
        if "custody" not in manifest and not _PARTS_SINCE_CUSTODY & set(manifest):
            found.faults += _old_faults(folder, manifest)
        elif "custody" not in manifest or not _is_whole(manifest):
            found.faults.append(Fault("manifest", MANIFEST))
            return found
        else:
            found.faults += _folder_faults(folder, manifest)
        chains = list(_ancestors(folder, manifest, found))
    except (KeyError, TypeError, AttributeError):
        found.faults.append(Fault("manifest", MANIFEST))
        return found
    found.file_count = sum(path.is_file() for path in folder.rglob("*"))
    _judge_anchor(found, anchor, chains)
    return found


def verify_file(path: Path, seal_path: Path | None = None, anchor: Anchor | None = None) -> Verified:
    """Check one audience's file with nothing but the file and its seal.

    Args:
        seal_path: defaults to `<name>.seal.json` beside the file.
    """
    found = Verified(path.name, file_count=1)
    proved = _read_page(seal_path or path.with_name(path.stem + SEAL_SUFFIX))
    try:
        if proved is None or not is_seal(proved):
            found.faults.append(Fault("seal", path.name))
            return found
        leaf = json.loads(proved["leaf"])
        found.faults += [Fault("seal" if fault == "seal_root" else fault, path.name) for fault in custody_faults(proved)]
        fault = _file_fault(path, leaf["audience"]["sha256"])
        facts, custody = leaf["release"], proved["custody"]
        chains = [(facts["release_id"], custody["chain"]), (facts["parent_release_id"], custody["parent_chain"])]
    except (KeyError, TypeError, AttributeError, ValueError):
        found.faults.append(Fault("seal", path.name))
        return found
    if fault:
        found.faults.append(fault)
    _judge_anchor(found, anchor, chains)
    return found


def verify_ledger(ledger: Ledger, releases: Path, anchor: Anchor | None = None) -> Verified:
    """Check the audit chain, what the ledger knows of each release, and that an anchor kept elsewhere still lies on both chains."""
    found = Verified("ledger")
    found.faults += [Fault("ledger", f"audit {number}") for number in ledger.audit_faults()]
    rows = ledger.releases()
    for row in rows:
        path = releases / row["release_id"] / MANIFEST
        if row["status"] != "removed" and path.is_file() and file_hash(path) != row["manifest_hash"]:
            found.faults.append(Fault("manifest", row["release_id"]))
        if row["status"] != "removed" and not path.is_file():
            found.faults.append(Fault("missing", row["release_id"]))
    found.faults += [Fault("ledger", place) for place in ledger.told_otherwise()]
    found.file_count = len(rows)
    if anchor is not None:
        entries_hold = anchor.entry_count == 0 or ledger.audit_hash(anchor.entry_count) == anchor.head
        found.is_anchored = entries_hold and anchor.release_id in {row["release_id"] for row in rows}
        if not found.is_anchored:
            found.faults.append(Fault("anchor", anchor.release_id))
    return found
