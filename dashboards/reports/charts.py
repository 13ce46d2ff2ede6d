"""The drawings. Each function takes rows and a language and returns Vega-Lite specifications, one per panel; no figure is computed here."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import altair as alt

from dashboards.reports.cells import name_product, name_province, name_scope, name_unit
from dashboards.reports.numbers import write_fixed, write_number, write_share
from dashboards.reports.release_file import Row
from dashboards.reports.wording import Language, Text, say

Spec = dict[str, Any]
Data = dict[str, list[Row]]

# Texts are measured in a small, rather wide font, which takes half the time and errs to the safe side; readers get the page's own (svg.py).
MEASURE_FONT = "DejaVu Sans"
INK, QUIET, RULE, PAPER = "#1c2733", "#5b6773", "#d9dee3", "#ffffff"
# Okabe and Ito's palette, distinguishable with the common kinds of colour blindness and in grey print by its lightness.
BLUE, SKY, ORANGE, VERMILION, GREEN, PALE = "#0072b2", "#7fb8dc", "#e69f00", "#d55e00", "#009e73", "#d5d9dd"
TIER_COLOURS = ("#004b79", "#3f8fc4", "#a9cfe8", ORANGE)
DARK = frozenset({BLUE, VERMILION, GREEN, "#004b79", "#3f8fc4"})
PANEL_WIDTH, HALF_WIDTH, WHOLE_WIDTH = 248, 358, 780
LONG_NAME = 24  # letters
MARGIN = 8  # left and right of a drawing together
NUMBER = ",~r"


@cache
def build_config() -> Spec:
    """One look for all: system fonts of the reader's machine, thin lines, no frame."""
    axis: dict[str, Any] = {"labelColor": QUIET, "titleColor": QUIET, "gridColor": "#e9ecef", "domainColor": RULE, "tickColor": RULE}
    config = alt.Config(
        font=MEASURE_FONT,
        background="transparent",
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(labelFontSize=11, titleFontSize=11, titleFontWeight="normal", **axis),
        title=alt.TitleConfig(fontSize=13, color=INK, subtitleFontSize=11, subtitleColor=QUIET, anchor="start", frame="bounds", offset=8),
        legend=alt.LegendConfig(labelFontSize=11, labelColor=INK, title=None, orient="top", symbolType="square", labelLimit=300, offset=6),
    )
    return dict(config.to_dict())


def finish(chart: Any, data: Data, width: int, height: int) -> Spec:
    """The plot in the given size (axes with fixed extents make panels line up), its rows beside it.

    Size, look and rows are put in last because altair copies and validates what it holds at every step,
    which would take longer than the drawing itself; letting the drawing fit itself would measure every text thrice.
    """
    spec: Spec = chart.to_dict(validate=False)
    return spec | {
        "width": width,
        "height": height,
        "autosize": "pad",
        "padding": {"left": 2, "right": 6, "top": 2, "bottom": 2},
        "config": build_config(),
        "datasets": data,
    }


def set_extent(pixels: int) -> dict[str, Any]:
    """Room for the labels of a vertical axis, the same in every panel."""
    return {"minExtent": pixels, "maxExtent": pixels, "labelLimit": pixels - 4}


def put_title(row: Row, language: Language) -> Any:
    """Product, unit, boundary and GWP set: the words without which a footprint says nothing."""
    name = name_product(row)[language]
    # The drawing is measured in a wider font than the page's: a long name is set smaller, so that it stands whole.
    size, limit = (13, PANEL_WIDTH - 8) if len(name) <= LONG_NAME else (10.5, 2 * PANEL_WIDTH)
    return alt.TitleParams(text=name, fontSize=size, limit=limit, subtitle=f"{name_unit(row)[language]} · {name_scope(row)[language]}")


def draw_trends(cells: list[list[Row]], language: Language) -> list[Spec]:
    """One panel per cell: weighted mean, with the band from p10 to p90."""
    return [draw_trend(rows, language) for rows in cells]


