"""The least loss: an integer programme over the cells of one table, HiGHS behind it (methods.md M4).

Rows are known beforehand where only this release counts. Over several releases they are found one by one: an attack that succeeds on the
choice at hand has a dual solution, and that is the row which forbids the choice (Fischetti and Salazar-González's cuts).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from warehouse.disclosure.releases import Attack, Version, find_pattern
from warehouse.disclosure.table import Flags, Numbers, Rule, Table, is_safe, list_rows

EXACT = "exact"
EVERYTHING = "everything"  # no answer in time, or none that holds: the whole table is withheld, which is always safe
UNCHANGED = "unchanged"
NOTHING = "nothing"
# The largest cost given to the solver, whose absolute gap is 1e-6.
FINENESS = 1000.0


@dataclass(frozen=True)
class Choice:
    """The suppressed cells, country last, and how they were found. `lost_count` figures were public before and cannot be taken back."""

    suppressed: Flags
    how: str
    lost_count: int = 0


def solve_rows(weights: Numbers, fixed: Flags, rows: Numbers, bounds: Numbers, seconds: float) -> Flags | None:
    """The lightest choice that satisfies all rows, or None where none was proven in time.

    Cells of total 0 give nothing to hide behind: they are suppressed only for themselves. The solver tells two losses apart only down to a
    millionth of the largest weight, and one huge total makes all small ones look alike: so whatever alone weighs more than the loss found
    is left out and the rest is solved again, until nothing is so large.
    """
    ends = time.monotonic() + seconds
    costs = np.where(fixed, 0.0, weights)
    chosen: Flags | None = None
    loss = float(costs.max(initial=0.0))
    largest = np.inf
    while chosen is None or largest > loss > 0:
        usable = fixed | ((weights > 0) & (costs <= loss))
        largest = float(costs[usable].max(initial=0.0))
        found = milp(
            costs * (FINENESS / (largest or 1.0)),
            integrality=np.ones(len(weights)),
            bounds=Bounds(fixed.astype(np.float64), usable.astype(np.float64)),
            constraints=[LinearConstraint(rows, lb=bounds)] if len(rows) else (),
            options={"time_limit": max(ends - time.monotonic(), 0.01), "mip_rel_gap": 0.0},
        )
        if found.status != 0 or found.x is None:
            return None
        chosen = np.asarray(found.x > 0.5)
        loss = float(costs[chosen].sum())
    return chosen


def choose_suppressed(table: Table, rule: Rule, earlier: Sequence[Version] = (), seconds: float = 20.0) -> Choice:
    """Which cells to withhold: the primary ones, and with them the least total that keeps every interval wide.

    Args:
        earlier: what has been public of this table, in any order.
        seconds: after which the whole table is withheld instead.
    """
    ends = time.monotonic() + seconds
    everything = np.ones(len(table.weights), dtype=np.bool_)
    before = find_pattern(table, earlier)
    if before is not None and is_safe(table, before, rule):
        # Already public: to publish the same once more tells nothing, and another choice would only add to what is known.
        return Choice(before, UNCHANGED if before.any() else NOTHING)
    chosen, how = _choose_alone(table, rule, seconds, everything)
    attack = Attack(table, rule, earlier)
    if not attack.can_tell(chosen):
        return Choice(chosen, how)
    lost = attack.find_lost()
    rows, bounds = list_rows(table, rule)
    while True:
        cuts = attack.find_cuts(chosen, lost, ends)
        if cuts is not None and not cuts:
            return Choice(chosen, how, len(lost))
        if cuts is None or time.monotonic() > ends or chosen.all():
            return Choice(everything, EVERYTHING, len(lost))
        if all(float(row @ chosen) >= bound for row, bound in cuts):
            return Choice(everything, EVERYTHING, len(lost))
        rows = np.vstack([rows, *(row for row, _ in cuts)])
        bounds = np.append(bounds, [bound for _, bound in cuts])
        solved = solve_rows(table.weights, table.primary, rows, bounds, ends - time.monotonic())
        chosen, how = (everything, EVERYTHING) if solved is None else (solved, EXACT)
        if solved is not None and not is_safe(table, chosen, rule):
            return Choice(everything, EVERYTHING, len(lost))


def _choose_alone(table: Table, rule: Rule, seconds: float, everything: Flags) -> tuple[Flags, str]:
    """The choice by this release alone."""
    if is_safe(table, table.primary, rule):
        return table.primary, EXACT if table.primary.any() else NOTHING
    solved = solve_rows(table.weights, table.primary, *list_rows(table, rule), seconds)
    if solved is not None and is_safe(table, solved, rule):
        return solved, EXACT
    return everything, EVERYTHING
