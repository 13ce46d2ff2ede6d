"""Why sector means moved: each move split over its causes, exactly (methods.md M14; docs/methods/attribution.md).

The figure with some causes and not the others is a real evaluation of the models on that mixture of inputs, so nothing is assumed of how
causes act together; a cause's part is the mean of what it adds over all orders (Shapley), which no order of telling changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb

from ingest.contract import read_contracts
from ingest.reference import ReferenceLists
from warehouse.comparison.causes import CODE, Difference, declared, find_difference
from warehouse.comparison.mixture import Clocks, Mixtures, Sides
from warehouse.comparison.shapley import coalitions, finest_grid, round_parts, shapley
from warehouse.ledger import Ledger
from warehouse.quarantine import quoted
from warehouse.replay import ModelGraph
from warehouse.settings import Settings

Key = tuple[Any, ...]
Figures = Mapping[Key, float]


@dataclass(frozen=True)
class State:
    """One side of a comparison: its figures, and everything that they followed from."""

    release_id: str
    marts: Path
    deliveries: Sequence[Mapping[str, Any]]
    lists: ReferenceLists | None
    clocks: Clocks
    code_version: str


@dataclass(frozen=True)
class Move:
    """One figure's way from the first state to the second. `kind`: moved, appeared or vanished; of the latter two the parts are shares of
    the coming or going, which add up to 1 or -1.
    """

    measure: str
    key: Mapping[str, Any]
    kind: str
    old: float | None
    new: float | None
    parts: Mapping[str, float]

    @property
    def move(self) -> float | None:
        return None if self.old is None or self.new is None else self.new - self.old

    @property
    def residual(self) -> Fraction:
        """What the parts leave of the move, reckoned without rounding: none."""
        if self.kind != "moved":
            whole = Fraction(1 if self.kind == "appeared" else -1)
        else:
            whole = Fraction(self.new or 0.0) - Fraction(self.old or 0.0)
        return whole - sum((Fraction(part) for part in self.parts.values()), Fraction(0))


@dataclass(frozen=True)
class Attribution:
    """The moves, and how they were split: which causes differ at all, and whether both states' lists were at hand."""

    causes: Sequence[str]
    moves: Sequence[Move]
    evaluations: int
    lists_known: bool
    row_counts: Mapping[str, Mapping[str, int]]


def attribute(settings: Settings, ledger: Ledger, graph: ModelGraph, first: State, second: State) -> Attribution:
    """Split the moves of every declared measure over the causes that differ."""
    contracts = read_contracts()
    with duckdb.connect() as con:
        con.execute(f"set threads = {settings.threads}")
        difference = find_difference(con, settings, ledger, contracts, (first.deliveries, second.deliveries))
        at_hand = first.lists or second.lists or ReferenceLists(overlay=settings.reference)
        sides = Sides((first.lists or at_hand, second.lists or at_hand), (first.clocks, second.clocks))
        mixtures = Mixtures(con, graph, difference, sides)
        moves, causes, count = [], set(), 0
        for measure in declared()["measures"]:
            splitter = _Splitter(mixtures, measure, first, second)
            moves += list(splitter.moves())
            causes |= set(splitter.players)
            count += len(splitter.values)
        rows = _count_rows(con, difference)
    moves.sort(key=_by_size)
    named = [cause["name"] for cause in declared()["causes"]]
    used = causes | ({CODE} if any(CODE in move.parts for move in moves) else set())
    return Attribution([name for name in named if name in used], moves, count, first.lists is not None and second.lists is not None, rows)


def _by_size(move: Move) -> tuple[Any, ...]:
    relative = abs(move.move or 0.0) / abs(move.old) if move.old else 0.0
    return (move.kind != "moved", -relative, move.measure, str(move.key))


def _count_rows(con: duckdb.DuckDBPyConnection, difference: Difference) -> dict[str, dict[str, int]]:
    """Rows that came (or, with a minus, went) per cause and source."""
    counted: dict[str, dict[str, int]] = {}
    for source in difference.causes:
        query = f'select _cause, sum(case when _is_second then 1 else -1 end) from difference."{source}" group by all order by all'
        for cause, count in con.execute(query).fetchall():
            counted.setdefault(cause, {})[source] = int(count)
    return counted


class _Splitter:
    """One measure over all sets of the causes that can reach it."""

    def __init__(self, mixtures: Mixtures, measure: Mapping[str, Any], first: State, second: State) -> None:
        self.measure = measure
        self.players = sorted(mixtures.reaching(f"marts.{measure['mart']}"))
        self.values: dict[frozenset[str], Figures] = {}
        for chosen in coalitions(self.players):
            place = f"marts.{measure['mart']}"
            self.values[chosen] = self._read(mixtures.con, mixtures.evaluate([place], chosen)[place])
        self.old = self._published(mixtures.con, first)
        self.new = self._published(mixtures.con, second)

    def _read(self, con: duckdb.DuckDBPyConnection, table: str) -> dict[Key, float]:
        rows = con.execute(self.measure["query"].format(table=table)).fetchall()
        return {tuple(row[:-1]): row[-1] for row in rows if row[-1] is not None}

    def _published(self, con: duckdb.DuckDBPyConnection, state: State) -> dict[Key, float]:
        con.execute(f"attach {quoted(state.marts)} as published (read_only)")
        try:
            return self._read(con, f"published.marts.{self.measure['mart']}")
        finally:
            con.execute("detach published")

    def moves(self) -> Iterator[Move]:
        for key in sorted(set(self.old) | set(self.new), key=str):
            old, new = self.old.get(key), self.new.get(key)
            if old != new:
                yield self._split(key, old, new)

    def _split(self, key: Key, old: float | None, new: float | None) -> Move:
        """Where a figure is not there with some causes and not others, it counts as not moved yet."""
        if old is not None and new is not None:
            kind, start, end = "moved", Fraction(old), Fraction(new)
            grid = finest_grid([old, new])

            def figure(chosen: frozenset[str]) -> Fraction:
                return Fraction(self.values[chosen].get(key, old))
        else:
            kind, start, end = ("appeared", Fraction(0), Fraction(1)) if old is None else ("vanished", Fraction(1), Fraction(0))
            grid = Fraction(1, 2**52)

            def figure(chosen: frozenset[str]) -> Fraction:
                return Fraction(int(key in self.values[chosen]))

        parts = shapley(self.players, figure)
        # What the code at hand makes of all of the first state's inputs against what was published then, and so for the second.
        code = figure(frozenset()) - start + end - figure(frozenset(self.players))
        if code:
            parts[CODE] = code
        rounded = round_parts(parts, end - start, grid)
        shown = {name: part for name, part in rounded.items() if part}
        return Move(self.measure["name"], dict(zip(self.measure["key"], key, strict=True)), kind, old, new, shown)
