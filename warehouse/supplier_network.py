"""Footprints of disclosures that name each other as suppliers: x = A·x + b over the whole country (methods.md M2).

All quantities, factors and footprints are non-negative, so nothing cancels: substitution from suppliers to buyers is exact for each
disclosure by itself, a watt-hour beside a ship. A direct solve of the whole matrix would be exact relative to the largest only. What is
left to iterate are loops, whose remainder is measured disclosure by disclosure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix, identity
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, gmres, splu

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# A gain is a product of measured quantities: one this close to 1 is 1, and its solution would be noise.
GAIN_TOLERANCE = 1e-12
# Loops up to this size are solved as dense blocks inside the substitution; larger ones are iterated, since their factors would fill up.
BLOCK_SIZE = 64
REMAINDER = 1e-13
SWEEPS_BEFORE_ACCELERATION = 30
SWEEPS = 2000


class NetworkUnsolved(RuntimeError):
    """A loop with a gain below 1 did not settle."""


@dataclass(frozen=True)
class Network:
    """Disclosures 0 to n − 1, and one row per usable link; several links may join the same two.

    `own_kg_co2e` and `own_variance` (kg CO2e × %, squared) are sums over lines that are priced by factor; NaN is an unknown variance.
    `is_complete` says whether all lines of a disclosure are priced. `link_quantity` is in the supplier's unit per unit of the buyer,
    `link_uncertainty_pct` what the line's activity has by default, NaN where nobody states one.
    """

    own_kg_co2e: Numbers
    own_variance: Numbers
    declared_kg_co2e: Numbers
    is_complete: Flags
    link_buyer: Indices
    link_supplier: Indices
    link_quantity: Numbers
    link_uncertainty_pct: Numbers

    @classmethod
    def of_figures(
        cls,
        own_kg_co2e: Numbers,
        declared_kg_co2e: Numbers,
        is_complete: Flags,
        link_buyer: Indices,
        link_supplier: Indices,
        link_quantity: Numbers,
    ) -> Network:
        """A network whose uncertainties nobody asks for; they are unknown in it."""
        return cls(
            own_kg_co2e,
            np.full(len(own_kg_co2e), np.nan),
            declared_kg_co2e,
            is_complete,
            link_buyer,
            link_supplier,
            link_quantity,
            np.full(len(link_quantity), np.nan),
        )


@dataclass(frozen=True)
class Figures:
    """Per disclosure: the sum of its lines, whether its loop diverges, and whether it enters its buyers with the figure solved here."""

    recalculated_kg_co2e: Numbers
    is_divergent_loop: Flags
    is_solved: Flags
    loops: Loops


@dataclass(frozen=True)
class Solution:
    """Per disclosure: the sum of its lines, its variance (NaN = unknown), its depth, and whether its loop diverges."""

    recalculated_kg_co2e: Numbers
    variance: Numbers
    supplier_depth: Indices
    is_divergent_loop: Flags


@dataclass(frozen=True)
class Loops:
    """Strongly connected parts of a graph; the number of a part is greater than those of the parts it is supplied by."""

    part: Indices
    size: Indices
    has_cycle: Flags


def solve_network(network: Network) -> Solution:
    """Footprints, variances, depths and divergent loops of all disclosures.

    Raises:
        NetworkUnsolved: a loop with a gain below 1 did not settle.
    """
    count = len(network.own_kg_co2e)
    order = order_links(network)
    buyer, supplier = network.link_buyer[order], network.link_supplier[order]
    quantity, uncertainty = network.link_quantity[order], network.link_uncertainty_pct[order]
    figures = _solve_ordered(network, buyer, supplier, quantity)
    stated = ~figures.is_solved[supplier]
    stated_kg = quantity[stated] * network.declared_kg_co2e[supplier[stated]]
    own_variance = network.own_variance + _sum_by(buyer[stated], (stated_kg * uncertainty[stated]) ** 2, count)
    variance = _carry_variance(figures.loops, buyer, supplier, quantity, own_variance, figures.is_solved)
    depths = find_depths(find_loops(count, buyer, supplier), buyer, supplier)
    return Solution(figures.recalculated_kg_co2e, variance, depths, figures.is_divergent_loop)


def solve_figures(network: Network) -> Figures:
    """Footprints and divergent loops alone.

    Raises:
        NetworkUnsolved: a loop with a gain below 1 did not settle.
    """
    order = order_links(network)
    return _solve_ordered(network, network.link_buyer[order], network.link_supplier[order], network.link_quantity[order])


def _solve_ordered(network: Network, buyer: Indices, supplier: Indices, quantity: Numbers) -> Figures:
    count = len(network.own_kg_co2e)
    between = network.is_complete[buyer] & network.is_complete[supplier]
    loops = find_loops(count, buyer[between], supplier[between])
    inside = between & (loops.part[buyer] == loops.part[supplier])
    divergent_parts = find_divergent_parts(loops, buyer[inside], supplier[inside], quantity[inside])
    is_divergent = divergent_parts[loops.part]

    # Who enters with its declared total enters everywhere with it, so the rest is a system of its own.
    is_solved = network.is_complete & ~is_divergent
    is_inner = is_solved[buyer] & is_solved[supplier]
    stated = ~is_solved[supplier]
    stated_kg = quantity[stated] * network.declared_kg_co2e[supplier[stated]]
    base = network.own_kg_co2e + _sum_by(buyer[stated], stated_kg, count)
    inner = (buyer[is_inner], supplier[is_inner], quantity[is_inner])
    solved = substitute(loops, *inner, np.where(is_solved, base, 0.0))
    other = ~is_solved[buyer] & is_solved[supplier]
    figures = np.where(is_solved, solved, base + _sum_by(buyer[other], quantity[other] * solved[supplier[other]], count))
    return Figures(figures, is_divergent, is_solved, loops)


def order_links(network: Network) -> Indices:
    """One order for one set of links, so that sums are the same to the last digit however the links arrive."""
    pair = network.link_buyer * len(network.own_kg_co2e) + network.link_supplier
    order = np.argsort(pair)
    pair = pair[order]
    is_same = pair[1:] == pair[:-1]
    if is_same.any():
        is_repeated = np.concatenate((is_same, [False])) | np.concatenate(([False], is_same))
        repeated = order[is_repeated]
        keys = (network.link_uncertainty_pct, network.link_quantity, network.link_supplier, network.link_buyer)
        order[is_repeated] = repeated[np.lexsort([key[repeated] for key in keys])]
    return order


def _carry_variance(loops: Loops, buyer: Indices, supplier: Indices, quantity: Numbers, own: Numbers, is_solved: Flags) -> Numbers:
    """Variances along the chain, first order: lines are independent, the covariance of shared suppliers is left out (methods.md M2)."""
    count = len(own)
    carried = is_solved[supplier]
    is_inner = carried & is_solved[buyer]
    unknown = spread_upwards(np.isnan(own), buyer[carried], supplier[carried])
    known = np.where(np.isnan(own), 0.0, own)
    squares = quantity**2
    solved = substitute(loops, buyer[is_inner], supplier[is_inner], squares[is_inner], np.where(is_solved, known, 0.0))
    other = carried & ~is_solved[buyer]
    variance = np.where(is_solved, solved, known + _sum_by(buyer[other], squares[other] * solved[supplier[other]], count))
    return np.where(unknown, np.nan, variance)


def _sum_by(index: Indices, values: Numbers, count: int) -> Numbers:
    return np.bincount(index, weights=values, minlength=count).astype(np.float64)


def find_loops(count: int, buyer: Indices, supplier: Indices) -> Loops:
    """The strongly connected parts, numbered from suppliers to buyers."""
    graph = csr_matrix((np.ones(len(buyer), dtype=np.int8), (buyer, supplier)), shape=(count, count))
    parts, labels = connected_components(graph, directed=True, connection="strong")
    part = labels.astype(np.int64)
    # The search numbers a part when it has been through all that the part leads to; everything below rests on it.
    if (part[buyer] < part[supplier]).any():
        raise NetworkUnsolved("the parts of the supplier network are not in order")
    size = np.bincount(part, minlength=parts).astype(np.int64)
    has_cycle = size > 1
    has_cycle[part[buyer[buyer == supplier]]] = True
    return Loops(part, size, has_cycle)


def find_depths(loops: Loops, buyer: Indices, supplier: Indices) -> Indices:
    """Longest path over the links, a loop counting as one level; peeled off level by level, from those without suppliers."""
    parts = len(loops.size)
    from_part, to_part = loops.part[buyer], loops.part[supplier]
    outside = from_part != to_part
    from_part, to_part = from_part[outside], to_part[outside]
    depth = loops.has_cycle.astype(np.int64)
    waiting = np.bincount(from_part, minlength=parts)
    by_supplier = np.argsort(to_part, kind="stable")
    buyers = from_part[by_supplier]
    starts = np.searchsorted(to_part[by_supplier], np.arange(parts + 1))
    ready = np.flatnonzero(waiting == 0)
    while len(ready):
        lengths = starts[ready + 1] - starts[ready]
        at = np.repeat(starts[ready] - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths) + np.arange(lengths.sum())
        reached = buyers[at]
        np.maximum.at(depth, reached, np.repeat(depth[ready], lengths) + 1)
        np.subtract.at(waiting, reached, 1)
        ready = np.sort(reached[waiting[reached] == 0])
        ready = ready[np.concatenate(([True], ready[1:] != ready[:-1]))] if len(ready) else ready
    return depth[loops.part]


def spread_upwards(flags: Flags, buyer: Indices, supplier: Indices) -> Flags:
    """All that is flagged or has a flagged supplier at any depth."""
    count = len(flags)
    suppliers = csr_matrix((np.ones(len(buyer), dtype=np.int32), (buyer, supplier)), shape=(count, count))
    found = flags.copy()
    new = flags
    while new.any():
        new = (suppliers @ new.astype(np.int32) > 0) & ~found
        found |= new
    return found


def find_divergent_parts(loops: Loops, buyer: Indices, supplier: Indices, quantity: Numbers) -> Flags:
    """Parts whose gain, the spectral radius of their block, is 1 or more. The links given lie inside the parts."""
    divergent = np.zeros(len(loops.size), dtype=np.bool_)
    cyclic = np.flatnonzero(loops.has_cycle)
    if not len(cyclic):
        return divergent
    members = np.flatnonzero(loops.has_cycle[loops.part])
    members = members[np.argsort(loops.part[members], kind="stable")]
    place = np.zeros(len(loops.part), dtype=np.int64)
    firsts = np.concatenate(([0], np.cumsum(loops.size[cyclic])[:-1]))
    place[members] = np.arange(len(members)) - np.repeat(firsts, loops.size[cyclic])
    link_part = loops.part[buyer]
    order = np.argsort(link_part, kind="stable")
    link_part, row, column, value = link_part[order], place[buyer[order]], place[supplier[order]], quantity[order]
    for size in np.unique(loops.size[cyclic]):
        parts = cyclic[loops.size[cyclic] == size]
        first, last = np.searchsorted(link_part, parts), np.searchsorted(link_part, parts + 1)
        if size > BLOCK_SIZE:
            for part, begin, end in zip(parts, first, last, strict=True):
                block = csr_matrix((value[begin:end], (row[begin:end], column[begin:end])), shape=(size, size))
                divergent[part] = _has_gain(block)
            continue
        number = np.full(len(loops.size), -1, dtype=np.int64)
        number[parts] = np.arange(len(parts))
        chosen = number[link_part] >= 0
        blocks = np.zeros((len(parts), size, size))
        np.add.at(blocks, (number[link_part[chosen]], row[chosen], column[chosen]), value[chosen])
        divergent[parts] = np.abs(np.linalg.eigvals(blocks)).max(axis=1) >= 1 - GAIN_TOLERANCE
    return divergent


def _has_gain(block: csr_matrix) -> bool:
    """Whether the spectral radius of an irreducible block is 1 or more, between the bounds that any positive vector gives (Collatz and
    Wielandt); half of the identity is added, so that a block of one long cycle settles, too."""
    vector = np.ones(block.shape[0])
    lower, upper = 0.0, np.inf
    for _ in range(SWEEPS):
        image = block @ vector
        ratios = image / vector
        lower, upper = max(lower, float(ratios.min())), min(upper, float(ratios.max()))
        if lower >= 1 - GAIN_TOLERANCE or upper < 1 - GAIN_TOLERANCE:
            break
        vector = image + vector / 2
        vector /= vector.max()
    return (lower + upper) / 2 >= 1 - GAIN_TOLERANCE


def substitute(loops: Loops, buyer: Indices, supplier: Indices, quantity: Numbers, base: Numbers) -> Numbers:
    """x = A·x + base, from suppliers to buyers; each disclosure to a remainder of its own size."""
    count = len(base)
    if not len(buyer):
        return base.copy()
    # Those that neither buy nor supply would only make the matrix larger.
    is_linked = np.zeros(count, dtype=np.bool_)
    is_linked[buyer] = is_linked[supplier] = True
    linked = np.flatnonzero(is_linked)
    linked = linked[np.argsort(loops.part[linked], kind="stable")]
    place = np.zeros(count, dtype=np.int64)
    place[linked] = np.arange(len(linked))
    row, column = place[buyer], place[supplier]
    shape = (len(linked), len(linked))
    matrix = csr_matrix(coo_matrix((quantity, (row, column)), shape=shape))
    is_direct = (column < row) | (loops.size[loops.part[buyer]] <= BLOCK_SIZE)
    direct = coo_matrix((quantity[is_direct], (row[is_direct], column[is_direct])), shape=shape)
    solved = base.copy()
    solved[linked] = _iterate(matrix, csc_matrix(identity(len(linked)) - direct), base[linked])
    return solved


def _iterate(matrix: csr_matrix, direct: csc_matrix, base: Numbers) -> Numbers:
    """Block substitution (Gauss and Seidel): the first sweep is the answer where there are no large loops, the next ones refine it."""
    # In the order from suppliers to buyers nothing fills up outside the blocks, and the diagonal is a safe pivot of such a matrix.
    factors = splu(direct, permc_spec="NATURAL", diag_pivot_thresh=0.0)
    solution: Numbers = factors.solve(base)
    change_before = np.inf
    for sweep in range(SWEEPS):
        correction = factors.solve(base - (solution - matrix @ solution))
        solution = solution + correction
        size = np.where(solution > 0, solution, 1.0)
        change = float(np.abs(correction / size).max())
        rate = min(change / change_before, 1 - 1e-6) if sweep and change_before > 0 else 0.5
        if change * max(1.0, rate / (1 - rate)) <= REMAINDER or (change >= change_before and change <= 100 * REMAINDER):
            return solution
        change_before = change
        if sweep and sweep % SWEEPS_BEFORE_ACCELERATION == 0:
            solution = _accelerate(matrix, factors, base, solution)
            change_before = np.inf
    raise NetworkUnsolved(f"after {SWEEPS} sweeps a footprint still changes by {change:.1e} of itself")


def _accelerate(matrix: csr_matrix, factors: Any, base: Numbers, solution: Numbers) -> Numbers:
    """What is missing by GMRES on the preconditioned system, every unknown in units of its own size."""
    size = np.where(solution > 0, solution, 1.0)

    def apply(scaled: Numbers) -> Numbers:
        full = scaled.ravel() * size
        return np.asarray(factors.solve(full - matrix @ full) / size, dtype=np.float64)

    missing = factors.solve(base - (solution - matrix @ solution)) / size
    operator = LinearOperator(matrix.shape, matvec=apply, dtype=np.float64)
    step, _ = gmres(operator, missing, rtol=1e-8, restart=30, maxiter=3)
    improved = solution + step * size
    # A footprint is never negative: a step that overshoots is left to the sweeps.
    return np.where(improved > 0, improved, solution)
