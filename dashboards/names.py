"""What codes are called on the pages, from the definitions' own list and from the reference lists."""

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
