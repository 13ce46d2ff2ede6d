"""Bad data sent back and repaired: rows refused, put right, waived or still open, of the reader's own senders."""

from __future__ import annotations

from dashboards.reports import charts, plots
from dashboards.reports.evidence import name_fault
from dashboards.reports.exhibit import Exhibit, make_exhibit
from dashboards.reports.figures import tabulate, write_figure
from dashboards.reports.numbers import write_share
from dashboards.reports.release_file import Row
from dashboards.reports.sections.subject import Subject, say_absent
from dashboards.reports.wording import Text, say

REPAIRS, FAULTS = "release__repairs", "release__quarantined_rules"
SHOWN_FAULTS = 30
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
        [("source", _name_source), "refused_count", *(f"{state}_count" for state in STATES)],
    )
    return make_exhibit(
        "repairs",
        title,
        say("repairs_note"),
        REPAIRS,
        lambda language: plots.draw_bars(bars, language, say("unit_rows")),
        drawn=plots.tabulate_bars(bars, say("unit_rows")),
        table=table,
        is_table_open=True,
    )


def build_faults(subject: Subject) -> Exhibit | None:
    """Which rules the refused rows broke, each by the sentence its sender is told."""
    if not subject.holds(FAULTS):
        return None
    total = subject.read(
        f"select count(*) as rules, count(distinct source) as sources, sum(row_count)::bigint as faults from now.{FAULTS}"
    )[0]
    if not total["rules"]:
        return None
    rows = subject.read(
        f"""
        select f.source, s.title_zh, s.title_en, f.rule, f.row_count
        from now.{FAULTS} as f left join now.release__sources as s using (source)
        order by f.row_count desc, f.source, f.rule limit {SHOWN_FAULTS}
        """
    )
    first = rows[0]
    title = say(
        "faults_finding",
        faults=write_figure("row_count", total["faults"]),
        rules=total["rules"],
        sources=total["sources"],
        source=_name_source(first),
        rule=name_fault(first["source"], first["rule"]),
        count=write_figure("row_count", first["row_count"]),
    )
    table = tabulate(
        rows,
        [("source", _name_source), ("fault", lambda row: name_fault(row["source"], row["rule"])), "row_count"],
    )
    return make_exhibit("faults", title, say("faults_note", shown=len(rows), rules=total["rules"]), FAULTS, table=table, is_table_open=True)


def _name_source(row: Row) -> Text:
    return Text(row["title_zh"] or row["source"], row["title_en"] or row["source"])
