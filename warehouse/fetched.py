"""Where a file of the inbox was fetched from, for its receipt, and the layout its connector names."""

from __future__ import annotations

from typing import Any

from ingest.connectors.memory import Memory
from warehouse.settings import Settings


def origin_of(settings: Settings, source: str, file: str) -> dict[str, Any]:
    """What the connectors remember of a file: connector, place, original_name, layout, fetched_at; empty for one that nobody fetched."""
    path = settings.fetch / "memory.sqlite"
    if not path.is_file():
        return {}
    memory = Memory(path)
    try:
        return memory.origin(source, file) or {}
    finally:
        memory.close()
