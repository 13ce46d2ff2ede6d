"""What every footprint would be without one edition of one factor, for all editions at once (methods.md M13).

A disclosure stands once for each edition that reaches it, and the copies form one large network of their own, solved by the same code as
the country's: what leaves a loop, makes it converge or turns a supplier back into its declared total is settled there, not guessed here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from warehouse.supplier_network import Flags, Indices, Network, Numbers, order_links, solve_figures

# Copies looked at together; bounds the memory: one byte each, and some hundred for those that are reached.
COPIES = 64_000_000
# Reached is not changed: a supplier that turns into its declared total may have declared what was recalculated. Below this it is rounding.
UNCHANGED = 1e-12


@dataclass(frozen=True)
class Counterfactuals:
    """Disclosures that an edition itself prices, ordered by edition: their own lines without it, whether all are priced, and how many."""

    edition: Indices
    disclosure: Indices
    own_kg_co2e: Numbers
    is_complete: Flags
    priced_line_count: Indices


@dataclass(frozen=True)
class Withdrawn:
    """Edition and disclosure with the footprint (NaN = nothing is priced) and completeness that it has without the edition."""

    edition: Indices
    disclosure: Indices
    recalculated_kg_co2e: Numbers
    is_complete: Flags


def withdraw_editions(
    network: Network, recalculated: Numbers, is_divergent: Flags, priced_line_count: Indices, without: Counterfactuals
) -> Withdrawn:
    """All pairs whose figure or completeness depends on the edition, ordered by edition and disclosure.

    Args:
        network: the country as it is; variances are not looked at.
        recalculated, is_divergent: its solution.
        priced_line_count: lines that are priced, suppliers' included, per disclosure.
    """
    count = len(recalculated)
    # Whatever the order in which links arrive, sums are taken in one.
    order = order_links(network)
    network = replace(
        network,
        link_buyer=network.link_buyer[order],
        link_supplier=network.link_supplier[order],
        link_quantity=network.link_quantity[order],
    )
    buyers = csr_matrix(
        (np.ones(len(network.link_buyer), dtype=np.int8), (network.link_supplier, network.link_buyer)), shape=(count, count)
    )
    # A supplier that enters with its declared total, with the edition and without it, passes nothing on. A loop that diverges may cease to.
    passes = network.is_complete | is_divergent
    editions = int(without.edition.max()) + 1 if len(without.edition) else 0
    together = max(1, COPIES // max(count, 1))
    parts = []
    for first in range(0, editions, together):
        begin, end = np.searchsorted(without.edition, (first, first + together))
        chosen = slice(int(begin), int(end))
        direct = (without.edition[chosen] - first) * count + without.disclosure[chosen]
        reached = _reach(buyers, passes, direct, count, min(together, editions - first))
        parts.append(_solve_copies(network, recalculated, is_divergent, priced_line_count, without, chosen, direct, reached, first))
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Withdrawn(none, none, np.empty(0), np.empty(0, dtype=np.bool_))
    return Withdrawn(
        np.concatenate([part.edition for part in parts]),
        np.concatenate([part.disclosure for part in parts]),
        np.concatenate([part.recalculated_kg_co2e for part in parts]),
        np.concatenate([part.is_complete for part in parts]),
    )


def _follow(starts: npt.NDArray[Any], ends: npt.NDArray[Any], nodes: Indices) -> tuple[Indices, Indices]:
    """For rows of a sparse matrix: which of `nodes` each entry belongs to, and the entry's column."""
    lengths = (starts[nodes + 1] - starts[nodes]).astype(np.int64)
    owner = np.repeat(np.arange(len(nodes)), lengths)
    at = np.repeat(starts[nodes] - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths) + np.arange(lengths.sum())
    return owner, ends[at].astype(np.int64)


def _reach(buyers: csr_matrix, passes: Flags, direct: Indices, count: int, editions: int) -> Indices:
    """Copies that are reached from those that an edition prices, going from suppliers to buyers; ordered."""
    is_reached = np.zeros(editions * count, dtype=np.bool_)
    is_reached[direct] = True
    frontier = direct
    while len(frontier):
        frontier = frontier[passes[frontier % count]]
        owner, buyer = _follow(buyers.indptr, buyers.indices, frontier % count)
        found = (frontier[owner] // count) * count + buyer
        found = found[~is_reached[found]]
        is_reached[found] = True
        frontier = np.unique(found)
    return np.flatnonzero(is_reached)


def _solve_copies(
    network: Network,
    recalculated: Numbers,
    is_divergent: Flags,
    priced_line_count: Indices,
    without: Counterfactuals,
    chosen: slice,
    direct: Indices,
    reached: Indices,
    first: int,
) -> Withdrawn:
    count = len(recalculated)
    disclosure = reached % count
    own = network.own_kg_co2e[disclosure]
    is_complete = network.is_complete[disclosure]
    priced = priced_line_count[disclosure]
    place = np.searchsorted(reached, direct)
    own[place], is_complete[place], priced[place] = (
        without.own_kg_co2e[chosen],
        without.is_complete[chosen],
        without.priced_line_count[chosen],
    )

    by_buyer = np.argsort(network.link_buyer, kind="stable")
    starts = np.searchsorted(network.link_buyer[by_buyer], np.arange(count + 1))
    owner, at = _follow(starts, by_buyer, disclosure)
    supplier, quantity = network.link_supplier[at], network.link_quantity[at]
    copy = (reached[owner] // count) * count + supplier
    where = np.minimum(np.searchsorted(reached, copy), len(reached) - 1)
    is_copied = reached[where] == copy
    entering = np.where(network.is_complete & ~is_divergent, recalculated, network.declared_kg_co2e)
    as_it_is = np.bincount(owner[~is_copied], weights=(quantity * entering[supplier])[~is_copied], minlength=len(reached))
    solution = solve_figures(
        Network.of_figures(
            own_kg_co2e=own + as_it_is,
            declared_kg_co2e=network.declared_kg_co2e[disclosure],
            is_complete=is_complete,
            link_buyer=owner[is_copied],
            link_supplier=where[is_copied],
            link_quantity=quantity[is_copied],
        )
    )
    figures = solution.recalculated_kg_co2e
    before = recalculated[disclosure]
    is_changed = (np.abs(figures - before) > UNCHANGED * np.maximum(np.abs(figures), np.abs(before))) | (
        is_complete != network.is_complete[disclosure]
    )
    return Withdrawn(
        (reached // count + first)[is_changed],
        disclosure[is_changed],
        np.where(priced > 0, figures, np.nan)[is_changed],
        is_complete[is_changed],
    )
