"""Disclosures and their activity lines: declared totals stay near what the lines are worth, so recalculating them means something.

Everything is arrays of one entry per disclosure or per line; nothing loops over rows.
"""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from warehouse.demonstration.enterprises import choose_products
from warehouse.demonstration.factors import price_recipes
from warehouse.demonstration.facts import STAGES, YEARS, Facts

GRAVE_SHARE = 0.3
SITE_SHARE = 0.05
NO_LINES_SHARE = 0.08
UNPRICED_LINE_SHARE = 0.04
DISCREPANT_SHARE = 0.07
SUPPLIER_SHARE = 0.3
YEARLY_CHANGE = -0.015
OTHER_UNIT_SHARE = {"t": 0.12, "kWh": 0.15, "kW": 0.1}
# A disclosure in a smaller or larger unit than the catalogue's states its inputs in smaller or larger units too.
DECLARED_INSTEAD = {"t": ("kg", 0.001), "kWh": ("MWh", 1000.0), "kW": ("W", 0.001)}
LINE_UNIT_INSTEAD = {
    0.001: {"t": "kg", "kg": "g", "GJ": "MJ", "m3": "L", "kW": "W"},
    1000.0: {"kg": "t", "g": "kg", "MJ": "GJ", "L": "m3", "W": "kW", "kWh": "MWh"},
}


def round_significant(values: np.ndarray, digits: int = 6) -> np.ndarray:
    """As people write measured figures; zero and NaN stay."""
    magnitude = np.floor(np.log10(np.abs(np.where((values == 0) | np.isnan(values), 1.0, values))))
    power = 10.0 ** np.abs(digits - 1 - magnitude)
    scaled = np.where(magnitude <= digits - 1, np.rint(values * power) / power, np.rint(values / power) * power)
    return np.where(values == 0, 0.0, scaled)


@dataclass(frozen=True)
class Columns:
    """Aligned arrays, taken together."""

    def take(self, indices: np.ndarray) -> Self:
        return replace(self, **{field.name: getattr(self, field.name)[indices] for field in fields(self)})

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))


@dataclass(frozen=True)
class Disclosures(Columns):
    """One entry per disclosure revision; `stages` is (n, 5) kgCO2e per declared unit, `scale` declared units over catalogue units."""

    number: np.ndarray
    revision: np.ndarray
    enterprise: np.ndarray
    product: np.ndarray
    year: np.ndarray
    is_grave: np.ndarray
    is_second_site: np.ndarray
    gwp_set: np.ndarray
    scale: np.ndarray
    output: np.ndarray
    stages: np.ndarray
    has_breakdown: np.ndarray
    removals: np.ndarray
    primary_share: np.ndarray
    quality: np.ndarray
    verified_days_before: np.ndarray
    period_start: np.ndarray
    period_end: np.ndarray
    submitted: np.ndarray

    @property
    def total(self) -> np.ndarray:
        total: np.ndarray = np.round(self.stages.sum(axis=1), 10)
        return total


@dataclass(frozen=True)
class Lines(Columns):
    """One entry per line; `disclosure` is the position in the disclosures they were made for, `recipe` -1 for the unpriced extra line."""

    disclosure: np.ndarray
    line_no: np.ndarray
    recipe: np.ndarray
    quantity: np.ndarray
    supplier: np.ndarray
    is_primary: np.ndarray


