"""The sources there are: one folder with a `contract.yaml` each, so that adding a source edits no DAG."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.sdk import Asset

SOURCES = Path(os.environ.get("TANLIAN_SOURCES") or Path(__file__).resolve().parent.parent / "ingest" / "sources")


def list_sources() -> list[str]:
    """Names of the sources, sorted."""
    return sorted(contract.parent.name for contract in SOURCES.glob("*/contract.yaml"))


def name_landing(source: str) -> Asset:
    """The asset that says: new rows of this source lie in landing."""
    return Asset(name=f"landing_{source}", uri=f"tanlian://landing/{source}")
