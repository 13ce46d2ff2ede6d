"""The synthetic country, drawn once before it is split into deliveries."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from warehouse.demonstration.enterprises import make_enterprises
from warehouse.demonstration.facts import YEARS, Facts, load_facts
from warehouse.demonstration.footprints import (
    Disclosures,
    Lines,
    choose_suppliers,
    cut_frame,
    drop_lines,
    make_disclosures,
    make_frame,
    make_lines,
    sum_stages,
)
from warehouse.demonstration.quotes import make_quotes
from warehouse.demonstration.tables import write_footprints, write_lines

MINIMUM_ENTERPRISES = 120  # so that some product has the disclosures that an outlier is measured against
LINES_PER_ENTERPRISE_AT_LEAST = 15


@dataclass(frozen=True)
class Country:
    """Everything drawn once, before it is split into deliveries."""

    facts: Facts
    seed: int
    enterprises: pa.Table
    main: np.ndarray  # index of every enterprise's main product
    base: Disclosures
    lines: Lines

    @property
    def enterprise_ids(self) -> pa.Array:
        return self.enterprises["enterprise_id"].combine_chunks()

    @property
    def provinces(self) -> np.ndarray:
        return np.array(self.enterprises["province_code"].to_pylist())

    def show_footprints(self, disclosures: Disclosures) -> pa.Table:
        return write_footprints(self.facts, self.enterprise_ids, disclosures)

    def show_lines(self, lines: Lines, revision: int) -> pa.Table:
        return write_lines(self.facts, self.provinces, self.base, lines, np.full(len(lines), revision))

    def show_quotes(self, first_month: str, last_month: str) -> pa.Table:
        return make_quotes(self.facts, first_month, last_month, np.random.default_rng([self.seed, 3]))


@dataclass(frozen=True)
class Split:
    """Positions of the disclosures that arrive out of the ordinary."""

    late: np.ndarray  # of the newest year, first seen in the second stage
    revised_early: np.ndarray  # revision 2 already in the first stage
    withheld: np.ndarray  # of those, revision 1 arrives after revision 2
    revised_late: np.ndarray  # revision 2 in the second stage


def draw_country(enterprises: int, seed: int, lines: int | None) -> Country:
    facts = load_facts()
    rng = np.random.default_rng([seed, 1])
    if lines is not None:
        enterprises = max(MINIMUM_ENTERPRISES, math.ceil(lines / LINES_PER_ENTERPRISE_AT_LEAST))
    main, frame = make_frame(facts, enterprises, rng)
    if lines is not None:
        frame, enterprises = cut_frame(facts, frame, lines)
        enterprises = max(enterprises, MINIMUM_ENTERPRISES)
    table = make_enterprises(facts, main[:enterprises], rng)
    all_lines = make_lines(facts, frame, rng)
    base = make_disclosures(facts, frame, sum_stages(facts, frame, all_lines), rng)
    all_lines = replace(all_lines, supplier=choose_suppliers(facts, frame, all_lines, rng))
    return Country(facts, seed, table, main[:enterprises], base, drop_lines(base, all_lines, rng))


def draw_share(positions: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A share of the positions, at least three so that small worlds show it too; ascending."""
    return np.sort(rng.choice(positions, size=max(3, round(share * len(positions))), replace=False))


def split_disclosures(country: Country, rng: np.random.Generator) -> Split:
    everyone = np.arange(len(country.base))
    newest = country.base.year == len(YEARS) - 1
    has_lines = np.isin(everyone, country.lines.disclosure)
    revised_early = draw_share(everyone[~newest & has_lines], 0.02, rng)
    late = draw_share(everyone[newest], 0.04, rng)
    recent = country.base.year >= len(YEARS) - 2
    candidates = everyone[recent & has_lines & ~np.isin(everyone, np.concatenate([revised_early, late]))]
    return Split(late, revised_early, revised_early[:3], draw_share(candidates, 0.04, rng))


def select_lines(lines: Lines, positions: np.ndarray, count: int) -> Lines:
    wanted = np.zeros(count, bool)
    wanted[positions] = True
    return lines.take(np.flatnonzero(wanted[lines.disclosure]))
