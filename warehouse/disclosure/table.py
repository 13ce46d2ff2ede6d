"""One additive table, provinces and the country, and what about it must not be found out (methods.md M4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

PRIMARY_THRESHOLD = "primary_threshold"
PRIMARY_P_PERCENT = "primary_p_percent"
COMPLEMENTARY = "complementary"

# Figures of one cell in two releases are the same figure up to the rounding of a sum.
SAME = 1e-9
# Solvers keep a row to about 1e-6 of its size; a bound asked for with this much to spare holds exactly.
MARGIN = 1e-5


@dataclass(frozen=True)
class Rule:
    """The thresholds in force: seed rows, never constants (seed `disclosure_rule`)."""

    minimum_enterprises: int
    p_share: float
    protection_share: float


@dataclass(frozen=True)
class Cells:
    """Per cell: how many enterprises, their summed, largest and second largest contribution, in one unit. A disclosure without output
    contributes 0; an enterprise's contribution is the sum of its disclosures in the cell."""

    enterprise_count: npt.NDArray[np.int64]
    total: Numbers
    largest: Numbers
    second: Numbers


def find_primary(cells: Cells, rule: Rule) -> list[str | None]:
    """Why each cell is unsafe by itself. The p % rule: the second largest, who knows its own figure, must not come within p % of the
    largest by taking the others for nothing."""
    few = cells.enterprise_count < rule.minimum_enterprises
    # What remains is a difference of sums: rounding may take it below 0 and must not take it above what it is.
    rest = cells.total - cells.largest - cells.second
    dominated = rest < rule.p_share * cells.largest * (1 + SAME)
    dominated &= cells.largest > 0
    return [PRIMARY_THRESHOLD if low else PRIMARY_P_PERCENT if one else None for low, one in zip(few, dominated, strict=True)]


@dataclass(frozen=True)
class Table:
    """A table of one product, boundary, GWP set and year.

    The country is the sum of the provinces and of `unplaced`, the enterprises without a known province, which have no cell of their own:
    where every province and the country are published, their total is the difference. `is_unplaced_unsafe` says that it needs protection.
    A province without a row has no disclosures, which everybody sees: it is known to be 0.
    """

    provinces: tuple[str, ...]
    totals: Numbers
    is_primary: Flags
    country: float
    is_country_primary: bool
    unplaced: float = 0.0
    is_unplaced_unsafe: bool = False

    @property
    def weights(self) -> Numbers:
        """What the suppression of each cell loses; the country comes last."""
        return np.append(self.totals, self.country)

    @property
    def primary(self) -> Flags:
        return np.append(self.is_primary, self.is_country_primary)


def needs(table: Table, rule: Rule) -> Numbers:
    """How far from its value each cell must be able to lie, up and down; the country last."""
    return rule.protection_share * table.weights * (1 + MARGIN)


def list_rows(table: Table, rule: Rule) -> tuple[npt.NDArray[np.float64], Numbers]:
    """The rows `A·x ≥ b` that hold exactly for the safe choices x of cells (country last), by what one release publishes.

    A suppressed province can be larger than it is by what the other suppressed provinces can give up, all of their totals, or by anything
    where the country is suppressed; that something can be given up also lets it fall to 0. An attacker who happens to know `unplaced`
    gains nothing, so nothing of it counts. The country can be smaller by what is suppressed in it, and larger by anything.
    """
    count = len(table.totals)
    need = needs(table, rule)
    rows: list[Numbers] = []
    bounds: list[float] = []
    for cell in range(count):
        if need[cell] > 0:
            row = np.append(np.minimum(table.totals / need[cell], 1.0), 1.0)
            row[cell] = -1.0
            rows.append(row)
            bounds.append(0.0)
    if need[count] > 0:
        rows.append(np.append(np.minimum(table.totals / need[count], 1.0), -1.0))
        bounds.append(-min(table.unplaced / need[count], 1.0))
    if table.is_unplaced_unsafe and table.unplaced > 0:
        wanted = rule.protection_share * table.unplaced * (1 + MARGIN)
        rows.append(np.append(np.minimum(table.totals / wanted, 1.0), 1.0))
        bounds.append(1.0)
    return np.array(rows).reshape(len(rows), count + 1), np.array(bounds)


def is_safe(table: Table, suppressed: Flags, rule: Rule) -> bool:
    """Whether a choice keeps every interval wide, from this release alone; counted in plain sums, without a solver."""
    if (table.primary & ~suppressed).any():
        return False
    need = rule.protection_share * table.weights * (1 + MARGIN / 2)
    inside, is_country = suppressed[:-1], bool(suppressed[-1])
    withheld = float(table.totals[inside].sum())
    if is_country:
        return bool(withheld + table.unplaced >= need[-1])
    others = withheld - table.totals[inside]
    unplaced_need = rule.protection_share * table.unplaced if table.is_unplaced_unsafe else 0.0
    return bool((others >= need[:-1][inside]).all()) and withheld >= unplaced_need


def join_reasons(primary: Sequence[str | None], suppressed: Flags) -> list[str | None]:
    """The published reason of each cell."""
    return [reason or (COMPLEMENTARY if chosen else None) for reason, chosen in zip(primary, suppressed, strict=True)]
