"""The reference lists of a release, kept beside it: it is compared with these, not with what has become of them since."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ingest.delivery import sync_folder
from ingest.reference import TYPES_FILE, ReferenceLists
from warehouse.settings import Settings

LISTS = "reference"


def keep_lists(lists: ReferenceLists, folder: Path) -> None:
    """Copy the lists, and the types of their columns, into a new folder, safe on disk."""
    folder.mkdir()
    sources = {f"{name}.csv": path for name, path in lists.files.items()} | {TYPES_FILE: lists.seeds / TYPES_FILE}
    for name, path in sources.items():
        with (folder / name).open("wb") as stream:
            stream.write(path.read_bytes())
            stream.flush()
            os.fsync(stream.fileno())
        (folder / name).chmod(0o444)
    sync_folder(folder)


def released_lists(settings: Settings, folder: Path, manifest: dict[str, Any]) -> ReferenceLists | None:
    """The lists of a release, proved by the hash its manifest gives; none where they are not at hand (releases made before lists were kept)."""
    kept = folder / LISTS
    for lists in ([ReferenceLists(seeds=kept)] if kept.is_dir() else []) + [ReferenceLists(overlay=settings.reference)]:
        if lists.content_hash == manifest["reference_hash"]:
            return lists
    return None
