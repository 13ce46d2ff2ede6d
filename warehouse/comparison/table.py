"""A comparison on the terminal: marts, cells and means, what moved most first."""

from __future__ import annotations

import json

from warehouse.comparison.attribution import Move
from warehouse.comparison.compare import Comparison
from warehouse.comparison.wording import measure_title, write_figure, write_key, write_share
from warehouse.terminal import Terminal

_SHORT = 60


def show_comparison(terminal: Terminal, found: Comparison, limit: int) -> None:
    first, second = found.first, found.second
    terminal.tell("diff.title", style="bold", first=first["release_id"], second=second["release_id"])
    terminal.tell(
        "diff.clocks",
        **{f"{name}_{side}": value[name] for side, value in (("first", first), ("second", second)) for name in ("as_of", "rule_date")},
    )
    if not found.marts:
        terminal.tell("diff.nothing", style="cyan")
        return
    _show_marts(terminal, found)
    _show_largest(terminal, found)
    _show_moves(terminal, found, limit)


def _show_marts(terminal: Terminal, found: Comparison) -> None:
    names = ("mart", "added", "removed", "changed", "columns")
    columns = [(f"diff.{name}", "right" if name in ("added", "removed", "changed") else "left") for name in names]
    rows = []
    for mart in found.marts:
        told = ", ".join(f"{column['column_name']} {column['changed']}" for column in mart.columns[:3])
        rows.append([mart.mart, mart.added, mart.removed, mart.changed, told[: 2 * _SHORT] or "-"])
    terminal.table(terminal.text("diff.marts"), columns, rows)


def _show_largest(terminal: Terminal, found: Comparison) -> None:
    columns = [
        ("diff.mart", "left"),
        ("table.key", "left"),
        ("diff.column", "left"),
        ("diff.old", "right"),
        ("diff.new", "right"),
        ("diff.relative", "right"),
    ]
    rows = [
        [
            change["mart"],
            write_key(json.loads(change["key"])),
            change["column_name"],
            _cell(change["old_value"]),
            _cell(change["new_value"]),
            write_share(change["relative_move"]),
        ]
        for change in found.largest
    ]
    if rows:
        terminal.table(terminal.text("diff.largest"), columns, rows)


def _cell(text: str | None) -> str:
    if text is None:
        return "-"
    try:
        return write_figure(float(text))
    except ValueError:
        return text[:_SHORT]


def _show_moves(terminal: Terminal, found: Comparison, limit: int) -> None:
    """One table per measure: the means that moved most, and the part of each cause."""
    attribution = found.attribution
    for measure in dict.fromkeys(move.measure for move in attribution.moves):
        moves = [move for move in attribution.moves if move.measure == measure]
        moved = [move for move in moves if move.kind == "moved"]
        causes = [cause for cause in attribution.causes if any(cause in move.parts for move in moved)]
        columns = [("table.key", "left"), ("diff.old", "right"), ("diff.new", "right"), ("diff.move", "right")]
        columns += [(f"cause.{cause}", "right") for cause in causes]
        rows = [_move_row(move, causes) for move in moved[:limit]]
        if rows:
            terminal.table(terminal.text("diff.why", measure=measure_title(measure, terminal.lang), count=len(moved)), columns, rows)
        came = sum(move.kind == "appeared" for move in moves)
        went = sum(move.kind == "vanished" for move in moves)
        if came or went:
            terminal.tell("diff.came_and_went", came=came, went=went)
    worst = max((abs(move.residual) for move in attribution.moves), default=0)
    terminal.tell("diff.residual", count=len(attribution.moves), residual=float(worst), evaluations=attribution.evaluations)
    if not attribution.lists_known:
        terminal.tell("diff.lists_unknown", style="yellow")


def _move_row(move: Move, causes: list[str]) -> list[str]:
    parts = [write_figure(move.parts[cause], signed=True) if cause in move.parts else "" for cause in causes]
    return [write_key(move.key), write_figure(move.old), write_figure(move.new), write_figure(move.move, signed=True), *parts]


def show_effects(terminal: Terminal, found: Comparison) -> None:
    """What a reader of a plan asks first."""
    columns = [("plan.effect", "left"), ("plan.count", "right"), ("plan.net", "right"), ("plan.steps", "left")]
    rows = []
    for effect in found.effects:
        steps = ", ".join(f"{step['old']} → {step['new']}: {step['count']}" for step in effect["steps"][:6])
        net = write_figure(effect["net_move"], signed=True) if effect["kind"] == "number" and effect["count"] else ""
        rows.append([effect["title"][terminal.lang], effect["count"], net, steps])
    terminal.table(terminal.text("plan.effects"), columns, rows)
