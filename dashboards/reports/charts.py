"""The drawings. Each function takes rows and a language and returns a Vega-Lite specification; no figure is computed here."""

from __future__ import annotations

from typing import Any

import altair as alt

from dashboards.reports.cells import name_product, name_province, name_scope, name_unit
from dashboards.reports.numbers import write_fixed, write_number, write_share
from dashboards.reports.release_file import Row
from dashboards.reports.wording import Language, Text, say

FONT = '"Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif'
INK, QUIET, RULE = "#1c2733", "#5b6773", "#d9dee3"
# Okabe and Ito's palette, distinguishable with the common kinds of colour blindness and in grey print by its lightness.
BLUE, SKY, ORANGE, VERMILION, GREEN, GREY = "#0072b2", "#7fb8dc", "#e69f00", "#d55e00", "#009e73", "#a7afb8"
TIER_COLOURS = ["#004b79", "#3f8fc4", "#a9cfe8", "#e69f00", "#d5d9dd"]
WIDTH = 744
COLUMNS = 3
NUMBER = ",~g"


def finish(chart: Any) -> dict[str, Any]:
    """One look for all: system fonts of the reader's machine, thin lines, no frame."""
    axis = {"labelColor": QUIET, "titleColor": QUIET, "gridColor": "#e9ecef", "domainColor": RULE, "tickColor": RULE}
    configured = chart.configure(
        font=FONT,
        background="transparent",
        padding={"left": 2, "right": 8, "top": 4, "bottom": 4},
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(labelFontSize=11, titleFontSize=11, titleFontWeight="normal", labelLimit=150, **axis),
        title=alt.TitleConfig(fontSize=12.5, color=INK, subtitleFontSize=10.5, subtitleColor=QUIET, anchor="start", offset=8, limit=230),
        legend=alt.LegendConfig(labelFontSize=11, labelColor=INK, title=None, orient="top", symbolType="square", labelLimit=300, offset=4),
    )
    return dict(configured.to_dict())


def put_data(rows: list[Row]) -> Any:
    return alt.Data(values=rows)


def put_title(row: Row, language: Language) -> Any:
    return alt.TitleParams(text=name_product(row)[language], subtitle=[name_unit(row)[language], name_scope(row)[language]])


def lay_out(panels: list[Any], columns: int = COLUMNS) -> Any:
    return alt.concat(*panels, columns=columns, spacing={"row": 26, "column": 22}).resolve_scale(x="independent", y="independent")


def draw_trends(cells: list[list[Row]], language: Language) -> dict[str, Any]:
    """One panel per cell: weighted mean, with the band from p10 to p90."""
    return finish(lay_out([draw_trend(rows, language) for rows in cells]))


def draw_trend(rows: list[Row], language: Language) -> Any:
    names = ("reporting_year", "weighted_mean_kg_co2e", "p10_kg_co2e", "p90_kg_co2e")
    base = alt.Chart(put_data([{name: row[name] for name in names} for row in rows])).encode(
        x=alt.X("reporting_year:O", axis=alt.Axis(title=None, labelAngle=0, grid=False))
    )
    y = alt.Y("weighted_mean_kg_co2e:Q", scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(title=None, tickCount=4, format=NUMBER))
    band = base.mark_area(color=SKY, opacity=0.4).encode(y=alt.Y("p10_kg_co2e:Q", axis=alt.Axis(title=None)), y2="p90_kg_co2e:Q")
    line = base.mark_line(color=BLUE, strokeWidth=2.2).encode(y=y)
    point = base.mark_point(color=BLUE, filled=True, size=34, opacity=1).encode(y=y)
    last = {"x": rows[-1]["reporting_year"], "y": rows[-1]["weighted_mean_kg_co2e"], "label": write_number(rows[-1]["weighted_mean_kg_co2e"])}
    label = (
        alt.Chart(put_data([last]))
        .mark_text(dy=-11, align="right", dx=8, fontSize=11, fontWeight="bold", color=BLUE, stroke="white", strokeWidth=3, strokeJoin="round")
        .encode(x=alt.X("x:O"), y=alt.Y("y:Q"), text="label:N")
    )
    plain = label.mark_text(dy=-11, align="right", dx=8, fontSize=11, fontWeight="bold", color=BLUE)
    return alt.layer(band, line, point, label, plain).properties(width=192, height=118, title=put_title(rows[0], language))


def draw_provinces(cells: list[tuple[Row, list[Row]]], language: Language) -> dict[str, Any]:
    """One panel per cell: a dot per province, hollow below three enterprises, and a line at the national mean."""
    return finish(lay_out([draw_province_panel(country, rows, language) for country, rows in cells]))


