"""Shapley values by exact enumeration, and their rounding to doubles that add up to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import factorial

Figure = Callable[[frozenset[str]], Fraction]


def coalitions(players: Sequence[str]) -> list[frozenset[str]]:
    """Every set of players, the empty one first."""
    return [frozenset(chosen) for size in range(len(players) + 1) for chosen in combinations(players, size)]


def shapley(players: Sequence[str], figure: Figure) -> dict[str, Fraction]:
    """Each player's part in `figure(all) - figure(none)`: the mean of what it adds over all orders in which they may come.

    Exact, so the parts add up exactly; all 2^n sets are asked for, once each.
    """
    n = len(players)
    values = {chosen: figure(chosen) for chosen in coalitions(players)}
    parts = {player: Fraction(0) for player in players}
    for chosen, value in values.items():
        weight = Fraction(factorial(len(chosen)) * factorial(n - len(chosen) - 1), factorial(n)) if len(chosen) < n else Fraction(0)
        for player in players:
            if player not in chosen:
                parts[player] += weight * (values[chosen | {player}] - value)
    return parts


def finest_grid(figures: Sequence[float]) -> Fraction:
    """The last binary digit that any of these doubles has room for: all of them, and their differences, are whole multiples of it."""
    exponents = [Fraction(figure).denominator for figure in figures if figure]
    return Fraction(1, max(exponents, default=1))


ROUNDING = "rounding"
_MANTISSA = 2**53


def round_parts(parts: Mapping[str, Fraction], total: Fraction, grid: Fraction) -> dict[str, float]:
    """The parts as doubles whose exact sum is `total`, a multiple of `grid`: each is rounded down to the grid, and the steps that are left
    go to those that lost most (Hamilton's method), so that none is off by a whole step.

    Where a part is too large for the grid (figures that differ by more than fifteen digits), a coarser one is taken, and what it leaves
    stands under the name `rounding`.
    """
    while any(abs(part / grid) >= _MANTISSA for part in parts.values()):
        grid *= 2
    steps = {name: part / grid for name, part in parts.items()}
    floors = {name: step.numerator // step.denominator for name, step in steps.items()}
    whole = (total / grid).numerator // (total / grid).denominator
    left = whole - sum(floors.values())
    for name in sorted(steps, key=lambda name: (floors[name] - steps[name], name))[:left]:
        floors[name] += 1
    rest = total - whole * grid
    return {name: float(floor * grid) for name, floor in floors.items()} | ({ROUNDING: float(rest)} if rest else {})
