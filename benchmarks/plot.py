"""The plot: ratios by size against the aims, and where the seconds go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from benchmarks.compare import AIM_EVERYTHING, AIM_LANDING, compare, stage_parts
from benchmarks.wording import say

FONT = "Noto Sans CJK SC, Noto Sans SC, Microsoft YaHei, PingFang SC, Helvetica, Arial, sans-serif"
INK, QUIET = "#1c2733", "#5b6773"
# Okabe and Ito's palette, distinguishable with the common kinds of colour blindness.
MEASURES = {"landing": "#0072b2", "dbt": "#e69f00", "everything": "#d55e00", "memory": "#009e73"}
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


def _ratios(document: dict[str, Any], lang: str) -> alt.LayerChart:
    rows = [
        {"lines": f"{size['lines']:,}", "measure": say(line.measure, lang), "ratio": line.ratio, "label": f"{line.ratio:.1f}×"}
        for size in document["sizes"]
        for line in compare(size)
        if line.measure in MEASURES and line.ratio is not None
    ]
    aims = [{"measure": say(name, lang), "aim": aim} for name, aim in (("landing", AIM_LANDING), ("everything", AIM_EVERYTHING))]
    colour = alt.Color(
        "measure:N",
        scale=alt.Scale(domain=[say(name, lang) for name in MEASURES], range=list(MEASURES.values())),
        legend=alt.Legend(title=None, orient="bottom", columns=4, labelLimit=240),
    )
    across = alt.X("lines:O", sort=_sizes(document), title=say("lines", lang), axis=alt.Axis(labelAngle=0))
    up = alt.Y(
        "ratio:Q",
        scale=alt.Scale(type="log", domainMin=1, nice=True),
        title=None,
        axis=alt.Axis(values=[1, 2, 3, 5, 10, 20, 50], labelExpr="datum.value + '×'"),
    )
    lines = alt.Chart(alt.InlineData(rows)).mark_line(point=alt.OverlayMarkDef(size=45), strokeWidth=2).encode(x=across, y=up, color=colour)
    labels = alt.Chart(alt.InlineData(rows)).mark_text(dy=-10, fontSize=11).encode(x=across, y=up, text="label:N", color=colour)
    rules = alt.Chart(alt.InlineData(aims)).mark_rule(strokeDash=[5, 4], strokeWidth=1.2).encode(y="aim:Q", color=colour)
    title = alt.TitleParams(
        say("plot.ratio", lang), subtitle=say("plot.aims", lang, landing=f"{AIM_LANDING:g}", everything=f"{AIM_EVERYTHING:g}")
    )
    return alt.layer(rules, lines, labels).properties(width=400, height=330, title=title)


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
    chart = alt.hconcat(_ratios(document, lang), _parts(document, lang), spacing=40).resolve_scale(color="independent")
    chart = chart.configure(font=FONT, background="#ffffff", padding=12).configure_view(stroke=None)
    chart = chart.configure_axis(labelColor=INK, titleColor=QUIET, labelFontSize=11, titleFontSize=11, gridColor="#e9ecef")
    chart = chart.configure_title(color=INK, subtitleColor=QUIET, anchor="start", fontSize=13, subtitleFontSize=11, offset=10)
    path.write_text(vl_convert.vegalite_to_svg(chart.to_dict(), allowed_base_urls=[]), encoding="utf-8")
