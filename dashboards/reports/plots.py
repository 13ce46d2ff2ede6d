"""Drawings that several reports share: bars, lines and a place within a distribution. No figure is computed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from dashboards.reports.charts import (
    BLUE,
    GREEN,
    INK,
    MARGIN,
    NUMBER,
    ORANGE,
    PALE,
    PAPER,
    QUIET,
    SKY,
    VERMILION,
    WHOLE_WIDTH,
    Data,
    Spec,
    finish,
    set_extent,
)  # fmt: skip
from dashboards.reports.exhibit import Cell, Table, make_table, put_number, put_text
from dashboards.reports.wording import Language, Text, same, say

LEAST_EXTENT, MOST_EXTENT = 140, 360
SERIES = (BLUE, ORANGE, GREEN, VERMILION, SKY, QUIET)


@dataclass(frozen=True)
class Bar:
    """A value with the name and the digits that stand beside it."""

    label: Text
    value: float
    display: str
    colour: str = BLUE


@dataclass(frozen=True)
class Line:
    name: Text
    points: Sequence[tuple[str, float]]  # place on the horizontal axis (a day or a label) and value


@dataclass(frozen=True)
class Place:
    """One's own value within a cell's percentiles."""

    label: Text
    low: float
    middle: float
    high: float
    own: Sequence[float]
    display: str


def tabulate_bars(bars: Sequence[Bar], unit: Text) -> Table:
    """The figures of drawn bars; a percentage is drawn a hundred times its share."""
    return make_table(
        [say("column_name"), unit],
        [[put_text(bar.label), Cell(same(bar.display), bar.value / (100 if bar.display.endswith("%") else 1), True)] for bar in bars],
    )


def tabulate_lines(lines: Sequence[Line], head: Text) -> Table:
    """The figures of drawn lines: a row per place, a column per line; a dash where a line has no point."""
    values = [dict(line.points) for line in lines]
    places = sorted({place for found in values for place in found})
    return make_table(
        [head, *(line.name for line in lines)], [[put_text(p), *(put_number(found.get(p)) for found in values)] for p in places]
    )


def name_unit_above(unit: Text, language: Language) -> Any:
    """What the digits count, small above the drawing: without it a bar says nothing."""
    return alt.TitleParams(unit[language], fontSize=11, fontWeight="normal", color=QUIET, offset=4)


def measure_extent(labels: Sequence[str]) -> int:
    """Room for the longest label, so that none is cut; a Chinese sign takes two letters' width."""
    longest = max(sum(2 if ord(letter) > 0x2E7F else 1 for letter in label) for label in labels)
    return min(MOST_EXTENT, max(LEAST_EXTENT, 7 * longest + 16))


def draw_bars(bars: Sequence[Bar], language: Language, unit: Text) -> list[Spec]:
    """Horizontal bars from zero, each with its digits; `unit` is what they count or measure."""
    if not bars:
        return []
    extent = measure_extent([bar.label[language] for bar in bars])
    values: list[dict[str, Any]] = [
        {"label": bar.label[language], "value": bar.value, "display": bar.display, "colour": bar.colour, "place": place}
        for place, bar in enumerate(bars)
    ]
    reach = [bar.value for bar in bars]
    spread = (max(*reach, 0.0) - min(*reach, 0.0)) or 1.0
    room = 0.2 * spread
    low, high = min(*reach, 0.0), max(*reach, 0.0)
    domain = [low - (room if low < 0 else 0), high + (room if high > 0 else 0)]
    # Each bar has its digits beside it; an axis would say them a second time, and worse.
    x = alt.X("value:Q", scale=alt.Scale(domain=domain, nice=False), axis=None)
    order = [value["label"] for value in values]
    y = alt.Y("label:N", sort=order, axis=alt.Axis(title=None, ticks=False, domain=False, labelPadding=7, **set_extent(extent)))
    data: Data = {
        "bars": values,
        "right": [value for value in values if value["value"] >= 0],
        "left": [value for value in values if value["value"] < 0],
        "zero": [{"value": 0}],
    }
    drawn = alt.Chart(alt.NamedData("bars")).mark_bar(height=14).encode(x=x, y=y, color=alt.Color("colour:N", scale=None))
    sides: dict[str, dict[str, Any]] = {"right": {"align": "left", "dx": 5}, "left": {"align": "right", "dx": -5}}
    labels = [
        alt.Chart(alt.NamedData(side)).mark_text(**place, fontSize=11, color=INK).encode(x=x, y=y, text="display:N")
        for side, place in sides.items()
        if data[side]
    ]
    zero = alt.Chart(alt.NamedData("zero")).mark_rule(color=INK, strokeWidth=1).encode(x=x)
    chart = alt.layer(drawn, zero, *labels).properties(title=name_unit_above(unit, language))
    return [finish(chart, data, WHOLE_WIDTH - MARGIN - extent, 24 * len(bars))]


