"""The inbox: which files wait to be taken."""

from __future__ import annotations

from pathlib import Path

from ingest.delivery import is_waiting_file
from warehouse.settings import Settings


def waiting_files(settings: Settings, source: str) -> list[Path]:
    """Files in a source's inbox that can be taken, sorted by name: names begin with the day, so this is the received order."""
    folder = settings.inbox / source
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if is_waiting_file(path) and (path.is_symlink() or not path.is_dir()))
