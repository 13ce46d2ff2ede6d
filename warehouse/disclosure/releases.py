"""What earlier public releases tell about a table of this one (methods.md M4).

A figure that did not change between two releases is one unknown, not two: whoever withheld it at first and publishes it later gives away
what was hidden behind it. So the attacker is granted to know which figures are unchanged, and solves all releases together.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, csr_matrix

from warehouse.disclosure.table import SAME, Flags, Numbers, Rule, Table, needs

COUNTRY = "000000"
UNPLACED = "unplaced"
# How far a figure can rise that nothing bounds, in sums of everything in the table.
FAR = 10.0
PRECISE = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True)
class Version:
    """A table as it was once public. `is_published` says which totals were shown; `codes` include the country, and `unplaced` if any."""

    codes: tuple[str, ...]
    totals: Numbers
    is_published: Flags
    is_protected: Flags  # withheld for a reason, so that it must stay unknown


def find_pattern(table: Table, earlier: Sequence[Version]) -> Flags | None:
    """The choice of an earlier release whose figures were all the same as now; of several the one that hides least."""
    codes = (*table.provinces, COUNTRY)
    now = dict(zip(codes, table.weights, strict=True)) | ({UNPLACED: table.unplaced} if table.unplaced else {})
    found = []
    for version in earlier:
        then = {code: total for code, total in zip(version.codes, version.totals, strict=True) if code != UNPLACED or total}
        if then.keys() == now.keys() and all(abs(then[code] - now[code]) <= SAME * abs(now[code]) for code in now):
            published = dict(zip(version.codes, version.is_published, strict=True))
            found.append(np.array([not published[code] for code in codes]))
    return min(found, key=lambda pattern: (float(table.weights[pattern].sum()), pattern.tolist()), default=None)


class Attack:
    """The linear programme over all releases of one table, asked from the side of who publishes.

    Unknowns are distances from the true values, one per distinct figure of a cell. Each is free or fixed by the choice of cells now
    (`_cell` names the cell), or whatever the choice (−1 free, −2 fixed).
    """

    def __init__(self, table: Table, rule: Rule, earlier: Sequence[Version]) -> None:
        self._table = table
        self._place = {code: place for place, code in enumerate((*table.provinces, COUNTRY))}
        self._numbers: dict[str, list[int]] = {}
        self._values: list[float] = []
        self._names: list[str] = []
        self._known: list[bool] = []
        self._wanted: list[bool] = []
        self._cell: list[int] = []
        rows = [self._add(code, total, known=False, wanted=True, place=place) for (code, place), total in self._now()]
        equations = [rows]
        if table.unplaced:
            equations[0] = [*rows, self._add(UNPLACED, table.unplaced, known=False, wanted=table.is_unplaced_unsafe, place=-1)]
        for version in earlier:
            cells = zip(version.codes, version.totals, version.is_published, version.is_protected, strict=True)
            equations.append([self._add(code, total, bool(shown), bool(kept), -1) for code, total, shown, kept in cells])
        self._equations = self._keep_linked(equations)
        self.values = np.array(self._values)
        self._need = np.array(self._values) * rule.protection_share
        self._need[: len(rows)] = needs(table, rule)
        self._is_told = np.array(self._known[: len(rows)])
        self._matrix = self._build_matrix()

    def _now(self) -> list[tuple[tuple[str, int], float]]:
        return list(zip(self._place.items(), self._table.weights, strict=True))

    def _add(self, code: str, total: float, known: bool, wanted: bool, place: int) -> int:
        """The unknown of a figure: a new one, or that of the same cell with the same value in another release."""
        for number in self._numbers.setdefault(code, []):
            if abs(self._values[number] - total) <= SAME * max(abs(self._values[number]), abs(total)):
                self._known[number] |= known
                self._wanted[number] |= wanted
                return number
        self._numbers[code].append(len(self._names))
        self._names.append(code)
        self._values.append(float(total))
        self._known.append(known or (total == 0 and place < 0))
        self._wanted.append(wanted)
        self._cell.append(place)
        return len(self._names) - 1

    def _keep_linked(self, equations: list[list[int]]) -> list[list[int]]:
        """The releases that share a figure nobody was shown with this one, directly or through others; what the rest tells cannot change."""
        hidden = [{place for place in row if not self._known[place] and self._values[place] > 0} for row in equations]
        linked, kept, waiting = hidden[0], [0], set(range(1, len(equations)))
        while joined := {number for number in waiting if linked & hidden[number]}:
            linked = linked.union(*(hidden[number] for number in joined))
            kept += sorted(joined)
            waiting -= joined
        return [equations[number] for number in kept]

    def can_tell(self, chosen: Flags) -> bool:
        """Whether earlier releases say anything about a choice beyond what this one says."""
        return len(self._equations) > 1 or bool((self._is_told & chosen).any())

    def _build_matrix(self) -> csr_matrix:
        entries = [
            (number, place, 1.0 if self._names[place] == COUNTRY else -1.0) for number, row in enumerate(self._equations) for place in row
        ]
        row, column, sign = (np.array(part) for part in zip(*entries, strict=True))
        return csr_matrix(coo_matrix((sign, (row, column)), shape=(len(self._equations), len(self._names))))

    def _list_targets(self, chosen: Flags) -> list[int]:
        linked = {place for row in self._equations for place in row}
        return [
            number
            for number in sorted(linked)
            if self._wanted[number]
            and self._values[number] > 0
            and (self._cell[number] < 0 or chosen[self._cell[number]])
            # A figure shown before and shown now is no secret; one shown before and withheld now is lost, and found to be so.
            and not (self._known[number] and self._cell[number] < 0)
        ]

    def _reach(self, target: int, chosen: Flags, sign: float) -> tuple[float, Numbers]:
        """How far the target can go up (sign 1) or down (−1), at most twice its need, and the reduced costs that prove it."""
        upper, lower = self._bounds(target)
        is_free = np.array([not known and (cell < 0 or bool(chosen[cell])) for known, cell in zip(self._known, self._cell, strict=True)])
        is_free &= self._counts(target)
        cost = np.zeros(len(self.values))
        cost[target] = -sign
        scale = float(self.values.max()) or 1.0
        limits = np.column_stack([np.where(is_free, -lower, 0.0), np.where(is_free, upper, 0.0)]) / scale
        found = linprog(cost, A_eq=self._matrix, b_eq=np.zeros(self._matrix.shape[0]), bounds=limits, method="highs", options=PRECISE)
        if found.status != 0:
            return 0.0, np.zeros(len(self.values))
        return float(-found.fun) * scale, cost - self._matrix.T @ found.eqlin.marginals

    def _counts(self, target: int) -> Flags:
        """Whom the attacker must not be assumed to be ignorant of: `unplaced` protects only the country and itself."""
        if self._names[target] in (COUNTRY, UNPLACED):
            return np.ones(len(self._names), dtype=np.bool_)
        return np.array([name != UNPLACED for name in self._names])

    def _bounds(self, target: int) -> tuple[Numbers, Numbers]:
        upper = np.full(len(self.values), FAR * float(self.values.sum()))
        upper[target] = 2 * self._need[target]
        lower = self.values.copy()
        return upper, lower

    def _violations(self, chosen: Flags, targets: Sequence[int]) -> list[tuple[int, float, Numbers]]:
        found = []
        for target in targets:
            for sign in (1.0, -1.0):
                reach, costs = self._reach(target, chosen, sign)
                if reach < self._need[target] * (1 - SAME):
                    found.append((target, sign, costs))
        return found

    def find_lost(self) -> set[int]:
        """Figures that would be found out whatever is withheld now: earlier releases told them."""
        everything = np.ones(len(self._table.weights), dtype=np.bool_)
        return {target for target, _, _ in self._violations(everything, self._list_targets(everything))}

    def find_cuts(self, chosen: Flags, lost: set[int], ends: float) -> list[tuple[Numbers, float]] | None:
        """Rows `a·x ≥ b` that the choice breaks and every safe one keeps; none where it is safe, None where time ran out."""
        cuts = []
        for target in self._list_targets(chosen):
            if time.monotonic() > ends:
                return None
            if target not in lost:
                cuts += [self._cut(number, costs) for number, _, costs in self._violations(chosen, [target])]
        return cuts

    def _cut(self, target: int, costs: Numbers) -> tuple[Numbers, float]:
        """By weak duality a target moves no farther than its reduced costs allow, whatever is chosen."""
        upper, lower = self._bounds(target)
        capacity = np.where(costs > 0, costs * lower, -costs * upper) * self._counts(target)
        need = self._need[target]
        row = np.zeros(len(self._table.weights))
        always = 0.0
        for number, amount in enumerate(capacity):
            if amount > 0 and not self._known[number]:
                if self._cell[number] < 0:
                    always += amount
                else:
                    row[self._cell[number]] += amount
        left = max(need - always, 0.0)
        if left == 0:
            return row, 0.0
        row = np.minimum(row / left, 1.0)
        if self._cell[target] < 0:
            return row, 1.0
        row[self._cell[target]] -= 1.0
        return row, 0.0
