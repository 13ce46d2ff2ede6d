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
EXAMPLE_ELSEWHERE = {
    "ets__prices_by_day": "dbt_project/models/intermediate/ets/_ets_unit_tests.yml",
    "policy__target_forecasts": "tests/warehouse/test_forecast.py",
}


def test_every_mart_has_grain_contract_identity_expectation_and_example(
    root: Path, marts: dict[str, dict[str, Any]], texts: dict[str, str]
) -> None:
    faults = {name: found for name, mart in marts.items() if (found := find_faults(mart, **texts))}
    elsewhere = {name: (root / path).is_file() for name, path in EXAMPLE_ELSEWHERE.items()}
    assert all(elsewhere.values())
    assert {name: found for name, found in faults.items() if name not in elsewhere} == {}
    assert {name: faults.get(name) for name in elsewhere} == {name: ["no worked example"] for name in elsewhere}


def list_rules(root: Path, mart: str) -> set[str]:
    """The dated policy lists that a mart's figures rest on, found by following `ref` down to the seeds."""
    models = {path.stem: path for kind in ("sql", "py") for path in (root / "dbt_project/models").rglob(f"*.{kind}")}
    policies = {path.stem for path in (root / "dbt_project/seeds/policy").rglob("*.csv")}
    waiting, seen = [mart], set()
    while waiting:
        name = waiting.pop()
        if name in models and name not in seen:
            waiting += re.findall(r"ref\(['\"](\w+)['\"]\)", models[name].read_text(encoding="utf-8"))
        seen.add(name)
    return seen & policies


def test_every_mart_is_explained_to_an_analyst_in_both_languages(root: Path, marts: dict[str, dict[str, Any]]) -> None:
    """With its grain, the rules it rests on, and the worked examples that dbt computes again: their names and figures are held to them."""
    examples = dict(re.findall(r"  - name: (test_\w+)\n(.*?)(?=\n  - name: |\Z)", read_unit_tests(root), re.DOTALL))
    for instrument in ("footprint", "policy"):
        page = (root / "docs/methods" / f"{instrument}.md").read_text(encoding="utf-8")
        sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
        assert set(sections) == {name for name, mart in marts.items() if mart["instrument"] == instrument}
        for name, text in sections.items():
            chinese = [line for line in text.splitlines() if re.search("[一-鿿]", line)]
            english = [line for line in text.splitlines() if len(line.split()) > 8 and not re.search("[一-鿿]", line)]
            assert chinese and english, name
            assert "、".join(f"`{column}`" for column in find_key(marts[name])) in text, f"{name}: its grain"
            assert {rule for rule in list_rules(root, name) if f"`{rule}`" not in text} == set(), f"{name}: the rules it rests on"
        told = re.findall(r"^> `(test_\w+)`[：:] *(.*?)$", page, re.MULTILINE)
        assert len(told) >= 2, instrument
        for test, sentence in told:
            figures = set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?", sentence))
            assert figures, test
            assert {figure for figure in figures if not re.search(rf"(?<![\w.]){re.escape(figure)}(?![\w.])", examples[test])} == set(), (
                test
            )


def read_unit_tests(root: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((root / "dbt_project/models").rglob("_*unit_tests.yml")))
