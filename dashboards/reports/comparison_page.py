"""Two releases compared, or a release foreseen, as one page: why sector means moved, with a picture, and everything that changed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import altair as alt
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dashboards.reports.cells import write_key
from dashboards.reports.charts import BLUE, INK, PAPER, VERMILION, WHOLE_WIDTH, Spec, finish
from dashboards.reports.exhibit import Exhibit, make_exhibit, make_table, put_number, put_share, put_text
from dashboards.reports.figures import head_column, name_code
from dashboards.reports.numbers import write_instant, write_number
from dashboards.reports.wording import Language, Text, same, say

_PICTURES = 3  # waterfalls per measure
_LISTED = 100  # moves told in the page; JSON has all
_COUNTRY = "000000"
_LABELS = 170

Document = Mapping[str, Any]
Row = Mapping[str, Any]


def write_comparison_page(document: Document, titles: Document, out: Path, lang_default: Language) -> Path:
    """Write the page of a comparison to `out`, whole.

    Args:
        document: the comparison as JSON tells it; with `effects` where it is a plan.
        titles: `causes` and `measures`: name -> {zh, en}.
    """
    page = render_comparison(document, titles, lang_default)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(out)
    return out


def render_comparison(document: Document, titles: Document, lang_default: Language) -> str:
    named = {kind: {name: Text(**title) for name, title in titles[kind].items()} for kind in ("causes", "measures")}
    sections = [
        ("comparison_effects", [_show_effects(document)] if document["is_plan"] else []),
        ("comparison_why", list(_explain(document, named))),
        ("comparison_marts", [_show_marts(document)] if document["marts"] else []),
        ("comparison_largest", [_show_largest(document)] if document["largest"] else []),
    ]
    environment = Environment(
        loader=PackageLoader("dashboards.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = files(__package__).joinpath("templates/report.css").read_text(encoding="utf-8")
    return environment.get_template("comparison.html").render(
        say=say,
        show_instant=show_instant,
        style=Markup(style),
        lang_default=lang_default,
        title="plan_title" if document["is_plan"] else "comparison_title",
        is_demonstration=document["is_demonstration"],
        sides=[("comparison_first", document["first"]), ("comparison_second", document["second"])],
        sections=[(name, exhibits) for name, exhibits in sections if exhibits],
    )


def show_instant(text: str) -> str:
    """A clock of the comparison as every page shows one; what is no instant stands as it is."""
    try:
        return write_instant(datetime.fromisoformat(text))
    except ValueError:
        return text


def name_key(key: Row) -> Text:
    """A row by its names: products, provinces and boundaries in words, everything else as it stands."""
    parts = [name_code(column, str(value)) for column, value in key.items()]
    return Text(" · ".join(part.zh for part in parts), " · ".join(part.en for part in parts))


def _name_causes(causes: Mapping[str, Text], name: str) -> Text:
    return causes.get(name, same(name))


def _explain(document: Document, named: Mapping[str, Mapping[str, Text]]) -> list[Exhibit]:
    """Per measure: pictures of moves of the whole country with most causes, the largest first, then all moves in a table."""
    exhibits = []
    for measure in named["measures"]:
        moves = [move for move in document["moves"] if move["measure"] == measure and move["kind"] == "moved"]
        if not moves:
            continue
        pictured = sorted(moves, key=lambda move: (move["key"].get("province_code", _COUNTRY) != _COUNTRY, -len(move["parts"])))[:_PICTURES]
        exhibits += [_picture(move, measure, place, named) for place, move in enumerate(pictured, 1)]
        exhibits.append(_list_moves(moves, measure, named))
    return exhibits


def _picture(move: Row, measure: str, place: int, named: Mapping[str, Mapping[str, Text]]) -> Exhibit:
    largest = max(move["parts"], key=lambda cause: abs(move["parts"][cause]))
    title = say(
        "comparison_move",
        key=name_key(move["key"]),
        old=write_number(move["old"]),
        new=write_number(move["new"]),
        cause=_name_causes(named["causes"], largest),
    )
    note = say("comparison_waterfall_note")
    return make_exhibit(
        f"waterfall-{measure}-{place}",
        title,
        note,
        f"{measure} ({write_key(move['key'])})",
        lambda language: [draw_waterfall(move, named["causes"], language)],
    )


def draw_waterfall(move: Row, causes: Mapping[str, Text], language: Language) -> Spec:
    """From the figure before, by each cause's part, to the figure after. The axis does not begin at nothing: the parts are what is shown."""
    bars = [{"name": say("comparison_before")[language], "low": None, "from": None, "to": move["old"], "colour": INK}]
    level = move["old"]
    for cause, part in move["parts"].items():
        bars.append(
            {
                "name": _name_causes(causes, cause)[language],
                "from": level,
                "to": level + part,
                "colour": VERMILION if part > 0 else BLUE,
                "label": write_number(part, signed=True),
            }
        )
        level += part
    bars.append({"name": say("comparison_after")[language], "from": None, "to": move["new"], "colour": INK})
    levels = [bar["to"] for bar in bars]
    low, high = min(levels), max(levels)
    room = (high - low or abs(high) or 1) * 0.15
    for bar in bars:
        bar["from"] = low - room if bar["from"] is None else bar["from"]
        bar.setdefault("label", write_number(bar["to"]))
        bar["end"] = max(bar["from"], bar["to"])
    order = [bar["name"] for bar in bars]
    chart = alt.Chart(alt.NamedData("bars")).encode(
        y=alt.Y("name:N", sort=order, axis=alt.Axis(title=None, minExtent=_LABELS, maxExtent=_LABELS, labelLimit=_LABELS - 4, ticks=False))
    )
    scale = alt.Scale(domain=[low - room, high + 1.6 * room], zero=False, nice=False)
    bar_marks = chart.mark_bar(height=17).encode(
        x=alt.X("from:Q", scale=scale, axis=alt.Axis(title="kgCO₂e", tickCount=6)), x2="to:Q", color=alt.Color("colour:N", scale=None)
    )
    labels = chart.mark_text(align="left", dx=5, fontSize=11.5, color=INK, stroke=PAPER, strokeWidth=0).encode(
        x=alt.X("end:Q", scale=scale), text="label:N"
    )
    return finish(alt.layer(bar_marks, labels), {"bars": bars}, WHOLE_WIDTH - _LABELS - 60, 24 * len(bars))


