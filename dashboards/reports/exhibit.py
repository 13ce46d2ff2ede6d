"""What a section of the report shows: a finding, a drawing in each language, and the figures behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from altair.utils.schemapi import debug_mode
from markupsafe import Markup

from dashboards.reports.numbers import write_fixed, write_number, write_share
from dashboards.reports.svg import draw_svg
from dashboards.reports.wording import LANGUAGES, Language, Text, same

Draw = Callable[[Language], list[dict[str, Any]]]
# A page in one language needs its drawings in that one; drawing is what takes the time.
_DRAWN: ContextVar[tuple[Language, ...]] = ContextVar("drawn", default=LANGUAGES)


@contextmanager
def drawing_in(*languages: Language) -> Iterator[None]:
    """Within it, exhibits are drawn in these languages alone (in none: only their words and tables are made)."""
    token = _DRAWN.set(languages)
    try:
        yield
    finally:
        _DRAWN.reset(token)


@dataclass(frozen=True)
class Cell:
    """One table cell; `value` is the mart's own number, kept in the page beside what is displayed."""

    display: Text
    value: float | int | None = None
    is_number: bool = False
    column: str | None = None  # the mart's column, where the cell is one of its figures as it stands


@dataclass(frozen=True)
class Table:
    columns: list[Text]
    rows: list[list[Cell]]
    number_columns: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Exhibit:
    """`title` is what the data say; `drawings` is empty where there is nothing to draw, and `note` then says why."""

    code: str
    title: Text
    note: Text
    source: str
    drawings: Mapping[Language, list[Markup]]
    table: Table | None = None
    is_table_open: bool = False
    drawn: Table | None = None  # what the drawing shows, where `table` does not hold it: for a format in which a drawing is a picture


def make_exhibit(
    code: str,
    title: Text,
    note: Text,
    source: str,
    draw: Draw | None = None,
    *,
    table: Table | None = None,
    is_table_open: bool = False,
    drawn: Table | None = None,
) -> Exhibit:
    title = Text(title.zh, title.en[:1].upper() + title.en[1:])  # a finding that begins with a product's name begins a sentence
    drawings = {language: draw_panels(draw, code, title, language) for language in _DRAWN.get()} if draw else {}
    return Exhibit(code, title, note, source, drawings, table, is_table_open, drawn)


def draw_panels(draw: Draw, code: str, title: Text, language: Language) -> list[Markup]:
    # The drawings' grammar is checked once, by the tests: checking it against altair's schema at each run doubles the time.
    with debug_mode(False):
        specs = draw(language)
    return [draw_svg(spec, f"{code}-{language}-{place}", title[language]) for place, spec in enumerate(specs, 1)]


def make_table(columns: list[Text], rows: list[list[Cell]]) -> Table:
    numbers = frozenset(i for i in range(len(columns)) if rows and any(row[i].is_number for row in rows))
    return Table(columns, rows, numbers)


def put_text(text: Text | str | int | None) -> Cell:
    return Cell(text if isinstance(text, Text) else same("—" if text is None else text))


def put_number(value: float | int | None, *, signed: bool = False) -> Cell:
    return Cell(same(write_number(value, signed=signed)), value, True)


def put_price(value: float | None) -> Cell:
    return Cell(same(write_fixed(value, 2)), value, True)


def put_share(value: float | None, *, signed: bool = False) -> Cell:
    return Cell(same(write_share(value, signed=signed)), value, True)


def tabulate_stack(head: Text, rows: Sequence[Mapping[str, Any]], kinds: Sequence[tuple[str, Text, str]]) -> Table:
    """The counts of a stacked drawing: a row per year, a column per kind."""
    return make_table(
        [head, *(name for _, name, _ in kinds)],
        [[put_text(row["reporting_year"]), *(put_number(row[kind]) for kind, _, _ in kinds)] for row in rows],
    )
