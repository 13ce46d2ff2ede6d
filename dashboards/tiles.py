"""A map of equal tiles, one for each province, with the figure on it and a link to the province: one cell of a table, worked out as text.

No kind of chart that Superset has puts both a name and a figure on a tile. What is text here are names of this repository and figures;
nothing that a sender wrote is in it, so that it may be shown as HTML, which Superset cleans once more.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from dashboards.definitions import ROOM
from dashboards.named_columns import name_columns

# One hue from light to dark (ColorBrewer's Blues), with the colour of a text that stays readable on it.
SHADES = (("#EFF3FF", "#222"), ("#BDD7E7", "#222"), ("#6BAED6", "#111"), ("#3182BD", "#FFF"), ("#08519C", "#FFF"))
_WITHOUT = ("#F2F2F2", "#777")
_ROWS = _COLUMNS = 8


def read_tiles() -> dict[str, dict[str, Any]]:
    """Province -> its row and column, and its short name in both languages."""
    tiles: dict[str, dict[str, Any]] = yaml.safe_load((ROOM / "province_tiles.yaml").read_text(encoding="utf-8"))
    return tiles


def write_map(column: str, lang: str, choices: dict[str, str]) -> str:
    """SQL of the map's HTML over rows of one column by province; a province without a row, or with several, has no figure.

    `choices` are the page's filters with the column of each: a tile leads to the same page with the same choices in its province.
    """
    tiles = ", ".join(
        f"{{'code': '{code}', 'name': '{tile[lang]}', 'place': 'r{tile['row']} c{tile['column']}'}}" for code, tile in read_tiles().items()
    )
    # A figure belongs to its province only where that has exactly one row.
    found = f"list_filter(list({{'code': province_code, 'name': province_name_{lang}, 'value': {column}}}), row -> row.code = tile.code)"
    value = f"case when len({found}) = 1 then {found}[1].value end"
    # Four bounds part the provinces into five shades of as many provinces each.
    bounds = f"quantile_cont({column}, [0.2, 0.4, 0.6, 0.8]) filter (where province_code <> '000000')"
    shade = f"case when {value} is null then 'none' else 's' || cast(len(list_filter({bounds}, bound -> bound < {value})) as varchar) end"
    figure = (
        f"coalesce(case when abs({value}) >= 1000 then format('{{:,.0f}}', {value}) when abs({value}) >= 10"
        f" then format('{{:,.1f}}', {value}) else format('{{:.3f}}', {value}) end, '–')"
    )
    target = _write_target(choices, f"{found}[1].name")
    opening = f"case when {value} is null then '<span class=\"tile ' else '<a href=\"' || {target} || '\" class=\"tile ' end"
    closing = f"case when {value} is null then '</span>' else '</a>' end"
    tile = f"{opening} || tile.place || ' ' || {shade} || '\">' || tile.name || '<br>' || {figure} || {closing}"
    return f"'<div class=\"tiles\">' || array_to_string(list_transform([{tiles}], tile -> {tile}), '') || '</div>'"


def _write_target(choices: dict[str, str], province: str) -> str:
    """SQL of the address, relative to the page, with every filter as Superset writes it into addresses."""
    chosen = []
    for name, column in choices.items():
        # Within a figure a column of names is no column: what works it out stands in its place.
        named = name_columns({re.sub("_name_(zh|en)$", "", column): "VARCHAR"}).get(column, column)
        value = province if name == "province" else f"min(cast({named} as varchar))"
        quoted = value if column.endswith("_year") else f"'''' || {value} || ''''"
        given = f"value:!(' || {quoted} || ')"
        chosen.append(
            f"NATIVE_FILTER-{name}:(id:NATIVE_FILTER-{name},extraFormData:(filters:!((col:{column},op:IN,"
            f"{given.replace('value:', 'val:')}))),filterState:({given}),ownState:())"
        )
    written = "'(" + ",".join(chosen) + ")'"
    return f"'./?native_filters=' || url_encode({written})"


def write_style() -> str:
    """What the tiles look like; the classes say where they stand and how dark they are."""
    places = [f".tile.r{row} {{ grid-row: {row}; }}" for row in range(1, _ROWS + 1)]
    places += [f".tile.c{column} {{ grid-column: {column}; }}" for column in range(1, _COLUMNS + 1)]
    shades = {f"s{number}": shade for number, shade in enumerate(SHADES)} | {"none": _WITHOUT}
    colours = [f".tile.{name} {{ background: {ground}; color: {text}; }}" for name, (ground, text) in shades.items()]
    return "\n".join(
        [
            f".tiles {{ display: grid; grid-template-columns: repeat({_COLUMNS}, 1fr); gap: 3px; }}",
            ".tile { text-align: center; padding: 5px 2px; font-size: 12px; line-height: 1.35; border-radius: 3px; }",
            # The one cell of the table is the map. Its heading is unseen but keeps its height, by which Superset lays out the rest.
            ".dashboard-component-chart-holder:has(.tiles) thead { visibility: hidden; }",
            *places,
            *colours,
        ]
    )
