"""Every mart says what it is about and is held to it: grain, contract, tests, dictionary, exposure to a gate, and a page for the analyst."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

METHOD = re.compile(r"（methods\.md M\d+")


@pytest.fixture(scope="module")
def marts(root: Path) -> dict[str, dict[str, Any]]:
    found = {
        model["name"]: model | {"instrument": path.parent.name}
        for path in sorted((root / "dbt_project/models/marts").rglob("_*.yml"))
        for model in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("models", [])
    }
    assert len(found) >= 18, "a check must fail on nothing"
    return found


def find_key(mart: dict[str, Any]) -> list[str]:
    """The mart's grain, as its own uniqueness test states it."""
    for test in mart.get("data_tests", []):
        if isinstance(test, dict) and "unique_combination" in test:
            return list(test["unique_combination"]["arguments"]["columns"])
    return []


def find_faults(mart: dict[str, Any], singular: str, gate: str, unit_tests: str) -> list[str]:
    """What a mart lacks of what every mart has."""
    name, key, columns = mart["name"], find_key(mart), {column["name"]: column for column in mart["columns"]}
    faults = []
    if not key:
        faults.append("no stated grain")
    faults += [f"key column {column} may be null" for column in key if "constraints" not in columns.get(column, {})]
    if list(columns)[: len(key)] != key and set(list(columns)[: len(key)]) != set(key):
        faults.append("the key does not stand first")
    if not mart.get("config", {}).get("contract", {}).get("enforced"):
        faults.append("no contract")
    if not METHOD.search(mart.get("description", "")) or "(methods.md M" not in mart.get("description", ""):
        faults.append("no method section in both languages")
    if f"ref('{name}')" not in singular:
        faults.append("no sentence that must hold")
    if not re.search(rf"\b{name}\b", gate):
        faults.append("no expectation")
    if f"model: {name}\n" not in unit_tests and f"ref('{name}')" not in unit_tests:
        faults.append("no worked example")
    return faults


@pytest.fixture(scope="module")
def texts(root: Path) -> dict[str, str]:
    """All singular tests, all marts expectations, and all unit tests, each as one text."""
    expectations = root / "expectations"
    return {
        "singular": "\n".join(path.read_text(encoding="utf-8") for path in (root / "dbt_project/tests").glob("assert_*.sql")),
        "gate": "\n".join(
            path.read_text(encoding="utf-8") for path in [*(expectations / "marts").glob("*.py"), *expectations.glob("*.py")]
        ),
        "unit_tests": "\n".join(path.read_text(encoding="utf-8") for path in (root / "dbt_project/models").rglob("_*unit_tests.yml")),
    }


def test_finder_finds_planted_offences() -> None:
    bare = {"name": "ets__ghosts", "columns": [{"name": "a"}], "description": "nothing"}
    assert find_faults(bare, "", "", "") == [
        "no stated grain", "no contract", "no method section in both languages", "no sentence that must hold", "no expectation",
        "no worked example",
    ]  # fmt: skip
    loose = bare | {
        "data_tests": [{"unique_combination": {"arguments": {"columns": ["b", "a"]}}}],
        "columns": [{"name": "a"}, {"name": "b"}],
    }
    assert {"key column a may be null", "key column b may be null"} <= set(find_faults(loose, "", "", ""))


# Marts whose figures are made in an intermediate model, where the worked example stands.
EXAMPLE_ELSEWHERE: dict[str, str] = {}


def test_every_mart_has_grain_contract_identity_expectation_and_example(marts: dict[str, dict[str, Any]], texts: dict[str, str]) -> None:
    faults = {name: found for name, mart in marts.items() if (found := find_faults(mart, **texts))}
    assert not faults


def test_every_mart_is_explained_to_an_analyst_in_both_languages(root: Path, marts: dict[str, dict[str, Any]]) -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in sorted((root / "docs/methods").glob("*.md"))}
    for instrument in ("footprint", "policy"):
        page = pages[root / "docs/methods" / f"{instrument}.md"]
        chinese, _, english = page.partition("## English")
        for name, mart in marts.items():
            if mart["instrument"] == instrument:
                assert f"`{name}`" in chinese and f"`{name}`" in english, name
