"""Models whose rows SQL does not tell the origin of say it themselves, so that every mart can be explained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

MODELS = Path(__file__).resolve().parents[2] / "dbt_project" / "models"
REF = re.compile(r"""ref\(\s*["']([a-z_0-9]+)["']\s*\)""")
KNOWN = {"parent", "on", "shares", "reaches"}


def read_declared() -> dict[str, dict[str, Any]]:
    """Model -> its `meta`."""
    entries = [
        model
        for path in sorted(MODELS.rglob("_*.yml"))
        for model in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("models") or []
    ]
    return {model["name"]: (model.get("config") or {}).get("meta") or {} for model in entries}


def find_opaque() -> dict[str, set[str]]:
    """Python models and SQL that calls itself -> what they read."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in MODELS.rglob("*.py")}
    texts |= {
        path.stem: text for path in MODELS.rglob("*.sql") if re.search(r"\bwith recursive\b", text := path.read_text(encoding="utf-8"))
    }
    return {name: set(REF.findall(text)) for name, text in texts.items()}


def lineage_faults(opaque: dict[str, set[str]], declared: dict[str, dict[str, Any]]) -> dict[str, str]:
    faults = {}
    for name, read in opaque.items():
        lineage = declared.get(name, {}).get("lineage") or []
        named = {entry.get("parent") for entry in lineage}
        if named != read:
            faults[name] = f"meta.lineage names {sorted(map(str, named))}, the model reads {sorted(read)}"
        elif any("on" not in entry or not set(entry) <= KNOWN for entry in lineage):
            faults[name] = "an entry of meta.lineage without `on`, or with an unknown word"
    return faults


def test_models_that_are_not_plain_sql_declare_what_their_rows_are_made_of() -> None:
    opaque = find_opaque()
    assert len(opaque) >= 3
    assert lineage_faults(opaque, read_declared()) == {}


def test_missing_declaration_is_found() -> None:
    opaque, declared = find_opaque(), read_declared()
    name = "int_footprint__network_solved"
    assert set(lineage_faults(opaque, declared | {name: {}})) == {name}
    short = {"lineage": declared[name]["lineage"][:1]}
    assert set(lineage_faults(opaque, declared | {name: short})) == {name}
