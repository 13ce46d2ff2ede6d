"""How a comparison names causes, measures and keys, and writes figures: the same on the terminal and in notices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.contract import read_contracts
from warehouse.comparison.causes import declared


def write_figure(value: float | None, signed: bool = False) -> str:
    """A figure to six significant digits, as people compare them; JSON has all of them."""
    if value is None:
        return "-"
    return f"{value:+,.6g}" if signed else f"{value:,.6g}"


def write_share(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2%}"


def title_of(cause: str, lang: str) -> str:
    titles = {entry["name"]: entry[lang] for entry in declared()["causes"]}
    return str(titles.get(cause, cause))


def measure_title(name: str, lang: str) -> str:
    return str(next(measure[lang] for measure in declared()["measures"] if measure["name"] == name))


def write_key(key: Mapping[str, Any]) -> str:
    return " · ".join(str(value) for value in key.values())


def name_key(key: Mapping[str, Any], lang: str) -> str:
    """A row by its names: products, provinces and boundaries in words, all else as it stands."""
    from dashboards.reports.figures import name_code  # the reports' own names; drawing comes with them, which a terminal need not wait for

    return " · ".join(name_code(column, str(value))[lang] for column, value in key.items())


def name_mart(mart: str, lang: str) -> str:
    """A mart by its short name."""
    from dashboards.reports.figures import name_code

    return name_code("mart", mart)[lang]


def name_source(source: str, lang: str) -> str:
    contract = read_contracts().get(source)
    return contract.title.in_language(lang) if contract else source


def titles() -> dict[str, dict[str, dict[str, str]]]:
    """The names of causes and measures in both languages."""
    return {kind: {entry["name"]: {"zh": entry["zh"], "en": entry["en"]} for entry in declared()[kind]} for kind in ("measures", "causes")}
