"""A reader's marts as JSON: what there is, and its rows page by page."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import duckdb
from pydantic import BaseModel

from dashboards.reports.figures import head_column
from warehouse.interface.answers import Refusal
from warehouse.interface.opened import Shelf
from warehouse.own_tables import describe_columns

_PAGING = frozenset({"limit", "offset"})


class Column(BaseModel):
    """A column with its label and description in both languages."""

    name: str
    type: str
    label_zh: str
    label_en: str
    description_zh: str | None
    description_en: str | None


class Mart(BaseModel):
    """A mart of the reader's file."""

    mart: str
    row_count: int
    columns: list[Column]


class MartPage(BaseModel):
    """Some rows of a mart, in a fixed order."""

    release_id: str
    mart: str
    row_count: int
    offset: int
    rows: list[dict[str, Any]]


class ReleaseAnswer(BaseModel):
    """Which release this is, for whom, and what it knew."""

    release_id: str
    reader: str
    as_of: datetime | None
    rule_date: date | None
    published_at: datetime | None
    parent_release_id: str | None
    is_demonstration: bool
    marts: list[str]


def describe_release(shelf: Shelf) -> dict[str, Any]:
    row = (shelf.read("select * from marts.release__summary") or [{}])[0]
    known = {name: row.get(name) for name in ("as_of", "rule_date", "published_at", "parent_release_id")}
    return {
        "release_id": shelf.release_id,
        "reader": shelf.reader.name,
        **known,
        "is_demonstration": bool(row.get("is_demonstration")),
        "marts": list(shelf.columns),
    }


def describe_mart(shelf: Shelf, mart: str) -> dict[str, Any]:
    entries = describe_columns(mart)
    columns = []
    for name, kind in shelf.columns[mart].items():
        entry = entries.get(name)
        label = entry.label if entry else head_column(name)
        columns.append(
            {
                "name": name,
                "type": kind,
                "label_zh": label.zh,
                "label_en": label.en,
                "description_zh": entry.text.zh if entry else None,
                "description_en": entry.text.en if entry else None,
            }
        )
    return {"mart": mart, "row_count": shelf.read(f'select count(*) as n from marts."{mart}"')[0]["n"], "columns": columns}


def read_page(shelf: Shelf, mart: str, asked: list[tuple[str, str]], limit: int, offset: int) -> dict[str, Any]:
    """Rows of a mart that meet every `column=value` asked for (several values of one column are alternatives).

    Raises:
        Refusal: there is no such mart for this reader, no such column, or a value that is none of the column's type.
    """
    columns = shelf.columns.get(mart)
    if columns is None:
        raise Refusal(404, "NotFound", "没有这张指标表 / there is no such mart")
    wanted: dict[str, list[str]] = {}
    for name, value in asked:
        if name not in _PAGING:
            wanted.setdefault(name, []).append(value)
    if unknown := sorted(set(wanted) - set(columns)):
        raise Refusal(400, "BadRequest", f"没有列 {unknown[0][:60]} / there is no column {unknown[0][:60]}")
    tests = [f'"{name}" in ({", ".join(f"cast(? as {columns[name]})" for _ in values)})' for name, values in wanted.items()]
    where = f" where {' and '.join(tests)}" if tests else ""
    values: list[Any] = [value for found in wanted.values() for value in found]
    try:
        total = shelf.read(f'select count(*) as n from marts."{mart}"{where}', values)[0]["n"]
        rows = shelf.read(f'select * from marts."{mart}"{where} order by all limit {limit} offset {offset}', values)
    except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
        raise Refusal(400, "BadRequest", "值与列的类型不符 / a value is not of its column's type") from error
    has_more = offset + len(rows) < total and bool(rows)
    return {"release_id": shelf.release_id, "mart": mart, "row_count": total, "offset": offset, "rows": rows, "has_more": has_more}