def draw_lines(
    lines: Sequence[Line], language: Language, unit: Text, *, zero: bool = True, is_time: bool = False, format: str = NUMBER
) -> list[Spec]:
    """One line per series over the same axis, told apart by colour and a legend."""
    lines = [line for line in lines if line.points]
    if not lines:
        return []
    names = [line.name[language] for line in lines]
    data: Data = {
        "points": [{"name": line.name[language], "x": place, "y": value} for line in lines for place, value in line.points],
    }
    x = (
        alt.X("x:T", axis=alt.Axis(title=None, grid=False, format="%Y-%m", tickCount=8))
        if is_time
        else alt.X("x:O", axis=alt.Axis(title=None, labelAngle=0, grid=False))
    )
    y = alt.Y("y:Q", scale=alt.Scale(zero=zero, nice=True), axis=alt.Axis(title=None, tickCount=5, format=format, **set_extent(64)))
    colour = alt.Color(
        "name:N",
        scale=alt.Scale(domain=names, range=list(SERIES[: len(names)])),
        legend=alt.Legend(columns=min(3, len(names))) if len(names) > 1 else None,
    )
    base = alt.Chart(alt.NamedData("points")).encode(x=x, y=y, color=colour)
    layers = [base.mark_line(strokeWidth=2)]
    if not is_time:
        layers.append(base.mark_point(filled=True, size=34, opacity=1))
    chart = alt.layer(*layers).properties(title=name_unit_above(unit, language))
    return [finish(chart, data, WHOLE_WIDTH - MARGIN - 64 - 10, 190)]


def draw_places(places: Sequence[Place], language: Language) -> list[Spec]:
    """Per row a band from the low to the high percentile, a tick at the middle one and a dot for one's own: each row on a scale of its own,
    as 0 at the low and 1 at the high percentile, since units differ.
    """
    if not places:
        return []
    rows: list[dict[str, Any]] = []
    dots: list[dict[str, Any]] = []
    for place in places:
        width = (place.high - place.low) or 1.0
        clip = [max(-0.6, min(1.6, (own - place.low) / width)) for own in place.own]
        name = place.label[language]
        rows.append({"name": name, "low": 0.0, "high": 1.0, "middle": (place.middle - place.low) / width, "display": place.display})
        dots += [{"name": name, "own": value} for value in clip]
    order = [row["name"] for row in rows]
    # The drawing is measured in a wider font than the page's: a year at the end of a long name would be cut.
    extent = 330 if max(map(len, order)) > 34 else 250
    scale = alt.Scale(domain=[-0.7, 2.3], nice=False)
    # Ticks would invite reading values off a scale that is each row's own; the words P20, P50 and P80 stand in the note.
    x = alt.X("low:Q", scale=scale, axis=None)
    y = alt.Y("name:N", sort=order, axis=alt.Axis(title=None, ticks=False, domain=False, grid=True, labelPadding=7, **set_extent(extent)))
    base = alt.Chart(alt.NamedData("rows")).encode(y=y)
    band = base.mark_bar(color=PALE, height=14).encode(x=x, x2="high:Q")
    middle = base.mark_tick(color=QUIET, thickness=2, size=18).encode(x=alt.X("middle:Q", scale=scale, axis=None))
    own = (
        alt.Chart(alt.NamedData("dots"))
        .mark_point(filled=True, size=90, color=VERMILION, stroke=PAPER, strokeWidth=1, opacity=1)
        .encode(y=y, x=alt.X("own:Q", scale=scale, axis=None))
    )
    digits = base.mark_text(align="right", fontSize=11, color=INK).encode(x=alt.value("width"), text="display:N")
    data: Data = {"rows": rows, "dots": dots}
    return [finish(alt.layer(band, middle, own, digits), data, WHOLE_WIDTH - MARGIN - extent, 28 * len(rows))]
