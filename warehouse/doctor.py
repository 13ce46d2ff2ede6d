"""`tanlian doctor`: is everything here that the pipeline needs, and is what it has written still whole?"""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest.contract import ContractError, check_against_standard, read_contracts
from ingest.reference import ReferenceError, ReferenceLists
from warehouse.ledger import Ledger
from warehouse.release import CURRENT, current_release
from warehouse.settings import ROOT, Settings

State = Literal["ok", "warning", "broken"]
_LEAST_FREE_GIB = 2
_PDF_LIBRARIES = ("gobject-2.0", "pango-1.0", "pangoft2-1.0", "harfbuzz")


@dataclass(frozen=True)
class Finding:
    """One check: `check` names its text."""

    check: str
    state: State
    found: str


def _packages() -> Finding:
    pins = dict(line.split("==") for line in (ROOT / "requirements" / "pipeline.txt").read_text(encoding="utf-8").split() if "==" in line)
    wrong = []
    for name in ("apache-airflow", "dbt-core", "dbt-duckdb", "duckdb", "great-expectations", "pandas", "pyarrow"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "-"
        if version != pins.get(name):
            wrong.append(f"{name} {version} (≠ {pins.get(name)})")
    return Finding("packages", "broken" if wrong else "ok", ", ".join(wrong) or f"{len(pins)} pins")


def _data(settings: Settings) -> Finding:
    settings.data.mkdir(parents=True, exist_ok=True)
    writable = os.access(settings.data, os.W_OK)
    return Finding("data", "ok" if writable else "broken", str(settings.data))


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.data).free / 1024**3
    return Finding("disk", "ok" if free > _LEAST_FREE_GIB else "broken", f"{free:.1f} GiB")


def _contracts() -> Finding:
    try:
        for contract in read_contracts().values():
            check_against_standard(contract.folder / "contract.yaml")
        return Finding("contracts", "ok", ", ".join(read_contracts()))
    except ContractError as error:
        return Finding("contracts", "broken", str(error))


def _reference(settings: Settings) -> Finding:
    import duckdb

    lists = ReferenceLists(overlay=settings.reference)
    try:
        with duckdb.connect() as con:
            lists.load(con)
    except ReferenceError as error:
        return Finding("reference", "broken", str(error))
    return Finding("reference", "ok", f"{len(lists.files)}")


def _audit(settings: Settings) -> Finding:
    faults = Ledger(settings.ledger).audit_faults()
    return Finding("audit", "broken" if faults else "ok", f"≠ {faults[:5]}" if faults else "✓")


def _pointer(settings: Settings) -> Finding:
    pointer = settings.releases / CURRENT
    if not pointer.is_symlink():
        return Finding("pointer", "warning", "-")
    folder = current_release(settings)
    return Finding("pointer", "ok" if folder else "broken", folder.name if folder else str(pointer.readlink()))


def _fonts() -> Finding:
    lister = shutil.which("fc-list")
    if lister is None:
        return Finding("fonts", "warning", "fontconfig: -")
    names = subprocess.run([lister, ":lang=zh", "family"], capture_output=True, text=True, check=False).stdout.splitlines()
    return Finding("fonts", "ok" if names else "warning", names[0] if names else "apt install fonts-noto-cjk")


def _pango() -> Finding:
    """Weasyprint draws with these libraries of the system; without them there is no PDF, all else works."""
    missing = [name for name in _PDF_LIBRARIES if ctypes.util.find_library(name) is None]
    return Finding("pdf", "warning" if missing else "ok", f"apt install libpangoft2-1.0-0 (≠ {', '.join(missing)})" if missing else "✓")


def examine(settings: Settings) -> list[Finding]:
    """Every check, in order."""
    dbt = Path(sys.executable).with_name("dbt")
    chromium = shutil.which("chromium")
    superset = ROOT / ".venv-superset" / "bin" / "superset"
    return [
        Finding("python", "ok" if sys.version_info[:2] == (3, 11) else "broken", sys.version.split()[0]),
        _packages(),
        Finding("dbt", "ok" if dbt.exists() else "broken", dbt.name if dbt.exists() else "-"),
        _data(settings),
        _disk(settings),
        _contracts(),
        _reference(settings),
        _audit(settings),
        _pointer(settings),
        Finding("superset", "ok" if superset.exists() else "warning", "✓" if superset.exists() else "-"),
        _fonts(),
        _pango(),
        Finding("chromium", "ok" if chromium else "warning", "✓" if chromium else "apt install chromium"),
    ]
