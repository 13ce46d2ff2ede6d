"""A mart's column as a reader sees it: its name from the dictionary, its figures by the one formatter, its codes in words.

Every surface (reports, their workbooks, exports, the reading interface's `display`) writes a figure through `write_figure`,
so that a figure that stands in several places is the same to its last digit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from dashboards.reports.exhibit import Cell, Table, make_table
from dashboards.reports.listed_names import read_names
from dashboards.reports.numbers import ABSENT, write_day, write_fixed, write_instant, write_number, write_share
from dashboards.reports.release_file import Row
from dashboards.reports.wording import Text, load_wording, same, say

DICTIONARY = Path(__file__).parents[2] / "dbt_project" / "models" / "dictionary.md"
_BLOCK = re.compile(r"\{% docs (\w+) %\}\n(.*?)\n\{% enddocs %\}", re.DOTALL)
# Differences against a reference are signed; a ratio of two amounts is not.
_SIGNED = re.compile(r"^(yoy_\w+|\w*gap_ratio|gap_to_\w+|discrepancy_ratio|benchmark_difference_t_co2e|net_cost\w*|change\w*)$")
_SHARES = frozenset({"percentile_rank", "attribution", "probability"})
_PLAIN = re.compile(r"(^|_)(year|tier|rank|score)$")


@dataclass(frozen=True)
class Entry:
    """A dictionary block: the label before the first colon, and the whole text."""

    label: Text
    text: Text


@cache
def read_dictionary(path: Path = DICTIONARY) -> Mapping[str, Entry]:
    """Every documented column in both languages."""
    entries = {}
    for name, body in _BLOCK.findall(path.read_text(encoding="utf-8")):
        zh, _, en = (part.strip() for part in body.partition(" | "))
        entries[name] = Entry(Text(re.split("[:：]", zh)[0], re.split(":", en)[0]), Text(zh, en))
    return entries


def head_column(name: str) -> Text:
    """The column's heading: a report's own word where it has one, else the dictionary's label."""
    wording = load_wording()
    if f"column_{name}" in wording:
        return wording[f"column_{name}"]
    entry = read_dictionary().get(name)
    return entry.label if entry else same(name)


def head_named(name: str) -> Text:
    """The heading over a column whose codes are shown by their names."""
    return load_wording().get(f"named_{name}") or head_column(name)


def write_figure(column: str, value: Any) -> str:
    """A figure by its column's unit, alike in both languages; codes and texts as they stand.

    Shares and ratios are percentages with one decimal, prices have two decimals, everything measured four significant digits, counts all digits.
    """
    if value is None:
        return ABSENT
    if isinstance(value, datetime):
        return write_instant(value)
    if isinstance(value, date):
        return write_day(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return str(value)
    return _write_number(column, float(value) if isinstance(value, Decimal) else value)


def _write_number(column: str, value: float | int) -> str:
    signed = bool(_SIGNED.match(column))
    if column.endswith(("_share", "_ratio")) or column in _SHARES:
        return write_share(value, signed=signed)
    if column.endswith("_cny_per_t"):
        return write_fixed(value, 2, signed=signed)
    if column == "volatility_30d":
        return write_share(value)
    if column.endswith("_pct"):
        return write_fixed(value, 1)  # the column's name says per cent
    if _PLAIN.search(column):
        return str(value) if isinstance(value, int) else write_fixed(value, 2)
    return write_number(value, signed=signed)


def is_figure(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def put_figure(column: str, value: Any) -> Cell:
    """A table cell of a mart's column; flags and known codes are said in words."""
    if isinstance(value, bool):
        return Cell(say("flag_yes" if value else "flag_no"))
    if is_figure(value):
        number = float(value) if isinstance(value, Decimal) else value
        return Cell(same(write_figure(column, value)), number, not _is_label(column), column)
    if isinstance(value, str):
        return Cell(name_code(column, value))
    return Cell(same(write_figure(column, value)))


def _is_label(column: str) -> bool:
    """Years and tiers are numbers that name something: they stand left and carry no separator."""
    return column in {"year", "tier"} or column.endswith("_year")


def name_code(column: str, value: str) -> Text:
    """A code of a closed list in words (`verdict` `lagging`, `product_code` `CEMENT`), any other text as it stands."""
    return load_wording().get(f"{column}_{value}") or read_names(column).get(value, same(value))


Naming = Callable[[Row], Text]


def tabulate(rows: list[Row], columns: list[str | tuple[str, Naming]]) -> Table:
    """A table of mart rows; a pair gives a heading's code and how a row is named under it. A column of codes shows names, and its heading says so."""
    heads = [head_named(column) if isinstance(column, str) else head_column(column[0]) for column in columns]
    return make_table(
        heads,
        [[put_figure(c, row[c]) if isinstance(c, str) else Cell(c[1](row)) for c in columns] for row in rows],
    )
