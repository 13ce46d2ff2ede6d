"""Checks an evidence pack with nothing but the pack, and the anchor where there is one. `verify.js` does the same by itself."""

from __future__ import annotations

import hashlib
import json
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.custody.chain import Anchor, custody_faults
from warehouse.custody.merkle import read_hash, root_of_path
from warehouse.custody.row_trees import part_hash, row_leaf

EVIDENCE, METADATA = "evidence.json", "ro-crate-metadata.json"
FORMAT = "tanlian-evidence/1"
LARGEST_PACK = 1 << 30  # bytes unpacked: what claims more is a bomb, not a bank's rows
# What a pack that somebody damaged or forged raises while it is unpacked (also: unknown compression, encrypted members, nesting without
# end, which are runtime errors) and while its parts are followed.
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, RuntimeError, MemoryError),
    *(ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError),
)


@dataclass(frozen=True)
class Checked:
    """What a pack was found to be: its faults (none: it is good), and how many rows of how many marts it proves."""

    faults: tuple[str, ...]
    row_count: int
    mart_count: int
    release_id: str


def read_pack(path: Path) -> dict[str, bytes]:
    """The files of a pack, a folder or a zip."""
    if path.is_dir():
        return {entry.name: entry.read_bytes() for entry in sorted(path.iterdir()) if entry.is_file()}
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST_PACK:  # no more than this is ever unpacked of a member
            raise zipfile.BadZipFile("larger than any pack")
        return {name: archive.read(name) for name in archive.namelist()}


def _file_faults(files: dict[str, bytes]) -> list[str]:
    """Files that are not what the metadata lists."""
    listed = {entity["@id"]: entity["sha256"] for entity in json.loads(files[METADATA])["@graph"] if entity["@type"] == "File"}
    changed = [name for name, digest in listed.items() if name not in files or hashlib.sha256(files[name]).hexdigest() != digest]
    return [f"file {name}" for name in sorted({*changed, *(set(files) - set(listed) - {METADATA})})]


def _row_faults(mart: str, tree: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    faults, seen = [], set()
    for number, row in enumerate(rows):
        parts = [part["hash"] if "hash" in part else part_hash(part["salt"], part["json"]) for part in (row["open"], row["restricted"])]
        root = root_of_path(row_leaf(*parts), row["index"], tree["size"], [read_hash(node) for node in row["path"]])
        if "hash" in row["open"] or len(row["open"]["salt"]) != 64 or row["index"] in seen or root is None or root.hex() != tree["root"]:
            faults.append(f"row {mart} {number}")
        seen.add(row["index"])
    return faults


def check_evidence(evidence: dict[str, Any], anchor: Anchor | None = None) -> Checked:
    """Follow every row to its mart's root, the root to the release's seal, the seal to its chain, and that to the anchor."""
    faults, count = [], 0
    if evidence["format"] != FORMAT or not any(mart["rows"] for mart in evidence["marts"]):
        faults.append("empty")
    for mart in evidence["marts"]:
        leaf = json.loads(mart["leaf"])
        faults += [f"{fault} {mart['mart']}" for fault in custody_faults(mart | {"custody": evidence["custody"]})]
        if leaf["release"] != evidence["release"] or leaf["tree"]["mart"] != mart["mart"]:
            faults.append(f"leaf {mart['mart']}")
        faults += _row_faults(mart["mart"], leaf["tree"], mart["rows"])
        count += len(mart["rows"])
    if anchor is not None and not _is_anchored(evidence, anchor):
        faults.append("anchor")
    return Checked(tuple(faults), count, len(evidence["marts"]), evidence["release"]["release_id"])


def _is_anchored(evidence: dict[str, Any], anchor: Anchor) -> bool:
    """Whether the release, or the one that it follows, is the anchor's."""
    facts, custody = evidence["release"], evidence["custody"]
    own = (facts["release_id"], custody["chain"])
    before = (facts["parent_release_id"], custody["parent_chain"])
    return (anchor.release_id, anchor.chain) in (own, before)


def check_pack(path: Path, anchor: Anchor | None = None) -> Checked:
    """Check a pack's files and proofs. What cannot be read as a pack is a fault like any other."""
    try:
        files = read_pack(path)
        checked = check_evidence(json.loads(files[EVIDENCE]), anchor)
        faults = (*_file_faults(files), *checked.faults)
    except _UNREADABLE as error:
        return Checked((f"unreadable {type(error).__name__}: {error}"[:160],), 0, 0, "")
    return Checked(faults, checked.row_count, checked.mart_count, checked.release_id)
