"""What codes are called on the pages: a column of names beside each column of codes, worked out where the table is read.

The marts keep codes, which programs compare; a reader is shown names. Flags are codes of two values.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import yaml

from dashboards.charts import Node
from dashboards.definitions import LANGUAGES, ROOM
from ingest.contract import read_contracts

REFERENCE = Path(__file__).resolve().parents[1] / "dbt_project" / "seeds" / "reference"
# Column -> the seeds that name its codes, each with its column of codes.
_SEEDS = {
    "product_code": [("product_catalogue", "product_code")],
    "province_code": [("province", "province_code")],
    "activity_code": [("activity", "activity_code")],
    "geography_code": [("province", "province_code"), ("grid_region", "geography_code")],
    "methodology_code": [("ccer_methodology", "methodology_code")],
    "member_code": [("industry", "industry_code"), ("province", "province_code")],
}
_FLAG = {"true": {"zh": "是", "en": "Yes"}, "false": {"zh": "否", "en": "No"}}


@cache
def read_names() -> dict[str, Node]:
    """Column -> code -> its name in both languages."""
    names: dict[str, Node] = yaml.safe_load((ROOM / "names.yaml").read_text(encoding="utf-8"))
    for column in _SEEDS:
        names[column] = read_listed(column) | names.get(column, {})
    titles = {source: contract.title for source, contract in read_contracts().items()}
    return names | {"source": {source: {"zh": title.zh, "en": title.en} for source, title in titles.items()}}


@cache
def read_listed(column: str) -> Node:
    """Code -> its name in both languages, as the reference lists have it; empty for a column that none of them names."""
    seeds = _SEEDS.get(column, [])
    return {row[code]: {lang: row[f"name_{lang}"] for lang in LANGUAGES} for seed, code in seeds for row in _read_seed(seed)}


def _read_seed(name: str) -> list[dict[str, str]]:
    with (REFERENCE / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def name_columns(columns: Node) -> dict[str, str]:
    """Column of names -> SQL that works it out, for every column of codes and every flag of a table. What the mart names itself stays."""
    named = read_names()
    found: dict[str, str] = {}
    for column, kind in columns.items():
        codes = _FLAG if kind == "BOOLEAN" else named.get(column)
        for lang in LANGUAGES:
            name = f"{column.removesuffix('_code')}_name_{lang}"
            if codes and name not in columns:
                found[name] = _write_case(column, {code: text[lang] for code, text in codes.items()})
            elif kind == "DATE":
                # As text a day can be chosen from a list.
                found[name] = f"cast({column} as varchar)"
    return found


def _write_case(column: str, texts: dict[str, str]) -> str:
    """A code without a name is shown as it is."""
    code = f"cast({column} as varchar)"
    cases = " ".join(f"when {_quote(value)} then {_quote(text)}" for value, text in texts.items() if value)
    named = f"case {code} {cases} else {code} end"
    return f"coalesce({named}, {_quote(texts[''])})" if "" in texts else named


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
