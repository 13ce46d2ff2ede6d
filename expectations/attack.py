"""The reader who solves for what a public table withholds (reliability contract R15).

Written from the side of the attacker and apart from the code that decides what is withheld: it takes the published figures, writes down
that provinces and what has no province add up to the country and that no total is negative, and asks a linear programme how low and how
high each withheld total can be. It is granted to know which figures did not change between releases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import block_diag, csr_matrix

COUNTRY = "000000"
# Totals beyond this many times everything in a table are not worth telling apart from infinity.
CEILING = 100.0
UNCHANGED = 1e-9


@dataclass(frozen=True)
class Publication:
    """One release's table. `shown` and `withheld` map a province code to the total; withheld totals are the truth, by which the attack is
    judged, not what it starts from. `unplaced` is the total that no cell shows, and `is_unplaced_sought` whether it must stay unknown."""

    shown: Mapping[str, float]
    withheld: Mapping[str, float]
    unplaced: float = 0.0
    is_unplaced_sought: bool = False


@dataclass(frozen=True)
class Interval:
    """What the attack found about one withheld total: of which table, whose, how much, and between which bounds."""

    table: str
    province_code: str
    truth: float
    low: float
    high: float

    def is_recovered(self, share: float) -> bool:
        """Whether the bounds come closer to the truth than the share allows; the last digits of a solver decide nothing."""
        slack = UNCHANGED * self.truth
        return self.truth > 0 and (self.low > (1 - share) * self.truth + slack or self.high < (1 + share) * self.truth - slack)


@dataclass
class _System:
    """The equations of one table over all its releases, in units of its largest unknown."""

    name: str
    codes: list[str] = field(default_factory=list)
    truths: list[float] = field(default_factory=list)
    values_shown: list[bool] = field(default_factory=list)
    sought: list[int] = field(default_factory=list)
    rows: list[dict[int, float]] = field(default_factory=list)
    unplaced: set[int] = field(default_factory=set)

    def name_unknown(self, code: str, truth: float) -> int:
        for place, known in enumerate(self.codes):
            if known == code and abs(self.truths[place] - truth) <= UNCHANGED * max(self.truths[place], truth):
                return place
        self.codes.append(code)
        self.truths.append(truth)
        self.values_shown.append(False)
        return len(self.codes) - 1

    def read(self, publication: Publication) -> None:
        row: dict[int, float] = {}
        for figures, is_shown in ((publication.shown, True), (publication.withheld, False)):
            for code, total in figures.items():
                place = self.name_unknown(code, total)
                row[place] = -1.0 if code == COUNTRY else 1.0
                self.values_shown[place] |= is_shown
                if not is_shown and place not in self.sought:
                    self.sought.append(place)
        # Everybody knows that there may be enterprises without a province, whether there are any or not.
        place = self.name_unknown("", publication.unplaced)
        self.unplaced.add(place)
        if publication.is_unplaced_sought and place not in self.sought:
            self.sought.append(place)
        row[place] = 1.0
        self.rows.append(row)

    def forget_shown(self, newest: Publication) -> None:
        """What an earlier release withheld and another shows by decision is no secret any more, unless the newest one withholds it."""
        now = {self.name_unknown(code, truth) for code, truth in newest.withheld.items()}
        self.sought = [place for place in self.sought if place in now or not self.values_shown[place]]

    @property
    def scale(self) -> float:
        hidden = [truth for truth, shown in zip(self.truths, self.values_shown, strict=True) if not shown]
        return max(hidden, default=0.0) or max(self.truths, default=0.0) or 1.0

    def write_equations(self) -> tuple[csr_matrix, list[float]]:
        """Coefficients of what is not shown, and what the shown figures leave for it."""
        matrix = np.zeros((len(self.rows), len(self.codes)))
        right = []
        for number, row in enumerate(self.rows):
            left = 0.0
            for place, sign in row.items():
                if self.values_shown[place]:
                    left -= sign * self.truths[place]
                else:
                    matrix[number, place] = sign
            right.append(left / self.scale)
        return csr_matrix(matrix), right

    def limit(self, target: int | None) -> list[tuple[float, float]]:
        """Bounds of the unknowns. Whoever looks for a province may know what has no province; else nobody does."""
        ceiling = CEILING * (sum(self.truths) / self.scale + 1)
        may_know = target is not None and target not in self.unplaced and self.codes[target] != COUNTRY
        bounds = []
        for place, truth in enumerate(self.truths):
            if self.values_shown[place]:
                bounds.append((0.0, 0.0))
            elif may_know and place in self.unplaced:
                bounds.append((truth / self.scale, truth / self.scale))
            else:
                bounds.append((0.0, ceiling))
        return bounds


class AttackUnsolved(RuntimeError):
    """The published figures contradict each other, or the programme ended without an answer."""


def solve_bounds(tables: Mapping[str, Sequence[Publication]]) -> list[Interval]:
    """Bounds of every withheld total, from the publications of each table (the newest first).

    Tables share nothing, so one programme over all of them answers for one target in each; there are as many rounds as the table with
    the most targets has.

    Raises:
        AttackUnsolved: the programme had no solution.
    """
    systems = []
    for name, publications in tables.items():
        system = _System(name)
        for publication in publications:
            system.read(publication)
        system.forget_shown(publications[0])
        systems.append(system)
    systems = sorted((system for system in systems if system.sought), key=lambda system: -len(system.sought))
    written = [system.write_equations() for system in systems]
    found = []
    for turn in range(max((len(system.sought) for system in systems), default=0)):
        now = [number for number, system in enumerate(systems) if len(system.sought) > turn]
        matrix = block_diag([written[number][0] for number in now], format="csr")
        right = np.concatenate([written[number][1] for number in now])
        lows, highs = (_solve_turn([systems[number] for number in now], turn, matrix, right, sign) for sign in (1.0, -1.0))
        for number, low, high in zip(now, lows, highs, strict=True):
            system = systems[number]
            place = system.sought[turn]
            found.append(Interval(system.name, system.codes[place], system.truths[place], low * system.scale, high * system.scale))
    return found


def _solve_turn(systems: Sequence[_System], turn: int, matrix: csr_matrix, right: np.ndarray, sign: float) -> list[float]:
    bounds, targets, shown, start = [], [], [], 0
    for system in systems:
        target = system.sought[turn]
        bounds += system.limit(target)
        targets.append(start + target)
        shown.append(system.truths[target] / system.scale if system.values_shown[target] else None)
        start += len(system.codes)
    cost = np.zeros(start)
    cost[targets] = sign
    answer = linprog(cost, A_eq=matrix, b_eq=right, bounds=np.array(bounds), method="highs")
    if answer.status != 0:
        raise AttackUnsolved(f"the published totals admit no solution: {answer.message}")
    # A figure that one release withheld and another showed unchanged is known.
    return [float(answer.x[place]) if known is None else known for place, known in zip(targets, shown, strict=True)]
