"""`--reverse` on a kept release: which of its published figures a landed row moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from warehouse.lineage.explanation import FigureNotReproduced
from warehouse.lineage.opened import Opened
from warehouse.lineage.reverse import Change, Reverse, find_row, stand
from warehouse.lineage.trace import literal


def list_moved(opened: Opened, file: str, row_number: int, cells: dict[str, str]) -> dict[str, Any]:
    """The figures that would not be what they are, were the row withheld, or, with `cells`, were these its cells (empty text: null).

    Raises:
        RowUnclear: there is no such row in the release, or a cell cannot be so.
        FigureNotReproduced: the models give other figures now than the release shows.
    """
    change = find_row(opened.con, opened.leaves, file, row_number)
    change = replace(change, cells={name: value or None for name, value in cells.items()})
    tables = {place: f"(select * from {table})" for place, table in opened.leaves.items()}
    probe = Reverse(opened.con, opened.graph, opened.steps, tables)
    standing = stand(opened.con, opened.graph, opened.steps, tables, [model.place for model in probe.reached_models(change)])
    _check_reproduced(opened, standing, change)
    figures = standing.changed_figures(change)
    marts: dict[str, list[dict[str, Any]]] = {}
    for figure in figures:
        entry = {"key": dict(figure.key), "column": figure.column, "kind": figure.kind, "before": figure.before, "after": figure.after}
        marts.setdefault(figure.mart, []).append(entry)
    return {
        "release": {name: opened.manifest[name] for name in ("release_id", "as_of", "rule_date", "code_version")},
        "change": {
            "source": change.source,
            "file": file,
            "sequence": change.sequence,
            "row_number": row_number,
            "cells": dict(change.cells),
        },
        "figure_count": len(figures),
        "marts": marts,
    }


def _check_reproduced(opened: Opened, standing: Reverse, change: Change) -> None:
    """What the models give without the change must be what was published, or the difference would tell of something else."""
    con = opened.con
    con.execute(f"attach {literal(str(opened.folder / 'ministry.duckdb'))} as released (read_only)")
    for model in standing.reached_models(change):
        if model.schema == "marts":
            published = f'released.marts."{model.name}"'
            found = con.execute(
                f"select count(*) from ((from {standing.tables[model.place]} except all from {published})"
                f" union all (from {published} except all from {standing.tables[model.place]}))"
            ).fetchone()
            if found and found[0]:
                raise FigureNotReproduced(model.name)
