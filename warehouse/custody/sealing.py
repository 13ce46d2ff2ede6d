"""The last step of making a release: its files become read-only and durable, and its manifest commits to them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from warehouse.audience import Audience, Policy
from warehouse.audience_files import describe_audience_file, file_hash
from warehouse.custody.chain import MANIFEST, page, seal_manifest, write_seals
from warehouse.custody.row_trees import tree_roots, write_salt_key


def sync_file(path: Path) -> None:
    """Make a file's bytes survive a power cut."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    path = folder / MANIFEST
    path.write_bytes(page(manifest))
    path.chmod(0o444)
    sync_file(path)


def seal_release(folder: Path, manifest: dict[str, Any], audiences: list[Audience], policy: Policy, parent: Path | None) -> dict[str, Any]:
    """Close a folder that holds a release's files; gives the manifest as it is stored.

    Args:
        manifest: everything that is known without the files.
        parent: folder of the release that this one follows.
    """
    for audience in audiences:
        (folder / audience.file_name).chmod(0o444)
        sync_file(folder / audience.file_name)
    salts = write_salt_key(folder)
    given = {audience.file_name for audience in audiences}
    beside = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in given]
    known = {
        "audiences": [describe_audience_file(audience, folder) for audience in audiences],
        "files": {path.relative_to(folder).as_posix(): file_hash(path) for path in beside},
        "trees": tree_roots(folder / "ministry.duckdb", policy, salts.read_text(encoding="ascii")),
    }
    sealed = seal_manifest(manifest | known, parent)
    write_manifest(folder, sealed)
    for path in [salts, *write_seals(sealed, folder)]:
        sync_file(path)
    return sealed
