"""Bad data sent back and repaired: rows refused, put right, waived or still open, of the reader's own senders."""

from __future__ import annotations

from dashboards.reports import charts, plots
from dashboards.reports.exhibit import Exhibit, make_exhibit
from dashboards.reports.figures import tabulate, write_figure
from dashboards.reports.numbers import write_share
from dashboards.reports.sections.subject import Subject, say_absent
from dashboards.reports.wording import Text, say

REPAIRS = "release__repairs"
STATES = {"closed": charts.GREEN, "waived": charts.SKY, "superseded": charts.ORANGE, "open": charts.VERMILION}


def build_repairs(subject: Subject) -> Exhibit:
    """One row per source; a row refused for several reasons counts once."""
    if not subject.holds(REPAIRS):
        return say_absent("repairs", REPAIRS)
    rows = subject.read(
        f"""
        select source, any_value(title_zh) as title_zh, any_value(title_en) as title_en, sum(refused_count)::bigint as refused_count,
            {", ".join(f"sum({state}_count)::bigint as {state}_count" for state in STATES)}
        from now.{REPAIRS} group by source having sum(refused_count) > 0 order by refused_count desc, source
        """
    )
    if not rows:
        return make_exhibit("repairs", say("repairs_nothing"), say("repairs_note"), REPAIRS)
    total = {name: sum(row[f"{name}_count"] for row in rows) for name in ("refused", *STATES)}
    title = say(
        "repairs_finding",
        refused=write_figure("refused_count", total["refused"]),
        closed=write_figure("closed_count", total["closed"]),
        waived=write_figure("waived_count", total["waived"]),
        open=write_figure("open_count", total["open"]),
        share=write_share((total["closed"] + total["waived"]) / total["refused"]),
    )
    bars = [
        plots.Bar(say(f"state_{state}"), float(total[state]), write_figure("refused_count", total[state]), colour)
        for state, colour in STATES.items()
    ]
    table = tabulate(
        rows,
        [("source", lambda row: Text(row["title_zh"], row["title_en"])), "refused_count", *(f"{state}_count" for state in STATES)],
    )
    return make_exhibit(
        "repairs",
        title,
        say("repairs_note"),
        REPAIRS,
        lambda language: plots.draw_bars(bars, language, say("unit_rows")),
        table=table,
        is_table_open=True,
    )
