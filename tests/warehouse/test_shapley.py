"""Parts of a move: equal to brute force over all orders, whatever the order, and adding up to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import permutations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from warehouse.comparison.shapley import ROUNDING, coalitions, finest_grid, round_parts, shapley

FIGURES = st.floats(min_value=1e-12, max_value=1e9) | st.just(0.0)  # of one declared unit, from a screw to a power station


def random_game(seed: int, players: list[str]) -> Callable[[frozenset[str]], Fraction]:
    """A figure for every set, with no structure at all."""
    random = Random(seed)
    figures = {chosen: Fraction(random.uniform(-1e3, 1e3)) for chosen in coalitions(players)}
    return lambda chosen: figures[chosen]


def brute_force(players: list[str], figure: Callable[[frozenset[str]], Fraction]) -> dict[str, Fraction]:
    """The definition: what each adds when its turn comes, over all orders."""
    orders = list(permutations(players))
    parts = dict.fromkeys(players, Fraction(0))
    for order in orders:
        came: frozenset[str] = frozenset()
        for player in order:
            parts[player] += figure(came | {player}) - figure(came)
            came |= {player}
    return {player: part / len(orders) for player, part in parts.items()}


def test_parts_equal_brute_force_over_all_orders() -> None:
    for count in range(1, 7):
        players = [f"cause_{number}" for number in range(count)]
        for seed in range(8):
            figure = random_game(seed, players)
            assert shapley(players, figure) == brute_force(players, figure)


def test_order_of_causes_changes_no_part() -> None:
    players = ["a", "b", "c", "d"]
    figure = random_game(1, players)
    expected = shapley(players, figure)
    assert all(shapley(list(order), figure) == expected for order in permutations(players))


def test_cause_that_changes_nothing_has_no_part() -> None:
    figure = random_game(3, ["a", "b"])
    assert shapley(["a", "idle", "b"], lambda chosen: figure(chosen - {"idle"}))["idle"] == 0


@given(st.integers(), st.lists(FIGURES, min_size=2, max_size=2))
def test_rounded_parts_add_up_to_the_last_bit(seed: int, ends: list[float]) -> None:
    """Whatever lies between the two figures; no part is off by more than one step of the grid."""
    players = ["a", "b", "c", "d"]
    between = random_game(seed, players)
    whole = frozenset(players)

    def figure(chosen: frozenset[str]) -> Fraction:
        return Fraction(ends[0]) if not chosen else Fraction(ends[1]) if chosen == whole else between(chosen)

    parts = shapley(players, figure)
    total = Fraction(ends[1]) - Fraction(ends[0])
    grid = finest_grid(ends)
    rounded = round_parts(parts, total, grid)
    assert sum(map(Fraction, rounded.values())) == total
    if ROUNDING not in rounded:
        step = max([grid, *(abs(part) / 2**51 for part in parts.values())])
        assert all(abs(Fraction(rounded[player]) - parts[player]) <= step for player in players)


def test_figures_of_very_different_size_leave_their_rest_under_its_name() -> None:
    ends = [1e12, 1.2345678901234567e-12]
    total = Fraction(ends[1]) - Fraction(ends[0])
    rounded = round_parts({"a": total / 3, "b": total * 2 / 3}, total, finest_grid(ends))
    assert sum(map(Fraction, rounded.values())) == total
    assert abs(rounded[ROUNDING]) < 1e-3