def draw_trend(rows: list[Row], language: Language) -> Spec:
    names = ("reporting_year", "weighted_mean_kg_co2e", "p10_kg_co2e", "p90_kg_co2e")
    last = rows[-1] | {"label": write_number(rows[-1]["weighted_mean_kg_co2e"])}
    data: Data = {"years": [pick(row, names) for row in rows], "last": [pick(last, (*names, "label"))]}
    x = alt.X("reporting_year:O", axis=alt.Axis(title=None, labelAngle=0, grid=False))
    y = alt.Y(
        "weighted_mean_kg_co2e:Q",
        scale=alt.Scale(zero=False, nice=True),
        axis=alt.Axis(title=None, tickCount=4, format=NUMBER, **set_extent(54)),
    )
    base = alt.Chart(alt.NamedData("years")).encode(x=x)
    end = alt.Chart(alt.NamedData("last")).encode(x=x, y=y, text="label:N")
    band = base.mark_area(color=SKY, opacity=0.4).encode(y=alt.Y("p10_kg_co2e:Q", axis=alt.Axis(title=None)), y2="p90_kg_co2e:Q")
    label: dict[str, Any] = {"dy": -11, "dx": 10, "align": "right", "fontSize": 11.5, "fontWeight": "bold", "color": BLUE}
    # The halo is a mark of its own: what makes PDFs knows no order of painting within one, and would paint it over the digits.
    halo = end.mark_text(**label, stroke=PAPER, strokeWidth=3, strokeJoin="round")
    value = end.mark_text(**label)
    line = base.mark_line(color=BLUE, strokeWidth=2.2).encode(y=y)
    point = base.mark_point(color=BLUE, filled=True, size=34, opacity=1).encode(y=y)
    chart = alt.layer(band, line, point, halo, value).properties(title=put_title(rows[0], language))
    return finish(chart, data, PANEL_WIDTH - MARGIN - 54, 118)


def pick(row: Row, names: tuple[str, ...]) -> Row:
    return {name: row[name] for name in names}


def draw_provinces(cells: list[tuple[Row, list[Row]]], language: Language) -> list[Spec]:
    """One panel per cell: a dot per province, hollow below three enterprises, and a line at the national mean."""
    return [draw_province_panel(country, rows, language) for country, rows in cells]


def draw_province_panel(country: Row, rows: list[Row], language: Language) -> Spec:
    data: Data = {
        "provinces": [
            {
                "province": name_province(row)[language],
                "mean": row["weighted_mean_kg_co2e"],
                "fill": BLUE if row["enterprise_count"] >= 3 else PAPER,
                "label": write_number(row["weighted_mean_kg_co2e"]),
            }
            for row in rows
        ],
        "country": [{"mean": country["weighted_mean_kg_co2e"]}],
    }
    order = [value["province"] for value in data["provinces"]]
    means = [value["mean"] for value in data["provinces"] + data["country"]]
    extent = 50 if language == "zh" else 84
    spread = (max(means) - min(means)) or abs(means[0]) or 1.0
    # The free third on the right holds the values, clear of dots and line.
    scale = alt.Scale(domain=[min(means) - 0.08 * spread, max(means) + 0.55 * spread], nice=False, zero=False)
    x = alt.X("mean:Q", scale=scale, axis=alt.Axis(title=None, tickCount=4, format=NUMBER))
    y = alt.Y("province:N", sort=order, axis=alt.Axis(title=None, ticks=False, domain=False, grid=True, **set_extent(extent)))
    base = alt.Chart(alt.NamedData("provinces")).encode(y=y)
    dots = base.mark_point(filled=True, size=50, stroke=BLUE, strokeWidth=1.6, opacity=1).encode(x=x, fill=alt.Fill("fill:N", scale=None))
    labels = base.mark_text(align="right", fontSize=10.5, color=QUIET).encode(x=alt.value("width"), text="label:N")
    mean = alt.Chart(alt.NamedData("country")).mark_rule(color=VERMILION, strokeWidth=1.6, strokeDash=[4, 3]).encode(x=x)
    chart = alt.layer(mean, dots, labels).properties(title=put_title(country, language))
    return finish(chart, data, PANEL_WIDTH - MARGIN - extent, 18 * len(rows))


def draw_parts(rows: list[Row], language: Language) -> list[Spec]:
    """One panel per cell: the three parts of the year's change and their sum, each panel on its own scale."""
    return [draw_part_panel(row, language) for row in rows]