def _list_moves(moves: Sequence[Row], measure: str, named: Mapping[str, Mapping[str, Text]]) -> Exhibit:
    causes = list(dict.fromkeys(cause for move in moves for cause in move["parts"]))
    columns = [say("comparison_key"), say("comparison_before"), say("comparison_after"), say("comparison_moved_by")]
    rows = [
        [
            put_text(name_key(move["key"])),
            put_number(move["old"]),
            put_number(move["new"]),
            put_number(move["move"], signed=True),
            *(put_number(move["parts"].get(cause), signed=True) for cause in causes),
        ]
        for move in moves[:_LISTED]
    ]
    residual = max((abs(move["residual"]) for move in moves), default=0.0)
    return make_exhibit(
        f"moves-{measure}",
        say("comparison_moves", measure=named["measures"].get(measure, same(measure)), count=len(moves)),
        say("comparison_moves_note", residual=f"{residual:g}"),
        measure,
        table=make_table([*columns, *(_name_causes(named["causes"], cause) for cause in causes)], rows),
        is_table_open=True,
    )


def _name_columns(columns: Sequence[Row]) -> Text:
    named = [(head_column(column["column_name"]), column["changed"]) for column in columns]
    return Text("、".join(f"{head.zh} {count}" for head, count in named), ", ".join(f"{head.en} {count}" for head, count in named))


def _show_marts(document: Document) -> Exhibit:
    names = ("mart", "added", "removed", "changed", "columns")
    rows = [
        [
            put_text(name_code("mart", mart["mart"])),
            *(put_number(mart[name]) for name in ("added", "removed", "changed")),
            put_text(_name_columns(mart["columns"]) if mart["columns"] else None),
        ]
        for mart in document["marts"]
    ]
    return make_exhibit(
        "marts",
        say("comparison_marts_title", count=len(rows)),
        say("comparison_marts_note"),
        "tanlian diff",
        table=make_table([say(f"comparison_{name}") for name in names], rows),
        is_table_open=True,
    )


def _show_largest(document: Document) -> Exhibit:
    names = ("mart", "key", "column", "before", "after", "relative")
    rows = [
        [
            put_text(name_code("mart", change["mart"])),
            put_text(name_key(json.loads(change["key"]))),
            put_text(head_column(change["column_name"])),
            # Only numbers move; what else changed is told as it stood.
            *(
                (put_number(float(change[name])) if change["move"] is not None else put_text(change[name]))
                for name in ("old_value", "new_value")
            ),
            put_share(change["relative_move"], signed=True),
        ]
        for change in document["largest"]
    ]
    return make_exhibit(
        "largest",
        say("comparison_largest_title", count=len(rows)),
        say("comparison_largest_note"),
        "tanlian diff --changes",
        table=make_table([say(f"comparison_{name}") for name in names], rows),
        is_table_open=True,
    )


def _show_effects(document: Document) -> Exhibit:
    rows = [
        [
            put_text(Text(**effect["title"])),
            put_number(effect["count"]),
            put_number(effect["net_move"], signed=True) if effect["kind"] == "number" and effect["count"] else put_text(None),
            put_text(", ".join(f"{step['old']} → {step['new']}: {step['count']}" for step in effect["steps"]) or None),
        ]
        for effect in document["effects"]
    ]
    return make_exhibit(
        "effects",
        say("comparison_effects_title"),
        say("comparison_effects_note"),
        "tanlian plan",
        table=make_table([say(f"comparison_{name}") for name in ("effect", "count", "net", "steps")], rows),
        is_table_open=True,
    )
