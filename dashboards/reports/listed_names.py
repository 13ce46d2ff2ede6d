"""Names of listed codes where a mart gives the code alone: from the reference lists, which are everybody's."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from dashboards.reports.wording import Text

LISTS = Path(__file__).parents[2] / "dbt_project" / "seeds" / "reference"
# Column -> (list, its key); where a column takes codes of several lists, all of them.
_OF_COLUMN: Mapping[str, tuple[tuple[str, str], ...]] = {
    "product_code": (("product_catalogue", "product_code"),),
    "province_code": (("province", "province_code"),),
    "activity_code": (("activity", "activity_code"),),
    "geography_code": (("province", "province_code"), ("grid_region", "geography_code")),
}


@cache
def read_names(column: str) -> Mapping[str, Text]:
    """Code -> name in both languages, for a column of codes; empty for any other column."""
    found: dict[str, Text] = {}
    for name, key in _OF_COLUMN.get(column, ()):
        with (LISTS / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            found |= {row[key]: Text(row["name_zh"], row["name_en"]) for row in csv.DictReader(stream)}
    return found
