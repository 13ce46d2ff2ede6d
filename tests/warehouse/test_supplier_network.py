"""The supplier network against figures that can be worked out by hand, and against an exact solution in fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse import supplier_network
from warehouse.supplier_network import Network, Solution, solve_network

Link = tuple[int, int, float]


def solve(own: list[float], links: list[Link], **given: list[float]) -> Solution:
    """A network whose disclosures are complete and declare 100 kg unless said; links are buyer, supplier, quantity, 10 % uncertain."""
    count = len(own)
    buyer, supplier, quantity = zip(*links, strict=True) if links else ((), (), ())
    return solve_network(
        Network(
            own_kg_co2e=np.array(own, dtype=np.float64),
            own_variance=np.array(given.get("variance", [0.0] * count), dtype=np.float64),
            declared_kg_co2e=np.array(given.get("declared", [100.0] * count), dtype=np.float64),
            is_complete=np.array(given.get("complete", [True] * count), dtype=np.bool_),
            link_buyer=np.array(buyer, dtype=np.int64),
            link_supplier=np.array(supplier, dtype=np.int64),
            link_quantity=np.array(quantity, dtype=np.float64),
            link_uncertainty_pct=np.array(given.get("uncertainty", [10.0] * len(links)), dtype=np.float64),
        )
    )


def solve_exactly(own: list[float], links: list[Link]) -> list[Fraction]:
    """The same in fractions, by elimination."""
    count = len(own)
    rows = [[Fraction(int(i == j)) for j in range(count)] + [Fraction(own[i])] for i in range(count)]
    for buyer, supplier, quantity in links:
        rows[buyer][supplier] -= Fraction(quantity)
    for pivot in range(count):
        swap = next(row for row in range(pivot, count) if rows[row][pivot] != 0)
        rows[pivot], rows[swap] = rows[swap], rows[pivot]
        rows[pivot] = [value / rows[pivot][pivot] for value in rows[pivot]]
        for row in range(count):
            if row != pivot and rows[row][pivot] != 0:
                rows[row] = [value - rows[row][pivot] * top for value, top in zip(rows[row], rows[pivot], strict=True)]
    return [row[-1] for row in rows]


def test_chain_adds_up_from_the_first_supplier() -> None:
    solution = solve([1.0, 2.0, 4.0], [(0, 1, 0.5), (1, 2, 0.25)])
    assert solution.recalculated_kg_co2e.tolist() == [2.5, 3.0, 4.0]
    assert solution.supplier_depth.tolist() == [2, 1, 0]
    assert not solution.is_divergent_loop.any()


def test_loop_is_solved_and_counts_as_one_level() -> None:
    solution = solve([1.0, 1.0, 8.0, 0.0], [(0, 1, 0.5), (1, 0, 0.5), (1, 2, 0.125), (3, 0, 1.0)])
    # x0 = 1 + x1 / 2 and x1 = 1 + x0 / 2 + 8 / 8: 8/3 and 10/3
    assert solution.recalculated_kg_co2e == pytest.approx([8 / 3, 10 / 3, 8.0, 8 / 3], rel=1e-15)
    assert solution.supplier_depth.tolist() == [1, 1, 0, 2]


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_loop_with_a_gain_of_one_or_more_enters_everywhere_with_declared_totals(gain: float) -> None:
    solution = solve([1.0, 2.0, 0.0], [(0, 1, 2.0 * gain), (1, 0, 0.5), (2, 0, 1.0)], declared=[10.0, 20.0, 30.0])
    assert solution.is_divergent_loop.tolist() == [True, True, False]
    assert solution.recalculated_kg_co2e.tolist() == [1.0 + 40.0 * gain, 7.0, 10.0]


def test_loop_just_below_a_gain_of_one_is_solved() -> None:
    solution = solve([1.0, 0.0], [(0, 1, 0.999999), (1, 0, 1.0)])
    assert not solution.is_divergent_loop.any()
    assert solution.recalculated_kg_co2e == pytest.approx([1e6, 1e6], rel=1e-9)


def test_disclosure_that_buys_from_itself_is_a_loop() -> None:
    assert solve([1.0], [(0, 0, 0.5)]).recalculated_kg_co2e.tolist() == [2.0]
    assert solve([1.0], [(0, 0, 1.0)]).is_divergent_loop.tolist() == [True]


def test_supplier_that_is_not_complete_enters_with_its_declared_total() -> None:
    solution = solve([1.0, 5.0, 7.0], [(0, 1, 1.0), (1, 2, 1.0)], complete=[True, False, True])
    assert solution.recalculated_kg_co2e.tolist() == [101.0, 12.0, 7.0]
    assert solution.supplier_depth.tolist() == [2, 1, 0], "depth follows every usable link"


def test_loop_through_one_that_is_not_complete_is_no_loop() -> None:
    solution = solve([1.0, 5.0], [(0, 1, 3.0), (1, 0, 3.0)], complete=[True, False])
    assert not solution.is_divergent_loop.any()
    assert solution.recalculated_kg_co2e.tolist() == [301.0, 908.0]


def test_variances_add_in_squares_along_the_chain_and_line_by_line() -> None:
    solution = solve([0.0, 2.0], [(0, 1, 3.0), (0, 1, 4.0)], variance=[5.0, 2.0])
    assert solution.variance.tolist() == [5.0 + 9 * 2.0 + 16 * 2.0, 2.0], "two lines are independent, though they buy the same"
    stated = solve([0.0, 2.0], [(0, 1, 3.0)], variance=[5.0, 2.0], complete=[True, False])
    assert stated.variance.tolist() == [5.0 + (300.0 * 10.0) ** 2, 2.0]


def test_unknown_variance_makes_unknown_what_rests_on_it_and_nothing_else() -> None:
    solution = solve([1.0, 1.0, 1.0, 1.0], [(0, 1, 1.0), (1, 2, 1.0), (3, 0, 0.0)], variance=[1.0, 1.0, float("nan"), 1.0])
    assert np.isnan(solution.variance).tolist() == [True, True, True, True]
    solution = solve([1.0, 1.0, 1.0], [(0, 1, 1.0), (2, 1, 1.0)], variance=[float("nan"), 1.0, 1.0], uncertainty=[10.0, float("nan")])
    assert np.isnan(solution.variance).tolist() == [True, False, False], "the default matters only for a declared total"


def test_small_footprints_are_as_exact_as_large_ones() -> None:
    """A direct solve of the whole is exact relative to the largest only: here the sizes lie twenty orders of magnitude apart."""
    own, links = [1e15, 1e-5, 3e-5], [(0, 1, 0.3), (1, 2, 0.1), (2, 1, 0.7)]
    solution = solve(own, links)
    exact = [float(value) for value in solve_exactly(own, links)]
    assert solution.recalculated_kg_co2e == pytest.approx(exact, rel=1e-14)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_network_is_solved_to_the_fraction(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    node = st.integers(0, count - 1)
    size = st.sampled_from([1e-6, 0.01, 0.125, 0.3, 1.0, 40.0])
    own = data.draw(st.lists(st.sampled_from([0.0, 1e-9, 0.1, 7.0, 1e6]), min_size=count, max_size=count))
    links = data.draw(st.lists(st.tuples(node, node, size), max_size=14))
    solution = solve(own, links)
    kept = [link for link in links if not solution.is_divergent_loop[link[1]]]
    base = [float(value) for value in own]
    for buyer, supplier, quantity in links:
        if solution.is_divergent_loop[supplier]:
            base[buyer] += quantity * 100.0
    exact = [float(value) for value in solve_exactly(base, kept)]
    assert min(exact) >= 0
    assert solution.recalculated_kg_co2e == pytest.approx(exact, rel=1e-9, abs=0)


@pytest.mark.parametrize("seed", range(3))
def test_large_loops_are_iterated_to_the_same_figures(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(seed)
    count = 400
    links = [(i, (i + 1) % count, float(random.uniform(0.5, 0.99))) for i in range(count)]
    links += [(int(a), int(b), 0.004) for a, b in random.integers(0, count, (300, 2))]
    own = (10 ** random.uniform(-6, 6, count)).tolist()
    iterated = solve(own, links)
    assert not iterated.is_divergent_loop.any()
    monkeypatch.setattr(supplier_network, "BLOCK_SIZE", count)
    direct = solve(own, links)
    assert iterated.recalculated_kg_co2e == pytest.approx(direct.recalculated_kg_co2e, rel=1e-10)
    assert iterated.variance == pytest.approx(direct.variance, rel=1e-10)


def test_order_of_the_links_changes_no_digit() -> None:
    random = np.random.default_rng(7)
    links = [(int(a), int(b), float(q)) for a, b, q in zip(*random.integers(0, 200, (2, 500)), random.uniform(0, 0.3, 500), strict=True)]
    own = random.uniform(0, 9, 200).tolist()
    one, other = solve(own, links), solve(own, [links[i] for i in random.permutation(len(links))])
    assert one.recalculated_kg_co2e.tolist() == other.recalculated_kg_co2e.tolist()
    assert one.variance.tolist() == other.variance.tolist()
