"""Each edition's impact against the whole country solved anew without it."""

from __future__ import annotations

import numpy as np
import pytest

from warehouse.factor_impact import Counterfactuals, withdraw_editions
from warehouse.supplier_network import Network, solve_figures

NOTHING = np.empty(0, dtype=np.int64)


def make_country(seed: int, count: int = 60) -> tuple[Network, np.ndarray, Counterfactuals]:
    """A country with loops, some of them divergent, and editions of which some leave lines without a price."""
    random = np.random.default_rng(seed)
    links = 2 * count
    buyer, supplier = random.integers(0, count, links), random.integers(0, count, links)
    is_other = buyer != supplier
    buyer, supplier = buyer[is_other], supplier[is_other]
    quantity = random.choice([0.05, 0.3, 1.3], len(buyer))
    is_complete = random.random(count) < 0.8
    network = Network.of_figures(random.lognormal(0, 3, count), random.lognormal(0, 3, count), is_complete, buyer, supplier, quantity)
    linked = np.bincount(buyer, minlength=count)
    own_lines = 1 + ~is_complete + (random.random(count) < 0.5)
    priced = linked + own_lines - ~is_complete
    pairs = sorted(
        {(int(edition), int(node)) for edition, node in zip(random.integers(0, 7, 40), random.integers(0, count, 40), strict=True)}
    )
    edition, node = np.array(pairs).T
    loses = random.random(len(pairs)) < 0.4
    without = Counterfactuals(
        edition=edition,
        disclosure=node,
        own_kg_co2e=np.where(loses, network.own_kg_co2e[node] / 3, network.own_kg_co2e[node] * 1.2),
        is_complete=is_complete[node] & ~loses,
        priced_line_count=np.where(loses, priced[node] - 1, priced[node]),
    )
    return network, priced, without


@pytest.mark.parametrize("seed", range(12))
def test_impacts_equal_a_country_solved_anew_without_the_edition(seed: int) -> None:
    network, priced, without = make_country(seed)
    now = solve_figures(network)
    found = withdraw_editions(network, now.recalculated_kg_co2e, now.is_divergent_loop, priced, without)
    told = {
        (int(edition), int(node)): (figure, bool(is_complete))
        for edition, node, figure, is_complete in zip(
            found.edition, found.disclosure, found.recalculated_kg_co2e, found.is_complete, strict=True
        )
    }
    assert len(told) == len(found.edition) > 0
    count = len(network.own_kg_co2e)
    for edition in range(7):
        chosen = without.edition == edition
        own, is_complete, lines = network.own_kg_co2e.copy(), network.is_complete.copy(), priced.copy()
        own[without.disclosure[chosen]] = without.own_kg_co2e[chosen]
        is_complete[without.disclosure[chosen]] = without.is_complete[chosen]
        lines[without.disclosure[chosen]] = without.priced_line_count[chosen]
        anew = solve_figures(
            Network.of_figures(own, network.declared_kg_co2e, is_complete, network.link_buyer, network.link_supplier, network.link_quantity)
        ).recalculated_kg_co2e
        for node in range(count):
            before, after = now.recalculated_kg_co2e[node], anew[node]
            change = abs(before - after) / max(before, after)
            is_told = (edition, node) in told
            # Between the two bounds a change is rounding or none; both are right.
            if change > 1e-11 or is_complete[node] != network.is_complete[node]:
                assert is_told, (edition, node, before, after)
            elif change < 1e-14:
                assert not is_told, (edition, node, before, after)
            if is_told:
                figure, complete = told[edition, node]
                assert complete == is_complete[node]
                assert np.isnan(figure) if lines[node] == 0 else figure == pytest.approx(after, rel=1e-10)


def test_impacts_are_the_same_in_another_order_of_links_and_in_smaller_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    network, priced, without = make_country(3)
    now = solve_figures(network)
    found = withdraw_editions(network, now.recalculated_kg_co2e, now.is_divergent_loop, priced, without)
    order = np.random.default_rng(1).permutation(len(network.link_buyer))
    shuffled = Network.of_figures(
        network.own_kg_co2e,
        network.declared_kg_co2e,
        network.is_complete,
        network.link_buyer[order],
        network.link_supplier[order],
        network.link_quantity[order],
    )
    monkeypatch.setattr("warehouse.factor_impact.COPIES", 60)
    again = withdraw_editions(shuffled, now.recalculated_kg_co2e, now.is_divergent_loop, priced, without)
    assert (found.edition == again.edition).all() and (found.disclosure == again.disclosure).all()
    assert np.array_equal(found.recalculated_kg_co2e, again.recalculated_kg_co2e, equal_nan=True)


def test_without_editions_or_disclosures_nothing_changes() -> None:
    none = Counterfactuals(NOTHING, NOTHING, np.empty(0), np.empty(0, dtype=np.bool_), NOTHING)
    empty = Network.of_figures(np.empty(0), np.empty(0), np.empty(0, dtype=np.bool_), NOTHING, NOTHING, np.empty(0))
    assert len(withdraw_editions(empty, np.empty(0), np.empty(0, dtype=np.bool_), NOTHING, none).edition) == 0
