"""Environmental impact assessments of the synthetic country: what projects promise per unit, near what their enterprise later discloses."""

import numpy as np
import pyarrow as pa

from warehouse.demonstration.country import Country
from warehouse.demonstration.footprints import round_significant

PROJECT_SHARE = 0.6
MOST_PROJECTS = 2_000
# Promises run below what is disclosed later, as the pages are meant to show.
PROMISE_BIAS = -0.06
PROMISE_SPREAD = 0.14
KINDS = ("new", "expansion", "renovation")
LEVELS = ("national", "provincial", "municipal", "county")
CAPACITY_DIGITS = 4


def measure_products(country: Country) -> np.ndarray:
    """Median kgCO2e per catalogue unit up to the gate by product, NaN where nobody disclosed."""
    base = country.base
    gate = base.stages[:, :2].sum(axis=1) / base.scale
    return np.array(
        [
            np.median(gate[base.product == product]) if (base.product == product).any() else np.nan
            for product in range(len(country.facts.products))
        ]
    )


def make_approvals(country: Country, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """Projects of the first stage; then those approved later, and some of the first again with their start of operation."""
    facts = country.facts
    heavy = np.array([bool(facts.catalogue[code]["ets_sector"]) for code in facts.product_codes])
    typical = measure_products(country)
    fit = heavy[country.main] & ~np.isnan(typical[country.main]) & (country.provinces != "990000")
    candidates = np.flatnonzero(fit)
    count = int(min(MOST_PROJECTS, max(24, PROJECT_SHARE * len(candidates)), len(candidates)))
    owner = np.sort(rng.choice(candidates, size=count, replace=False))
    product = country.main[owner]
    capacity = round_significant(
        np.array([float(row["typical_output"]) for row in facts.products])[product] * rng.lognormal(0.0, 0.5, count), CAPACITY_DIGITS
    )
    promised = typical[product] * rng.lognormal(PROMISE_BIAS, PROMISE_SPREAD, count)
    total = np.rint(promised * capacity / 1000)
    direct = np.rint(total * rng.uniform(0.5, 0.85, count))
    approved = np.datetime64("2023-01-10") + rng.integers(0, 1150, count)
    operational = approved + rng.integers(200, 500, count)
    is_late = (approved >= np.datetime64("2025-12-01")) | (np.arange(count) < 2)
    started = operational < np.datetime64("2026-04-01")
    rows = pa.table(
        {
            "eia_id": pa.array(name_projects(np.arange(count))),
            "enterprise_id": country.enterprise_ids.take(pa.array(owner)),
            "project_name": pa.array(np.char.add(np.char.add("示范建设项目-", np.char.zfill(np.arange(count).astype(str), 4)), "（合成）")),
            "province_code": pa.array(country.provinces[owner]),
            "industry_code": pa.array([facts.catalogue[code]["industry_code"] for code in facts.product_codes]).take(pa.array(product)),
            "product_code": pa.array(facts.product_codes).take(pa.array(product)),
            "construction_kind": pa.array(KINDS).take(pa.array(rng.integers(0, 3, count))),
            "annual_capacity": pa.array(capacity),
            "capacity_unit": pa.array([facts.catalogue[code]["declared_unit"] for code in facts.product_codes]).take(pa.array(product)),
            "direct_t_co2e": pa.array(direct),
            "energy_indirect_t_co2e": pa.array(total - direct),
            "intensity_kg_co2e_per_unit": pa.array(round_significant(1000 * total / capacity, 8)),
            "approval_level": pa.array(LEVELS).take(pa.array(rng.choice(4, count, p=[0.1, 0.4, 0.4, 0.1]))),
            "approved_on": pa.array(approved, pa.date32()),
            "operational_on": pa.array(operational, pa.date32(), mask=~started),
        }
    )
    known, later = rows.take(pa.array(np.flatnonzero(~is_late))), rows.take(pa.array(np.flatnonzero(is_late)))
    waiting = np.flatnonzero(~is_late & ~started)[:3]
    begun = pa.array(np.repeat(np.datetime64("2026-06-15"), len(waiting)), pa.date32())
    restated = rows.take(pa.array(waiting)).set_column(14, "operational_on", begun)
    return known, pa.concat_tables([later, restated])


def name_projects(positions: np.ndarray) -> np.ndarray:
    return np.char.add("DEMO-EIA-", np.char.zfill(positions.astype(str), 6))