def draw_province_panel(country: Row, rows: list[Row], language: Language) -> Any:
    values = [
        {
            "province": name_province(row)[language],
            "mean": row["weighted_mean_kg_co2e"],
            "fill": BLUE if row["enterprise_count"] >= 3 else "#ffffff",
            "label": write_number(row["weighted_mean_kg_co2e"]),
        }
        for row in rows
    ]
    order = [value["province"] for value in values]
    everything = [value["mean"] for value in values] + [country["weighted_mean_kg_co2e"]]
    spread = (max(everything) - min(everything)) or abs(everything[0]) or 1.0
    scale = alt.Scale(domain=[min(everything) - 0.1 * spread, max(everything) + 0.34 * spread], nice=False)
    base = alt.Chart(put_data(values)).encode(
        x=alt.X("mean:Q", scale=scale, axis=alt.Axis(title=None, tickCount=3, format=NUMBER)),
        y=alt.Y("province:N", sort=order, axis=alt.Axis(title=None, ticks=False, domain=False, labelLimit=78, grid=True)),
    )
    dots = base.mark_point(filled=True, size=52, stroke=BLUE, strokeWidth=1.6, opacity=1).encode(fill=alt.Fill("fill:N", scale=None))
    labels = base.mark_text(align="left", dx=8, fontSize=10, color=QUIET).encode(text="label:N")
    mean = alt.Chart(put_data([{"x": country["weighted_mean_kg_co2e"]}])).mark_rule(color=VERMILION, strokeWidth=1.6, strokeDash=[4, 3])
    return alt.layer(mean.encode(x=alt.X("x:Q")), dots, labels).properties(width=150, height=alt.Step(17), title=put_title(country, language))


def draw_parts(rows: list[Row], language: Language) -> dict[str, Any]:
    """One panel per cell: the three parts of the year's change and their sum, each panel on its own scale."""
    return finish(lay_out([draw_part_panel(row, language, place % COLUMNS == 0) for place, row in enumerate(rows)]))


def draw_part_panel(row: Row, language: Language, has_labels: bool) -> Any:
    parts = {"within": BLUE, "mix": ORANGE, "entry_exit": GREEN, "total": QUIET}
    values = [
        {
            "part": say(f"part_{part}")[language],
            "value": row["yoy_change_kg_co2e" if part == "total" else f"yoy_{part}_kg_co2e"],
            "colour": colour,
        }
        for part, colour in parts.items()
    ]
    for value in values:
        value["label"] = write_number(value["value"], signed=True)
    reach = max((abs(v["value"]) for v in values if v["value"] is not None), default=1.0) or 1.0
    base = alt.Chart(put_data(values)).encode(
        x=alt.X(
            "value:Q", scale=alt.Scale(domain=[-1.75 * reach, 1.75 * reach], nice=False), axis=alt.Axis(title=None, tickCount=3, format=NUMBER)
        ),
        y=alt.Y(
            "part:N",
            sort=[value["part"] for value in values],
            axis=alt.Axis(title=None, ticks=False, domain=False, labelLimit=120, labels=has_labels),
        ),
    )
    bars = base.mark_bar(height=13).encode(color=alt.Color("colour:N", scale=None))
    right = base.transform_filter("datum.value >= 0").mark_text(align="left", dx=4, fontSize=10, color=INK).encode(text="label:N")
    left = base.transform_filter("datum.value < 0").mark_text(align="right", dx=-4, fontSize=10, color=INK).encode(text="label:N")
    zero = alt.Chart(put_data([{"x": 0}])).mark_rule(color=INK, strokeWidth=1).encode(x=alt.X("x:Q"))
    return alt.layer(bars, zero, right, left).properties(width=176, height=alt.Step(22), title=put_title(row, language))


