"""What the figures were measured on, without saying whose machine it is."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("duckdb", "pyarrow", "dbt-core", "dbt-duckdb", "great-expectations")


def _processor() -> str:
    """The processor's model; a machine without /proc says its architecture only."""
    listing = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in listing.read_text().splitlines() if line.startswith("model name")]
        if listing.exists()
        else []
    )
    return names[0] if names else platform.machine()


def describe_machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def read_load() -> float:
    """Processes that wanted a core in the last minute: above zero before a run, somebody else is working."""
    return round(os.getloadavg()[0], 2)
