"""`--reverse` on a kept release: which of its published figures a landed row moves."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from warehouse.ledger import Ledger
from warehouse.lineage.explanation import FigureNotReproduced
from warehouse.lineage.opened import Opened
from warehouse.lineage.reverse import Change, Reverse, RowUnclear, find_row, stand
from warehouse.lineage.trace import literal
from warehouse.settings import parse_instant
from warehouse.texts import write_utc


def list_moved(opened: Opened, ledger: Ledger, file: str, row_number: int, cells: dict[str, str]) -> dict[str, Any]:
    """The figures that would not be what they are, were the row withheld, or, with `cells`, were these its cells (empty text: null).

    Raises:
        RowUnclear: there is no such row in the release, or a cell cannot be so.
        FigureNotReproduced: the models give other figures now than the release shows.
    """
    try:
        change = find_row(opened.con, opened.leaves, file, row_number)
    except RowUnclear as unclear:
        raise (tell_absence(ledger, opened.manifest["as_of"], file, row_number) if unclear.key == "reverse.no_row" else unclear) from None
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


def tell_absence(ledger: Ledger, as_of: str, file: str, row_number: int) -> RowUnclear:
    """Why a row is not in a release that knows what was received until `as_of`, as far as the ledger can tell."""
    deliveries = ledger.deliveries()
    named = [row for row in deliveries if (f"#{row['sequence']}" if file.startswith("#") else row["file"]) == file]
    if not named:
        near = get_close_matches(file, sorted({row["file"] for row in deliveries}), n=3)
        return RowUnclear("reverse.no_file", file=file, near=", ".join(near) or "-")
    moment = parse_instant(as_of)
    known = [row for row in named if datetime.fromisoformat(row["received_at"]) <= moment]
    if not known:
        return RowUnclear("reverse.later", file=file, at=write_utc(min(row["received_at"] for row in named)), as_of=write_utc(str(moment)))
    # What a publisher's file holds beside records has row numbers, too.
    last = max(_count_rows(row) for row in known)
    if last and not 1 <= row_number <= last:
        return RowUnclear("reverse.past_end", file=file, row=row_number, last=last)
    return RowUnclear("reverse.no_row", file=file, row=row_number)


def _count_rows(delivery: dict[str, Any]) -> int:
    beside = json.loads(delivery["receipt"] or "{}").get("not_data", [])
    return int(delivery["received"] or 0) + sum(int(kind["count"]) for kind in beside)


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