def draw_stacks(rows: list[Row], kinds: list[tuple[str, Text, str]], language: Language, width: int, unit: Text) -> Any:
    """Counts by year, stacked by kind; `kinds` gives each kind's column, name and colour in stacking order."""
    values = [
        {"year": row["reporting_year"], "kind": name[language], "count": row[column], "place": place, "label": write_number(row[column])}
        for row in rows
        for place, (column, name, _) in enumerate(kinds)
        if row[column]
    ]
    top = max((sum(row[column] for column, _, _ in kinds) for row in rows), default=1)
    names = [name[language] for _, name, _ in kinds]
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=names, range=[c for _, _, c in kinds]),
        legend=alt.Legend(columns=2 if len(names) < 5 else 3),
    )
    base = alt.Chart(put_data(values)).encode(
        x=alt.X("year:O", axis=alt.Axis(title=None, labelAngle=0, grid=False)),
        y=alt.Y("count:Q", stack="zero", axis=alt.Axis(title=unit[language], tickCount=4, format=NUMBER)),
        order=alt.Order("place:Q"),
    )
    bars = base.mark_bar(size=38).encode(color=colour)
    # A label needs about a line's height of its own; smaller counts are in the table.
    labels = (
        base.transform_filter(f"datum.count >= {top * 0.06}")
        .mark_text(fontSize=10, baseline="middle", color=INK, stroke="white", strokeWidth=2.4, strokeOpacity=0.75)
        .encode(y=alt.Y("count:Q", stack="zero", bandPosition=0.5), text="label:N", detail="kind:N")
    )
    plain = (
        base.transform_filter(f"datum.count >= {top * 0.06}")
        .mark_text(fontSize=10, baseline="middle", color=INK)
        .encode(y=alt.Y("count:Q", stack="zero", bandPosition=0.5), text="label:N", detail="kind:N")
    )
    return alt.layer(bars, labels, plain).properties(width=width, height=170)


def draw_stack(rows: list[Row], kinds: list[tuple[str, Text, str]], language: Language, unit: Text) -> dict[str, Any]:
    return finish(draw_stacks(rows, kinds, language, 300, unit))


def draw_price(rows: list[Row], language: Language) -> dict[str, Any]:
    """Close above, volatility below, one time axis."""
    values = [
        {"day": row["trade_date"].isoformat(), "close": row["close_cny_per_t"], "volatility": row["volatility_30d"]} for row in rows
    ]
    x = alt.X("day:T", axis=alt.Axis(title=None, format="%Y-%m" if len(rows) < 500 else "%Y", tickCount=6, grid=False))
    base = alt.Chart(put_data(values)).encode(x=x)
    close = base.mark_line(color=BLUE, strokeWidth=1.5).encode(
        y=alt.Y("close:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=say("unit_price")[language], tickCount=5))
    )
    last = {"day": values[-1]["day"], "close": values[-1]["close"], "label": write_fixed(values[-1]["close"], 2)}
    end = alt.Chart(put_data([last])).encode(x=alt.X("day:T"), y=alt.Y("close:Q", scale=alt.Scale(zero=False)))
    mark = end.mark_point(filled=True, size=46, color=BLUE, opacity=1)
    label = end.mark_text(align="right", dx=0, dy=-12, fontSize=12, fontWeight="bold", color=BLUE).encode(text="label:N")
    upper = alt.layer(close, mark, label).properties(width=WIDTH - 74, height=190, title=say("price_panel_close")[language])
    lower = (
        base.mark_area(color=SKY, opacity=0.55, line={"color": BLUE, "strokeWidth": 1})
        .encode(y=alt.Y("volatility:Q", axis=alt.Axis(title=None, tickCount=3, format="%")))
        .properties(width=WIDTH - 74, height=80, title=say("price_panel_volatility")[language])
    )
    return finish(alt.vconcat(upper, lower, spacing=16).resolve_scale(x="shared"))


def draw_verdicts(rows: list[Row], language: Language) -> dict[str, Any]:
    """Share of received rows that were duplicates or went to quarantine, per source, with the counts."""
    kinds = {"duplicate": ORANGE, "quarantined": VERMILION}
    values = [
        {
            "source": row[f"title_{language}"] or row["source"],
            "kind": say(f"verdict_{kind}")[language],
            "share": row[f"{kind}_count"] / row["received_count"],
            "label": f"{write_number(row[f'{kind}_count'])}  ({write_share(row[f'{kind}_count'] / row['received_count'])})",
        }
        for row in rows
        for kind in kinds
    ]
    order = [row[f"title_{language}"] or row["source"] for row in rows]
    names = [say(f"verdict_{kind}")[language] for kind in kinds]
    reach = max((v["share"] for v in values), default=0.0) or 0.01
    scale = alt.Scale(domain=[0, reach * 1.3], nice=False)
    base = alt.Chart(put_data(values)).encode(
        y=alt.Y("source:N", sort=order, axis=alt.Axis(title=None, ticks=False, domain=False, labelLimit=200)),
        yOffset=alt.YOffset("kind:N", sort=names),
        x=alt.X("share:Q", scale=scale, axis=alt.Axis(title=None, format=".1%", tickCount=5)),
    )
    bars = base.mark_bar(height=8).encode(color=alt.Color("kind:N", scale=alt.Scale(domain=names, range=list(kinds.values()))))
    labels = base.mark_text(align="left", dx=4, fontSize=9.5, color=QUIET).encode(text="label:N")
    return finish(alt.layer(bars, labels).properties(width=WIDTH - 230, height=alt.Step(13)))