def make_frame(facts: Facts, enterprises: int, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Main product of every enterprise, and who disclosed which product in which year: aligned arrays without figures yet."""
    main, second = choose_products(facts, enterprises, rng)
    owner = np.concatenate([np.arange(enterprises), np.flatnonzero(second >= 0)])
    product = np.concatenate([main, second[second >= 0]])
    order = np.lexsort((product, owner))
    owner, product = owner[order], product[order]
    pairs = len(owner)
    has_grave = facts.count_recipe_lines(gate_only=False) > facts.count_recipe_lines(gate_only=True)
    spread = np.array([float(row["spread"]) for row in facts.products])
    typical = np.array([float(row["typical_output"]) for row in facts.products])
    units = np.array([facts.catalogue[code]["declared_unit"] for code in facts.product_codes])
    other_share = np.array([OTHER_UNIT_SHARE.get(unit, 0.0) for unit in units])
    other_scale = np.array([DECLARED_INSTEAD.get(unit, ("", 1.0))[1] for unit in units])
    first_year = rng.choice([0, 1, 2, 3], size=pairs, p=[0.8, 0.1, 0.07, 0.03])
    last_year = np.maximum(first_year, rng.choice([2, 3], size=pairs, p=[0.1, 0.9]))
    gwp_by_enterprise = rng.choice(["AR6", "AR5", "AR4"], size=enterprises, p=[0.68, 0.29, 0.03])
    by_pair = {
        "is_grave": has_grave[product] & (rng.random(pairs) < GRAVE_SHARE),
        "gwp_set": gwp_by_enterprise[owner],
        "scale": np.where(rng.random(pairs) < other_share[product], other_scale[product], 1.0),
        "effect": rng.lognormal(0.0, spread[product]),
        "output": typical[product] * rng.lognormal(0.0, 0.7, pairs),
    }
    grid = np.arange(len(YEARS))
    pair_index, year = np.nonzero((grid >= first_year[:, None]) & (grid <= last_year[:, None]))
    sites = 1 + (rng.random(len(year)) < SITE_SHARE)
    is_second_site = np.concatenate([np.zeros(len(year), bool), np.ones((sites == 2).sum(), bool)])
    chosen = np.concatenate([np.arange(len(year)), np.flatnonzero(sites == 2)])
    order = np.lexsort((is_second_site, chosen))
    chosen, is_second_site = chosen[order], is_second_site[order]
    pair_index, year = pair_index[chosen], year[chosen]
    frame = {name: values[pair_index] for name, values in by_pair.items()}
    return main, frame | {"enterprise": owner[pair_index], "product": product[pair_index], "year": year, "is_second_site": is_second_site}


def count_lines(facts: Facts, frame: dict[str, np.ndarray]) -> np.ndarray:
    gate, whole = facts.count_recipe_lines(gate_only=True), facts.count_recipe_lines(gate_only=False)
    counts: np.ndarray = np.where(frame["is_grave"], whole[frame["product"]], gate[frame["product"]])
    return counts


def cut_frame(facts: Facts, frame: dict[str, np.ndarray], lines: int) -> tuple[dict[str, np.ndarray], int]:
    """The frame of the first enterprises that together have about so many lines, and how many enterprises those are."""
    expected = count_lines(facts, frame) * (1 - NO_LINES_SHARE)
    by_enterprise = np.cumsum(np.bincount(frame["enterprise"], weights=expected))
    if by_enterprise[-1] < lines:
        raise ValueError(f"{lines} activity lines need more than {len(by_enterprise)} enterprises")
    enterprises = int(np.searchsorted(by_enterprise, lines)) + 1
    kept = frame["enterprise"] < enterprises
    return {name: values[kept] for name, values in frame.items()}, enterprises


def make_lines(facts: Facts, frame: dict[str, np.ndarray], rng: np.random.Generator) -> Lines:
    """A line per recipe line of every disclosure, quantities per declared unit in the line's unit."""
    counts = count_lines(facts, frame)
    disclosure = np.repeat(np.arange(len(counts)), counts)
    line_no = np.arange(len(disclosure)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    recipe = facts.recipe_offsets[frame["product"]][disclosure] + line_no - 1
    effect = frame["effect"] * np.exp(YEARLY_CHANGE * frame["year"]) * rng.lognormal(0.0, 0.03, len(counts))
    base = np.array([float(row["quantity"]) for row in facts.recipes])
    scale = frame["scale"][disclosure]
    quantity = base[recipe] * effect[disclosure] * rng.lognormal(0.0, 0.04, len(recipe)) * scale / relate_units(facts, recipe, scale)
    return Lines(
        disclosure=disclosure,
        line_no=line_no,
        recipe=recipe,
        quantity=round_significant(quantity),
        supplier=np.full(len(recipe), -1),
        is_primary=rng.random(len(recipe)) < 0.55,
    )


def relate_units(facts: Facts, recipe: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Unit in which a line is stated over the unit of its recipe (kg for t: 0.001); 1 where it stays."""
    factor = facts.unit_factors
    relation = {key: np.ones(len(facts.recipes)) for key in LINE_UNIT_INSTEAD}
    for key, instead in LINE_UNIT_INSTEAD.items():
        for index, row in enumerate(facts.recipes):
            relation[key][index] = factor[instead.get(row["unit"], row["unit"])] / factor[row["unit"]]
    return np.select([scale == key for key in relation], [values[recipe] for values in relation.values()], 1.0)


def sum_stages(facts: Facts, frame: dict[str, np.ndarray], lines: Lines) -> np.ndarray:
    """What the lines are worth at the first stage's factors: kgCO2e per declared unit, shape (disclosures, 5)."""
    to_base = np.array([facts.unit_factors[row["unit"]] for row in facts.recipes])
    scale = frame["scale"][lines.disclosure]
    price = price_recipes(facts)[lines.recipe, frame["year"][lines.disclosure]]
    value = lines.quantity * relate_units(facts, lines.recipe, scale) * to_base[lines.recipe] * price
    if np.isnan(value).any():
        raise ValueError("a recipe names an activity without a footprint factor")
    cell = lines.disclosure * len(STAGES) + facts.recipe_stages[lines.recipe]
    return np.bincount(cell, weights=value, minlength=len(frame["year"]) * len(STAGES)).reshape(-1, len(STAGES))


def choose_suppliers(facts: Facts, frame: dict[str, np.ndarray], lines: Lines, rng: np.random.Generator) -> np.ndarray:
    """Position of the supplying disclosure of every line, -1 for none: same year and GWP set, cradle to gate."""
    position = {code: index for index, code in enumerate(facts.product_codes)}
    wanted = np.array([position.get(row["supplier_product"], -1) for row in facts.recipes])[lines.recipe]
    wanted = np.where(rng.random(len(wanted)) < SUPPLIER_SHARE, wanted, -1)
    supplier = np.full(len(wanted), -1)
    for product in np.unique(wanted[wanted >= 0]):
        for year in range(len(YEARS)):
            for gwp_set in ("AR4", "AR5", "AR6"):
                matches = (frame["product"] == product) & (frame["year"] == year) & (frame["gwp_set"] == gwp_set) & ~frame["is_grave"]
                candidates = np.flatnonzero(matches)
                here = np.flatnonzero(
                    (wanted == product) & (frame["year"][lines.disclosure] == year) & (frame["gwp_set"][lines.disclosure] == gwp_set)
                )
                if len(candidates) and len(here):
                    supplier[here] = rng.choice(candidates, size=len(here))
    return supplier


def declare_stages(priced: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the enterprise says: near its lines, except for a few that are well off."""
    count = len(priced)
    error = np.clip(rng.normal(0.0, 0.015, count), -0.05, 0.05)
    off = rng.choice([-1.0, 1.0], count) * rng.uniform(0.13, 0.4, count)
    error = np.where(rng.random(count) < DISCREPANT_SHARE, off, error)
    return round_significant(priced * (1 + error)[:, None])


def date_periods(year: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Period start, end and instant of submission; some report a business year from July, a few half a year."""
    january = np.datetime64(f"{YEARS[0]}-01", "M") + 12 * year
    kind = rng.choice([0, 1, 2], size=len(year), p=[0.92, 0.05, 0.03])
    start = january + np.select([kind == 1], [-6], 0).astype("timedelta64[M]")
    end = (january + np.select([kind == 0], [12], 6).astype("timedelta64[M]")).astype("datetime64[D]") - 1
    submitted = end.astype("datetime64[s]") + rng.integers(60 * 86400, 168 * 86400, len(year)).astype("timedelta64[s]")
    return start.astype("datetime64[D]"), end, submitted


def make_disclosures(facts: Facts, frame: dict[str, np.ndarray], priced: np.ndarray, rng: np.random.Generator) -> Disclosures:
    """Revision 1 of every disclosure; missing figures are NaN."""
    count = len(frame["year"])
    stages = declare_stages(priced, rng)
    start, end, submitted = date_periods(frame["year"], rng)
    output = frame["output"] / frame["scale"] * np.exp(0.03 * frame["year"]) * rng.lognormal(0.0, 0.08, count)
    total = np.round(stages.sum(axis=1), 10)
    is_wood = np.isin(np.array(facts.product_codes)[frame["product"]], ["PLYWOOD", "WOOD-FLOORING", "PAPER", "TEXTILE"])
    return Disclosures(
        number=np.arange(1, count + 1),
        revision=np.ones(count, np.int64),
        **{name: frame[name] for name in ("enterprise", "product", "year", "is_grave", "is_second_site", "gwp_set", "scale")},
        output=np.where(rng.random(count) < 0.06, np.nan, round_significant(output, 5)),
        stages=stages,
        has_breakdown=rng.random(count) >= 0.08,
        removals=np.where(is_wood & (rng.random(count) < 0.5), round_significant(total * rng.uniform(0.01, 0.08, count), 4), np.nan),
        primary_share=np.where(rng.random(count) < 0.12, np.nan, np.round(np.clip(rng.beta(5, 3, count) + 0.02 * frame["year"], 0, 1), 3)),
        quality=np.where(rng.random(count) < 0.35, np.nan, np.round(rng.uniform(1.2, 4.6, count), 1)),
        verified_days_before=np.where(rng.random(count) < 0.45, rng.integers(5, 50, count), -1),
        period_start=start,
        period_end=end,
        submitted=submitted,
    )


def drop_lines(disclosures: Disclosures, lines: Lines, rng: np.random.Generator) -> Lines:
    """Some enterprises give no lines at all; some name an input that no factor prices."""
    count = len(disclosures)
    has_lines = rng.random(count) >= NO_LINES_SHARE
    kept = lines.take(np.flatnonzero(has_lines[lines.disclosure]))
    extra = np.flatnonzero(has_lines & (rng.random(count) < UNPRICED_LINE_SHARE))
    next_line = np.bincount(kept.disclosure, minlength=count)[extra] + 1
    unpriced = Lines(
        disclosure=extra,
        line_no=next_line,
        recipe=np.full(len(extra), -1),
        quantity=round_significant(disclosures.scale[extra] * rng.uniform(0.5, 3.0, len(extra)), 4),
        supplier=np.full(len(extra), -1),
        is_primary=np.ones(len(extra), bool),
    )
    joined = {field.name: np.concatenate([getattr(kept, field.name), getattr(unpriced, field.name)]) for field in fields(Lines)}
    return Lines(**joined).take(np.lexsort((joined["line_no"], joined["disclosure"])))


def revise(
    disclosures: Disclosures, lines: Lines, indices: np.ndarray, submitted: np.ndarray, rng: np.random.Generator
) -> tuple[Disclosures, Lines]:
    """The next revision of some disclosures, every figure moved alike; the lines keep pointing at the same positions."""
    factor = np.ones(len(disclosures))
    factor[indices] = rng.lognormal(0.0, 0.06, len(indices))
    taken = disclosures.take(indices)
    revised = replace(
        taken,
        revision=taken.revision + 1,
        stages=round_significant(taken.stages * factor[indices][:, None]),
        submitted=submitted,
    )
    moved = lines.take(np.flatnonzero(np.isin(lines.disclosure, indices)))
    return revised, replace(moved, quantity=round_significant(moved.quantity * factor[moved.disclosure]))
