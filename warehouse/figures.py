"""Published figures that differ between two states of a mart: which row, which column, from what to what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import duckdb

from warehouse.replay import Model


@dataclass(frozen=True)
class ChangedFigure:
    """One figure. kind: `changed`; `appears` or `disappears` with its row (only figures that are not null then count)."""

    mart: str
    key: tuple[tuple[str, Any], ...]
    column: str
    kind: str
    before: Any
    after: Any

    @property
    def place(self) -> tuple[str, tuple[tuple[str, Any], ...], str]:
        return self.mart, self.key, self.column


def changed_figures(con: duckdb.DuckDBPyConnection, before: str, after: str, model: Model) -> list[ChangedFigure]:
    """Figures of a mart that differ between two tables, in order of key and column; what is not a number counts as a figure, too.

    Args:
        before, after: the tables as SQL names of `con`.
    """
    key = list(model.key)
    figures = [name for name in model.outputs if name not in key]
    same = " and ".join(f'b."{name}" is not distinct from a."{name}"' for name in key)
    moved = ", ".join(f"""case when b."{name}" is distinct from a."{name}" then '{name}' end""" for name in figures)
    cells = ", ".join([f'b."{name}" as "b.{name}", a."{name}" as "a.{name}"' for name in model.outputs])
    rows = con.execute(
        f"select b.there as was, a.there as is_now, list_filter([{moved}], x -> x is not null) as moved, {cells}"
        f" from (select true as there, * from {before}) as b full outer join (select true as there, * from {after}) as a on {same}"
        f" where len(moved) > 0 or b.there is null or a.there is null"
    ).to_arrow_table()
    return sorted(_read_rows(model, rows.to_pylist()), key=lambda figure: str(figure.place))


def _read_rows(model: Model, rows: Iterable[dict[str, Any]]) -> Iterable[ChangedFigure]:
    for row in rows:
        kind = "changed" if row["was"] and row["is_now"] else "disappears" if row["was"] else "appears"
        side = "a" if kind == "appears" else "b"
        key = tuple((name, row[f"{side}.{name}"]) for name in model.key)
        for column in row["moved"]:
            yield ChangedFigure(model.name, key, column, kind, row[f"b.{column}"], row[f"a.{column}"])