def draw_part_panel(row: Row, language: Language) -> Spec:
    parts = {"within": BLUE, "mix": ORANGE, "entry_exit": GREEN, "change": QUIET}
    values = [
        {
            "part": say(f"column_{'yoy_sum' if part == 'change' else part}")[language],
            "value": row[f"yoy_{part}_kg_co2e"],
            "colour": colour,
            "label": write_number(row[f"yoy_{part}_kg_co2e"], signed=True),
        }
        for part, colour in parts.items()
    ]
    reach = max((abs(v["value"]) for v in values if v["value"] is not None), default=1.0) or 1.0
    unit = 10.0 ** math.floor(math.log10(reach))
    tick = math.floor(reach / unit) * unit
    scale = alt.Scale(domain=[-2.4 * reach, 2.4 * reach], nice=False)
    x = alt.X("value:Q", scale=scale, axis=alt.Axis(title=None, values=[-tick, 0, tick], format=NUMBER))
    y = alt.Y("part:N", sort=[v["part"] for v in values], axis=alt.Axis(title=None, ticks=False, domain=False, **set_extent(68)))
    data: Data = {
        "parts": values,
        "right": [v for v in values if (v["value"] or 0) >= 0],
        "left": [v for v in values if (v["value"] or 0) < 0],
        "zero": [{"value": 0}],
    }
    bars = alt.Chart(alt.NamedData("parts")).mark_bar(height=13).encode(x=x, y=y, color=alt.Color("colour:N", scale=None))
    sides: dict[str, dict[str, Any]] = {"right": {"align": "left", "dx": 4}, "left": {"align": "right", "dx": -4}}
    labels = [
        alt.Chart(alt.NamedData(side)).mark_text(**place, fontSize=10.5, color=INK).encode(x=x, y=y, text="label:N")
        for side, place in sides.items()
        if data[side]
    ]
    zero = alt.Chart(alt.NamedData("zero")).mark_rule(color=INK, strokeWidth=1).encode(x=x)
    chart = alt.layer(bars, zero, *labels).properties(title=put_title(row, language))
    return finish(chart, data, PANEL_WIDTH - MARGIN - 68, 92)


def draw_stack(rows: list[Row], kinds: list[tuple[str, Text, str]], language: Language, unit: Text) -> list[Spec]:
    """Counts by year, stacked by kind; `kinds` gives each kind's column, name and colour from the ground up."""
    values = []
    for row in rows:
        floor = 0
        for column, name, colour in kinds:
            count = row[column]
            values.append(
                {
                    "year": row["reporting_year"],
                    "kind": name[language],
                    "floor": floor,
                    "roof": floor + count,
                    "middle": floor + count / 2,
                    "count": count,
                    "label": write_number(count),
                    "ink": PAPER if colour in DARK else INK,
                }
            )
            floor += count
    top = max((value["roof"] for value in values), default=1)
    # A label needs about a line's height of its own; a smaller count is left to the eye.
    data: Data = {"stacks": values, "labels": [value for value in values if value["count"] >= top * 0.062]}
    names = [name[language] for _, name, _ in kinds]
    fill = alt.Color("kind:N", scale=alt.Scale(domain=names, range=[c for _, _, c in kinds]), legend=alt.Legend(columns=len(names)))
    x = alt.X("year:O", axis=alt.Axis(title=None, labelAngle=0, grid=False))
    axis = alt.Axis(title=None, tickCount=4, tickMinStep=1, format=NUMBER, **set_extent(40))
    y = alt.Y("floor:Q", axis=axis)
    bars = alt.Chart(alt.NamedData("stacks")).mark_bar(size=40).encode(x=x, y=y, y2="roof:Q", color=fill)
    labels = (
        alt.Chart(alt.NamedData("labels"))
        .mark_text(fontSize=10.5, baseline="middle")
        .encode(x=x, y=alt.Y("middle:Q", axis=axis), text="label:N", color=alt.Color("ink:N", scale=None))
    )
    heading = alt.TitleParams(unit[language], fontSize=11, fontWeight="normal", color=QUIET, offset=4)
    return [
        finish(alt.layer(bars, labels).resolve_scale(color="independent").properties(title=heading), data, HALF_WIDTH - MARGIN - 40, 180)
    ]


