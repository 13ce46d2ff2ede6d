"""Emission factors as deliveries, and the price of an activity that the declared footprints are made from."""

import numpy as np
import pyarrow as pa

from warehouse.demonstration.facts import YEARS, Facts

COLUMNS = [
    "factor_id",
    "edition",
    "factor_family",
    "activity_code",
    "activity_name",
    "geography_code",
    "unit",
    "kg_co2e_per_unit",
    "valid_from",
    "valid_to",
    "published_on",
    "publisher",
    "uncertainty_pct",
    "citation",
]
# The edition that arrives with the second stage: the 2024 electricity footprint factors (issued 2025-10-23).
LATE_EDITION = ("footprint", "2024")
UNPRICED_ACTIVITY = "water"


def list_factor_rows(facts: Facts, late: bool) -> list[dict[str, str]]:
    """Contract rows as text. Validity is open: the newest data year not after the reporting year wins by its valid_from."""
    rows = []
    for row in [*facts.published_factors, *facts.synthetic_factors]:
        if ((row["factor_family"], row["edition"]) == LATE_EDITION) is not late:
            continue
        trust = row["confidence"]
        rows.append(
            {
                "factor_id": "-".join(("EF", row["factor_family"], row["activity_code"], row["geography_code"])),
                "activity_name": facts.activity_names[row["activity_code"]],
                "valid_to": "",
                "uncertainty_pct": row.get("uncertainty_pct", ""),
                **{name: row[name] for name in ("edition", "factor_family", "activity_code", "geography_code", "unit")},
                **{name: row[name] for name in ("kg_co2e_per_unit", "valid_from", "published_on", "publisher")},
                "citation": row["citation"] if trust in ("sourced", "synthetic") else f"[{trust}] {row['citation']}",
            }
        )
    return rows


def make_factors(facts: Facts, late: bool) -> pa.Table:
    """Every cell as text: published values keep the digits they were published with."""
    rows = list_factor_rows(facts, late)
    return pa.table({name: pa.array([row[name] or None for row in rows], pa.string()) for name in COLUMNS})


def price_recipes(facts: Facts) -> np.ndarray:
    """kgCO2e per base unit of every recipe line's activity, by reporting year: what the first stage's factors give (M2's choice).

    Shape (recipe lines, years). Footprint family only, CN before GLO: no province has a footprint factor of its own.
    """
    rows = [row for row in list_factor_rows(facts, late=False) if row["factor_family"] == "footprint"]
    prices = np.full((len(facts.recipes), len(YEARS)), np.nan)
    for line, recipe in enumerate(facts.recipes):
        for column, year in enumerate(YEARS):
            usable = [row for row in rows if row["activity_code"] == recipe["activity_code"] and row["valid_from"] <= f"{year}-12-31"]
            if usable:
                best = max(usable, key=lambda row: (row["geography_code"] == "CN", row["valid_from"]))
                prices[line, column] = float(best["kg_co2e_per_unit"]) / facts.unit_factors[best["unit"]]
    return prices
