"""Read the dashboards' definitions: one file each, what they share, and the tables' columns from dbt's own description of the marts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dashboards.charts import Node

ROOM = Path(__file__).resolve().parent / "superset"
DEFINITIONS = ROOM / "definitions"
MODELS = Path(__file__).resolve().parents[1] / "dbt_project" / "models"
MARTS = MODELS / "marts"
DICTIONARY = MODELS / "dictionary.md"
OWN_TABLES = MODELS.parents[1] / "warehouse" / "own_tables.yaml"
LANGUAGES = ("zh", "en")
# An entry of the dictionary: the first colon of each language is where the column's title ends.
_ENTRY = re.compile(r"{% docs (\w+) %}\s*(.*?)\s*{% enddocs %}", re.DOTALL)
# What Superset is told of a column's type; widths are the engine's affair.
_TYPES = {"decimal": "DOUBLE"}


@dataclass(frozen=True)
class Definitions:
    """All dashboards in their order, and what they share. `tables` maps a table to its description and columns."""

    shared: Node
    tables: dict[str, Node]
    dashboards: list[Node]

    def list_charts(self, dashboard: Node) -> dict[str, Node]:
        """The dashboard's own charts and those of the release that its layout places."""
        placed = {name for row in dashboard["layout"] for name in row["charts"]}
        return {name: chart for name, chart in (dashboard["charts"] | self.shared["charts"]).items() if name in placed}


def read_definitions(folder: Path = DEFINITIONS, marts: Path = MARTS) -> Definitions:
    """Raises ValueError where two dashboards give a chart the same name: identifiers come from names."""
    shared = _read(folder / "shared.yaml")
    dashboards = sorted((_read(path) for path in folder.glob("*.yaml") if path.name != "shared.yaml"), key=lambda node: int(node["order"]))
    owner = dict.fromkeys(shared["charts"], "shared")
    for dashboard in dashboards:
        for name in dashboard["charts"]:
            if name in owner:
                raise ValueError(f"chart {name} is defined in {owner[name]} and in {dashboard['slug']}")
            owner[name] = dashboard["slug"]
    shared["labels"] = read_titles() | shared["labels"]
    described = _read(OWN_TABLES)
    own = {name: table | {"description": described[name]["description"]} for name, table in shared["tables"].items()}
    return Definitions(shared, read_tables(marts) | own, dashboards)


def read_titles(dictionary: Path = DICTIONARY) -> dict[str, Node]:
    """Column -> its title in both languages, as the dictionary has it."""
    titles: dict[str, Node] = {}
    for name, text in _ENTRY.findall(dictionary.read_text(encoding="utf-8")):
        zh, _, en = " ".join(text.split()).partition(" | ")
        # English titles tell of a unit in brackets; what follows the colon explains.
        titles[name] = {"zh": zh.split("：")[0].strip(), "en": en.split(":")[0].strip()}
    return titles


def _read(path: Path) -> Node:
    loaded: Node = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def read_tables(marts: Path = MARTS) -> dict[str, Node]:
    """Every mart with its description in both languages, its columns with their types, and its key."""
    tables: dict[str, Node] = {}
    for path in sorted(marts.glob("*/_*.yml")):
        for model in _read(path).get("models") or []:
            zh, _, en = " ".join(model["description"].split()).partition(" | ")
            columns = {column["name"]: _name_type(column["data_type"]) for column in model["columns"]}
            tables[model["name"]] = {"description": {"zh": zh, "en": en}, "columns": columns, "key": _find_key(model)}
    return tables


def _find_key(model: Node) -> list[str]:
    """The columns that tell a mart's rows apart, as its test of uniqueness has them."""
    tests = (test.get("unique_combination") for test in model.get("data_tests", []) if isinstance(test, dict))
    return next((list(test["arguments"]["columns"]) for test in tests if test), [])


def _name_type(data_type: str) -> str:
    plain = data_type.split("(", maxsplit=1)[0].lower()
    return _TYPES.get(plain, plain.upper())


def speak(node: Any, lang: str) -> Any:
    """The definition in one language: `{zh, en}` becomes the text, `{lang}` in a name the language."""
    if isinstance(node, dict):
        if set(node) == set(LANGUAGES):
            return node[lang]
        if set(node) & set(LANGUAGES):
            raise ValueError(f"a text needs zh and en and nothing else (an unquoted comma?), found {node}")
        return {speak(key, lang): speak(value, lang) for key, value in node.items()}
    if isinstance(node, list):
        return [speak(value, lang) for value in node]
    return node.replace("{lang}", lang) if isinstance(node, str) else node


def join_languages(texts: Node) -> str:
    """Both texts in one line, for what has no language of its own: names of tables and columns."""
    return str(texts["zh"]) if texts["zh"] == texts["en"] else f"{texts['zh']} / {texts['en']}"