def draw_price(rows: list[Row], language: Language) -> list[Spec]:
    """Close above, volatility below, on the same time axis."""
    data: Data = {
        "days": [
            {"day": row["trade_date"].isoformat(), "close": row["close_cny_per_t"], "volatility": row["volatility_30d"]} for row in rows
        ]
    }
    last = data["days"][-1] | {"label": write_fixed(rows[-1]["close_cny_per_t"], 2)}
    days_shown = (rows[-1]["trade_date"] - rows[0]["trade_date"]).days
    axis_format = "%Y-%m-%d" if days_shown < 200 else "%Y-%m" if days_shown < 800 else "%Y"
    x = alt.X("day:T", axis=alt.Axis(title=None, format=axis_format, tickCount=6, grid=False))
    y = alt.Y("close:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=None, tickCount=5, format=NUMBER, **set_extent(40)))
    days, end = alt.Chart(alt.NamedData("days")).encode(x=x), alt.Chart(alt.NamedData("last")).encode(x=x, y=y)
    upper = alt.layer(
        days.mark_line(color=BLUE, strokeWidth=1.4).encode(y=y),
        end.mark_point(filled=True, size=46, color=BLUE, opacity=1),
        end.mark_text(align="left", dx=8, fontSize=12, fontWeight="bold", color=BLUE).encode(text="label:N"),
    ).properties(title=alt.TitleParams(say("price_panel_close")[language], subtitle=say("unit_price")[language]))
    lower = (
        days.mark_area(color=SKY, opacity=0.5, line={"color": BLUE, "strokeWidth": 1})
        .encode(y=alt.Y("volatility:Q", axis=alt.Axis(title=None, tickCount=3, format="%", **set_extent(40))))
        .properties(title=say("price_panel_volatility")[language])
    )
    # Both drawings keep the same room around the plot, so that a day stands above itself; on the right the last value has its place.
    room, width = {"left": 46, "right": 56, "bottom": 22}, WHOLE_WIDTH - 46 - 56
    frame: Spec = {"autosize": "none"}
    return [
        finish(upper, data | {"last": [last]}, width, 190) | frame | {"padding": room | {"top": 42}},
        finish(lower, data, width, 76) | frame | {"padding": room | {"top": 28}},
    ]


def draw_verdicts(rows: list[Row], language: Language) -> list[Spec]:
    """Share of received rows that were duplicates or went to quarantine, per source, with the counts."""
    kinds = {"duplicate": ORANGE, "quarantined": VERMILION}
    names = {kind: say(f"verdict_{kind}")[language] for kind in kinds}
    values = [
        {
            "source": row[f"title_{language}"] or row["source"],
            "kind": names[kind],
            "share": row[f"{kind}_count"] / row["received_count"],
            "label": f"{write_number(row[f'{kind}_count'])} ({write_share(row[f'{kind}_count'] / row['received_count'])})",
        }
        for row in rows
        for kind in kinds
        if row[f"{kind}_count"]
    ]
    scale = alt.Scale(domain=[0, 1.25 * max(value["share"] for value in values)], nice=False)
    x = alt.X("share:Q", scale=scale, axis=alt.Axis(title=None, format=".1%", tickCount=5))
    order = list(dict.fromkeys(value["source"] for value in values))
    base = alt.Chart(alt.NamedData("verdicts")).encode(
        y=alt.Y("source:N", sort=order, axis=alt.Axis(title=None, ticks=False, domain=False, **set_extent(200))),
        yOffset=alt.YOffset("kind:N", sort=list(names.values()), scale=alt.Scale(paddingOuter=0.15)),
        x=x,
    )
    colour = alt.Color("kind:N", scale=alt.Scale(domain=list(names.values()), range=list(kinds.values())))
    bars = base.mark_bar().encode(color=colour)
    labels = base.mark_text(align="left", dx=4, fontSize=10, color=QUIET).encode(text="label:N")
    return [finish(alt.layer(bars, labels), {"verdicts": values}, WHOLE_WIDTH - MARGIN - 200, 34 * len(order))]
