"""The sources there are: one folder with a `contract.yaml` each, so that adding a source edits no DAG."""

from __future__ import annotations

import os
import re
from pathlib import Path

from airflow.sdk import Asset

ROOT = Path(__file__).resolve().parent.parent
SOURCES = Path(os.environ.get("TANLIAN_SOURCES") or ROOT / "ingest" / "sources")
CONNECTORS = Path(os.environ.get("TANLIAN_CONNECTORS") or Path(os.environ.get("TANLIAN_DATA") or ROOT / "data") / "connectors")


def list_sources() -> list[str]:
    """Names of the sources, sorted."""
    return sorted(contract.parent.name for contract in SOURCES.glob("*/contract.yaml"))


def list_connected() -> set[str]:
    """Sources that some connector feeds. A declaration that cannot be used still counts, so that the command has its chance to say so."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in CONNECTORS.glob("*.yaml"))
    return {name for text in texts for name in re.findall(r"""^source:\s*["']?(\w+)""", text, re.MULTILINE)}


def name_landing(source: str) -> Asset:
    """The asset that says: new rows of this source lie in landing."""
    return Asset(name=f"landing_{source}", uri=f"tanlian://landing/{source}")
