"""The plot: ratios by size against the aims, and where the seconds go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from benchmarks.compare import AIM_EVERYTHING, AIM_LANDING, compare, stage_parts
from benchmarks.table import write_ratio
from benchmarks.wording import say

FONT = "Noto Sans CJK SC, Noto Sans SC, Microsoft YaHei, PingFang SC, Helvetica, Arial, sans-serif"
INK, QUIET = "#1c2733", "#5b6773"
# Okabe and Ito's palette, distinguishable with the common kinds of colour blindness.
AIM_COLOUR = "#b3261e"
MEASURES = ("landing", "dbt", "everything", "memory")
AIMS = {"landing": AIM_LANDING, "everything": AIM_EVERYTHING}
STAGES = {
    "start": "#c9ced3",
    "gate_start": "#f0c9a8",
    "landing": "#0072b2",
    "landing_gates": "#7fb8dc",
    "dbt": "#e69f00",
    "marts_gates": "#f3d48a",
    "publish": "#d55e00",
    "read_and_write": "#004b79",
    "marts": "#8a5d00",
}


def _sizes(document: dict[str, Any]) -> list[str]:
    return [f"{size['lines']:,}" for size in document["sizes"]]


def _ratio_panel(document: dict[str, Any], measure: str, lang: str, top: float) -> Any:
    lines = [(size, line) for size in document["sizes"] for line in compare(size) if line.measure == measure]
    rows = [{"lines": f"{size['lines']:,}", "ratio": line.ratio, "label": write_ratio(line.ratio)} for size, line in lines]
    across = alt.X("lines:O", sort=_sizes(document), title=None, axis=alt.Axis(labelAngle=0, domain=False, ticks=False))
    ticks = alt.Axis(values=[1, 3, 10, 30, 100], labelExpr="datum.value + '×'", domain=False, ticks=False)
    scale = alt.Scale(type="log", domain=[0.9, top])
    up = alt.Y("ratio:Q", scale=scale, title=None, axis=ticks)
    chart = alt.Chart(alt.InlineData(rows))
    layers = [
        chart.mark_line(point=alt.OverlayMarkDef(size=45, color=INK), strokeWidth=2, color=INK).encode(x=across, y=up),
        chart.mark_text(dy=-11, fontSize=11, color=INK).encode(x=across, y=up, text="label:N"),
    ]
    if measure in AIMS:
        aim = alt.Chart(alt.InlineData([{"aim": AIMS[measure]}]))
        layers.insert(
            0,
            aim.mark_rule(strokeDash=[5, 4], strokeWidth=1.3, color=AIM_COLOUR).encode(
                y=alt.Y("aim:Q", scale=scale, axis=ticks, title=None)
            ),
        )
    return alt.layer(*layers).properties(width=190, height=118, title=alt.TitleParams(say(measure, lang), fontSize=11, fontWeight="normal"))


def _ratios(document: dict[str, Any], lang: str) -> Any:
    """A panel per measure on one scale: four lines in one panel would cover each other's labels."""
    largest = max(line.ratio or 0 for size in document["sizes"] for line in compare(size) if line.measure in MEASURES)
    panels = [_ratio_panel(document, measure, lang, max(10.0, largest * 2)) for measure in MEASURES]
    aims = say("plot.aims", lang, landing=f"{AIM_LANDING:g}", everything=f"{AIM_EVERYTHING:g}")
    grid = alt.vconcat(alt.hconcat(*panels[:2], spacing=24), alt.hconcat(*panels[2:], spacing=24), spacing=18)
    return grid.properties(title=alt.TitleParams(say("plot.ratio", lang), subtitle=aims))


def _parts(document: dict[str, Any], lang: str) -> alt.VConcatChart:
    order = {name: number for number, name in enumerate(STAGES)}
    colour = alt.Color(
        "stage:N",
        scale=alt.Scale(domain=[say(f"stage.{name}", lang) for name in STAGES], range=list(STAGES.values())),
        legend=alt.Legend(title=None, orient="right", labelLimit=200),
    )
    panels = []
    for size in document["sizes"]:
        rows = [
            part
            | {
                "side": say("ours" if part["side"] == "pipeline" else "bare", lang),
                "stage": say(f"stage.{part['stage']}", lang),
                "order": order[part["stage"]],
            }
            for part in stage_parts(size)
        ]
        bars = (
            alt.Chart(alt.InlineData(rows))
            .mark_bar(size=22)
            .encode(
                x=alt.X("seconds:Q", stack=True, title=None, axis=alt.Axis(tickCount=6)),
                y=alt.Y("side:N", sort=[say("ours", lang), say("bare", lang)], title=None, axis=alt.Axis(minExtent=70)),
                color=colour,
                order="order:Q",
            )
        )
        panels.append(
            bars.properties(
                width=400,
                height=70,
                title=alt.TitleParams(say("plot.size", lang, lines=f"{size['lines']:,}"), fontSize=11, fontWeight="normal"),
            )
        )
    return alt.vconcat(*panels, spacing=12).properties(title=say("plot.parts", lang))


def draw(document: dict[str, Any], lang: str, path: Path) -> None:
    """Write the plot in one language as SVG."""
    chart = alt.hconcat(_ratios(document, lang), _parts(document, lang), spacing=40)
    chart = chart.configure(font=FONT, background="#ffffff", padding=12).configure_view(stroke=None)
    chart = chart.configure_axis(labelColor=INK, titleColor=QUIET, labelFontSize=11, titleFontSize=11, gridColor="#e9ecef")
    chart = chart.configure_title(color=INK, subtitleColor=QUIET, anchor="start", fontSize=13, subtitleFontSize=11, offset=10)
    path.write_text(vl_convert.vegalite_to_svg(chart.to_dict(), allowed_base_urls=[]), encoding="utf-8")
