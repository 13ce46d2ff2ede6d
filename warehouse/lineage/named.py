"""An explanation's columns, codes and figures in a reader's words, for its page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import yaml

from dashboards.reports.figures import head_column, name_code, write_figure
from dashboards.reports.numbers import put_sign, write_instant
from dashboards.reports.wording import say
from ingest.contract import read_contracts
from ingest.inert import visible
from warehouse.settings import ROOT

SEEDS = ROOT / "dbt_project" / "seeds" / "_seeds.yml"
_OWN_CODES = {"product_code", "province_code", "activity_code", "geography_code"}  # their names stand beside them
Words = dict[str, str]


def demonstration() -> Words:
    """That the data are synthetic, in the reports' own words."""
    return say("demonstration").as_dict()


def head_figure(column: str) -> Words:
    """The heading of a mart's column."""
    return head_column(column).as_dict()


@cache
def _titles(source: str) -> dict[str, Words]:
    contract = read_contracts().get(source)
    return {column.name: {lang: column.title.in_language(lang) for lang in ("zh", "en")} for column in contract.columns} if contract else {}


def heads_of(source: str) -> Callable[[str], Words]:
    """The headings of a source's columns as its contract has them."""
    return lambda column: _titles(source).get(column) or head_figure(column)


@cache
def _list_titles(name: str) -> dict[str, Words]:
    seeds = yaml.load(SEEDS.read_bytes(), Loader=yaml.CSafeLoader)["seeds"]
    found: dict[str, Any] = next((seed for seed in seeds if seed["name"] == name), {})
    told = {column["name"]: column["description"].partition(" | ") for column in found.get("columns", []) if "description" in column}
    return {column: {"zh": zh, "en": en or zh} for column, (zh, _, en) in told.items()}


def heads_of_list(name: str) -> Callable[[str], Words]:
    """The headings of a list's columns: short words where the reports have them, else what the list's own description says."""

    def head(column: str) -> Words:
        short = head_figure(column)
        return _list_titles(name).get(column, short) if short["zh"] == column else short

    return head


def tell_listed(column: str, value: Any) -> Words:
    """A cell of a list: a code of a closed set in words."""
    if isinstance(value, str) and column not in _OWN_CODES:
        return {lang: visible(text) for lang, text in name_code(column, value).as_dict().items()}
    return tell_cell(value)


def tell_value(column: str, value: Any) -> Words:
    """A value of a key in words: a listed code by its name, with the code; all else as it stands."""
    if isinstance(value, str):
        name = name_code(column, value)
        return {lang: visible(name[lang] if name[lang] == value else f"{name[lang]} {value}") for lang in ("zh", "en")}
    return _alike(write_exact(value)) if not isinstance(value, bool) else tell_cell(value)


def tell_figure(column: str, value: Any) -> Words:
    """The figure as every report writes it."""
    if isinstance(value, bool):
        return tell_cell(value)
    if isinstance(value, str):
        return {lang: visible(text) for lang, text in name_code(column, value).as_dict().items()}
    return _alike(write_figure(column, value))


def tell_cell(value: Any) -> Words:
    """A cell as it was delivered or listed, with all its digits."""
    if isinstance(value, bool):
        return say("flag_yes" if value else "flag_no").as_dict()
    return _alike(visible(write_exact(value)))


def tell_delivered(cell: dict[str, Any]) -> Words:
    """A cell of a source's row, with its unit."""
    unit = visible(cell["unit"] or "")
    return {lang: f"{text} {unit}".rstrip() for lang, text in tell_cell(cell["value"]).items()}


def write_exact(value: Any) -> str:
    """All digits, none that say nothing. Whole numbers below ten thousand may be years and carry no separator."""
    if value is None:
        return "—"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date | bool) or not isinstance(value, int | float | Decimal):
        return str(value)
    digits = format(Decimal(str(value)), "f") if Decimal(str(value)).is_finite() else str(value)
    whole, point, rest = digits.partition(".")
    rest = rest.rstrip("0")
    grouped = f"{int(whole):,}" if len(whole.lstrip("-")) > 4 else whole
    return f"{grouped}.{rest}" if point and rest else grouped


def write_part(share: float) -> str:
    """A share of a figure: two decimals, since many rows share one."""
    return put_sign(f"{abs(share):.2%}", share, False)


def write_moment(value: Any) -> str:
    """An instant of the ledger or a manifest (UTC, as text) in China's time."""
    try:
        return write_instant(datetime.fromisoformat(str(value)).replace(tzinfo=None))
    except ValueError:
        return visible(str(value))


def break_lines(text: str, width: float, size: float, most: int) -> list[str]:
    """A text in lines of a width in pixels at a size of letters; what does not fit into the last is left out, and marked."""
    lines = [""]
    for word in re.findall(r"[\x21-\u2fff]+|\S[、。，；：）」”]*|\s+", text):
        if measure(lines[-1] + word.rstrip(), size) > width and lines[-1]:
            lines.append("")
        lines[-1] += word if lines[-1] else word.lstrip()
    kept = [shorten(line.strip(), width, size) for line in lines[:most]]
    if len(lines) > most:
        kept[-1] = shorten(f"{kept[-1].rstrip('…')} {lines[most]}", width, size)
    return kept


def shorten(text: str, width: float, size: float, *, is_code: bool = False) -> str:
    """A text cut to a width in pixels at a size of letters."""
    if measure(text, size, is_code=is_code) <= width:
        return text
    while text and measure(text + "…", size, is_code=is_code) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def measure(text: str, size: float, *, is_code: bool = False) -> float:
    """About how wide a text stands: wide letters as wide as they are high, all letters of code alike, others by their case."""
    return size * sum(
        1.0 if unicodedata.east_asian_width(letter) in "WFA" else 0.61 if is_code else 0.7 if letter.isupper() else 0.53 for letter in text
    )


def _alike(text: str) -> Words:
    return {"zh": text, "en": text}
