"""Backup and restore of a data directory: what cannot be made again, with a list of hashes and the anchor.

Builds, gates' pages, logs, reports and work files are derived and stay behind. A backup is taken under the locks of landing and release, so
that the ledger and the files it lists belong to one moment.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from ingest.delivery import sync_folder
from warehouse.audience_files import file_hash
from warehouse.custody.chain import Anchor, read_anchor
from warehouse.ledger import Ledger
from warehouse.settings import Settings

LIST = "backup.json"
_FOLDERS = ("inbox", "deliveries", "landing", "quarantine", "waiting", "receipts", "waivers", "connectors", "releases")
_FILES = ("demonstration.json",)
_DATABASES = ("ledger.sqlite", "fetch/memory.sqlite")


class BackupError(RuntimeError):
    """A backup that is not whole, or a place that is not empty. `places` says which files."""

    def __init__(self, code: str, places: list[str]) -> None:
        super().__init__(f"{code}: {', '.join(places[:10])}")
        self.code, self.places = code, places


@dataclass(frozen=True)
class Saved:
    """What a backup or a restore moved."""

    folder: Path
    file_count: int
    byte_count: int
    anchor: Anchor | None


def _listed(data: Path) -> Iterator[Path]:
    """Files and links to keep, relative to the data directory; half-made releases and hidden work files are left out."""
    for name in _FOLDERS:
        for path in sorted((data / name).rglob("*")):
            relative = path.relative_to(data)
            if any(part.startswith(".") for part in relative.parts):
                continue
            if path.is_symlink() or path.is_file():
                yield relative
    yield from (Path(name) for name in _FILES if (data / name).is_file())


def _copy(source: Path, target: Path) -> dict[str, Any]:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return {"link": str(source.readlink())}
    shutil.copy2(source, target)
    return {"size": target.stat().st_size, "sha256": file_hash(target)}


def _copy_database(source: Path, target: Path) -> dict[str, Any]:
    """A consistent copy of a SQLite file, whatever is written to it meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    reader, writer = sqlite3.connect(source), sqlite3.connect(target)
    try:
        reader.backup(writer)
        writer.execute("pragma journal_mode = delete")
    finally:
        reader.close()
        writer.close()
    return {"size": target.stat().st_size, "sha256": file_hash(target)}


def _is_empty(folder: Path) -> bool:
    return not folder.exists() or not any(folder.iterdir())


def back_up(settings: Settings, ledger: Ledger, out: Path, anchor: Anchor | None) -> Saved:
    """Copy a data directory to a new folder.

    Raises:
        BackupError: the folder is not empty (`not_empty`).
    """
    if not _is_empty(out):
        raise BackupError("not_empty", [str(out)])
    partial = out.with_name(f"{out.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    listed: dict[str, Any] = {}
    with ExitStack() as locks:
        for name in ("intake.lock", "release.lock"):
            locks.enter_context(FileLock(settings.data / name))
        for name in _DATABASES:
            if (settings.data / name).is_file():
                listed[name] = _copy_database(settings.data / name, partial / name)
        for path in _listed(settings.data):
            listed[str(path)] = _copy(settings.data / path, partial / path)
    document = {"format": "tanlian-backup/1", "anchor": anchor.line() if anchor else None, "files": listed}
    (partial / LIST).write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    if out.exists():
        out.rmdir()
    partial.rename(out)
    sync_folder(out.parent)
    return _saved(out, document)


def _saved(folder: Path, document: dict[str, Any]) -> Saved:
    sizes = [entry.get("size", 0) for entry in document["files"].values()]
    return Saved(folder, len(sizes), sum(sizes), read_anchor(document["anchor"] or ""))


def read_backup(folder: Path) -> dict[str, Any]:
    """The list of a backup, every file of it checked.

    Raises:
        BackupError: there is no list (`no_backup`), or files are missing, changed or not listed (`changed`).
    """
    try:
        document: dict[str, Any] = json.loads((folder / LIST).read_text(encoding="utf-8"))
        files = document["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupError("no_backup", [str(folder / LIST)]) from error
    changed = []
    for name, entry in files.items():
        path = folder / name
        outside = Path(name).is_absolute() or ".." in Path(name).parts
        if outside or (str(path.readlink()) != entry["link"] if path.is_symlink() and "link" in entry else not _is_same(path, entry)):
            changed.append(name)
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.is_symlink()}
    changed += sorted(there - set(files) - {LIST})
    if changed:
        raise BackupError("changed", sorted(changed))
    return document


def _is_same(path: Path, entry: dict[str, Any]) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == entry.get("size") and file_hash(path) == entry["sha256"]


def restore(settings: Settings, folder: Path) -> Saved:
    """Bring a backup back into an empty data directory.

    Raises:
        BackupError: there is no such folder (`no_folder`) or backup, the data directory is not empty (`not_empty`), or the backup is not whole.
    """
    if not folder.is_dir():
        raise BackupError("no_folder", [str(folder)])
    if not (folder / LIST).is_file():
        raise BackupError("no_backup", [str(folder)])
    if not _is_empty(settings.data):
        raise BackupError("not_empty", [str(settings.data)])
    document = read_backup(folder)
    for name in document["files"]:
        _copy(folder / name, settings.data / name)
    return _saved(settings.data, document)
