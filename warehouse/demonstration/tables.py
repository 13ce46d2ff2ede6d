"""Arrays to the contract's columns: the only place that knows how a disclosure or a line is written down."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from warehouse.demonstration.factors import UNPRICED_ACTIVITY
from warehouse.demonstration.facts import STAGES, YEARS, Facts
from warehouse.demonstration.footprints import DECLARED_INSTEAD, LINE_UNIT_INSTEAD, Disclosures, Lines

VERIFIERS = ("示范核查机构甲（合成）", "示范核查机构乙（合成）", "示范核查机构丙（合成）")
SECOND_SITE = "（二厂）"


def take_text(choices: Sequence[str | None], indices: np.ndarray) -> pa.Array:
    """One string per index; -1 is null."""
    return pa.array(choices, pa.string()).take(pa.array(np.where(indices < 0, len(choices), indices), mask=indices < 0))


def name_disclosures(numbers: np.ndarray, years: np.ndarray) -> pa.Array:
    """DEMO-<reporting year>-<number>."""
    labels = np.char.add(np.char.add("DEMO-", np.array(YEARS).astype(str)[years]), "-")
    return pa.array(np.char.add(labels, np.char.zfill(numbers.astype(str), 7)))


def write_days(days: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
    return pa.array(days.astype("datetime64[D]"), pa.date32(), mask=None if known is None else ~known)


def write_numbers(values: np.ndarray) -> pa.Array:
    """NaN is unknown, so it is null."""
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def find_standards(facts: Facts, disclosures: Disclosures) -> pa.Array:
    index = np.full((len(facts.products), len(YEARS)), -1)
    for number, row in enumerate(facts.standards):
        index[facts.product_codes.index(row["product_code"]), [year >= int(row["first_reporting_year"]) for year in YEARS]] = number
    return take_text([row["standard_code"] for row in facts.standards], index[disclosures.product, disclosures.year])


def write_footprints(facts: Facts, enterprise_ids: pa.Array, disclosures: Disclosures) -> pa.Table:
    """`product_footprint` rows, one per entry."""
    names = [facts.catalogue[code]["name_zh"] for code in facts.product_codes]
    units = [facts.catalogue[code]["declared_unit"] for code in facts.product_codes]
    other = [DECLARED_INSTEAD.get(unit, (unit, 1.0))[0] for unit in units]
    count = len(names)
    name_index = disclosures.product + np.where(disclosures.is_second_site, count, 0)
    unit_index = disclosures.product + np.where(disclosures.scale == 1.0, 0, count)
    verified = disclosures.verified_days_before >= 0
    verified_on = disclosures.submitted.astype("datetime64[D]") - np.maximum(disclosures.verified_days_before, 0)
    shown = np.where(disclosures.has_breakdown[:, None], disclosures.stages, np.nan)
    shown[~disclosures.is_grave, 2:] = np.nan
    return pa.table(
        {
            "disclosure_id": name_disclosures(disclosures.number, disclosures.year),
            "revision": pa.array(disclosures.revision),
            "enterprise_id": enterprise_ids.take(pa.array(disclosures.enterprise)),
            "product_code": take_text(facts.product_codes, disclosures.product),
            "product_name": take_text([*names, *(name + SECOND_SITE for name in names)], name_index),
            "standard_code": find_standards(facts, disclosures),
            "declared_unit": take_text([*units, *other], unit_index),
            "boundary": take_text(["cradle_to_gate", "cradle_to_grave"], disclosures.is_grave.astype(int)),
            "gwp_set": pa.array(disclosures.gwp_set),
            "period_start": write_days(disclosures.period_start),
            "period_end": write_days(disclosures.period_end),
            "output_quantity": write_numbers(disclosures.output),
            **{f"{stage}_kg_co2e": write_numbers(shown[:, index]) for index, stage in enumerate(STAGES)},
            "total_kg_co2e": pa.array(disclosures.total),
            "removals_kg_co2e": write_numbers(disclosures.removals),
            "primary_data_share": write_numbers(disclosures.primary_share),
            "data_quality_rating": write_numbers(disclosures.quality),
            "verifier_name": take_text(list(VERIFIERS), np.where(verified, disclosures.number % len(VERIFIERS), -1)),
            "verified_on": write_days(verified_on, verified),
            "submitted_at": pa.array(np.char.add(np.datetime_as_string(disclosures.submitted, unit="s"), "+08:00")),
        }
    )


def write_lines(facts: Facts, provinces: np.ndarray, base: Disclosures, lines: Lines, revision: np.ndarray) -> pa.Table:
    """`footprint_activity` rows; `base` are the disclosures that the lines' positions point into, `revision` is per line."""
    recipes = len(facts.recipes)
    recipe = np.where(lines.recipe < 0, recipes, lines.recipe)
    identifiers = name_disclosures(base.number, base.year)
    units = [row["unit"] for row in facts.recipes] + ["m3"]
    written = [units, *([LINE_UNIT_INSTEAD[key].get(unit, unit) for unit in units] for key in (0.001, 1000.0))]
    written[1][-1] = written[2][-1] = "m3"
    scale = base.scale[lines.disclosure]
    unit_index = recipe + np.select([scale == 0.001, scale == 1000.0], [recipes + 1, 2 * (recipes + 1)], 0)
    activities = [row["activity_code"] for row in facts.recipes] + [UNPRICED_ACTIVITY]
    geographies, geography_index = locate_lines(facts, provinces, base.enterprise[lines.disclosure], recipe, activities)
    return pa.table(
        {
            "disclosure_id": identifiers.take(pa.array(lines.disclosure)),
            "revision": pa.array(revision),
            "line_no": pa.array(lines.line_no),
            "stage": take_text([row["stage"] for row in facts.recipes] + ["production"], recipe),
            "activity_code": take_text(activities, recipe),
            "quantity": pa.array(lines.quantity),
            "unit": take_text([unit for group in written for unit in group], unit_index),
            "geography_code": take_text(geographies, geography_index),
            "supplier_disclosure_id": identifiers.take(pa.array(np.where(lines.supplier < 0, 0, lines.supplier), mask=lines.supplier < 0)),
            "data_source": take_text(["secondary", "primary"], lines.is_primary.astype(int)),
        }
    )


def locate_lines(
    facts: Facts, provinces: np.ndarray, enterprise: np.ndarray, recipe: np.ndarray, activities: list[str]
) -> tuple[list[str | None], np.ndarray]:
    """Electricity and heat are bought in the enterprise's province, inputs of the world market say GLO, the rest CN."""
    world = {row["activity_code"] for row in facts.synthetic_factors if row["geography_code"] == "GLO"} - {"process_emission"}
    codes = sorted(set(provinces.tolist()) - {"990000"})
    local = np.array([activity in ("electricity_grid", "heat") for activity in activities])
    fallback = np.array([1 if activity in world else 0 for activity in activities])
    position = np.searchsorted(np.array(codes), provinces) % len(codes) + 2
    position = np.where(provinces == "990000", 0, position)
    return ["CN", "GLO", *codes], np.where(local[recipe], position[enterprise], fallback[recipe])
