"""The carbon market, credits and environmental assessments of a reader's enterprises."""

from __future__ import annotations

from dashboards.reports import charts, plots
from dashboards.reports.evidence import name_subject, tell_evidence
from dashboards.reports.exhibit import Exhibit, make_exhibit
from dashboards.reports.figures import name_code, tabulate, write_figure
from dashboards.reports.numbers import write_share
from dashboards.reports.sections.subject import Subject, say_absent
from dashboards.reports.wording import say

POSITIONS, FINDINGS, LEDGER = "ets__positions_by_year", "ccer__findings", "ccer__ledger"
ASSESSMENTS, INCREMENTS, COSTS = "eia__assessments", "eia__region_increments_by_year", "ets__product_costs_by_year"
SHOWN = 25
STATUS_COLOURS = {"compliant": charts.GREEN, "not_due": charts.SKY, "outstanding": charts.VERMILION, "no_data": charts.PALE}
VERDICT_COLOURS = {"leading": charts.GREEN, "acceptable": charts.SKY, "lagging": charts.VERMILION, "no_benchmark": charts.PALE}


def build_positions(subject: Subject) -> Exhibit:
    if not subject.holds(POSITIONS):
        return say_absent("positions", POSITIONS)
    counted = subject.read(
        f"select compliance_year, position_status, count(*) as enterprise_count from now.{POSITIONS} group by all order by all"
    )
    if not counted:
        return say_absent("positions", POSITIONS)
    year = max(row["compliance_year"] for row in counted)
    rows = subject.read(
        f"""
        select * from now.{POSITIONS} where compliance_year = $1
        order by position_status = 'outstanding' desc, shortfall_t_co2e desc nulls last, enterprise_id limit {SHOWN}
        """,
        year,
    )
    in_year = {row["position_status"]: row["enterprise_count"] for row in counted if row["compliance_year"] == year}
    short = subject.read(f"select count(*) as n from now.{POSITIONS} where compliance_year = $1 and shortfall_t_co2e > 0", year)[0]["n"]
    title = say(
        "positions_finding",
        year=year,
        total=sum(in_year.values()),
        outstanding=in_year.get("outstanding", 0),
        short=short,
    )
    bars = [
        plots.Bar(
            say("year_with_status", year=row["compliance_year"], status=name_code("position_status", row["position_status"])),
            float(row["enterprise_count"]),
            write_figure("enterprise_count", row["enterprise_count"]),
            STATUS_COLOURS.get(row["position_status"], charts.QUIET),
        )
        for row in counted
    ]
    table = tabulate(
        rows,
        [
            "market", "enterprise_id", "position_status", "verified_t_co2e", "allocated_t_co2e", "obligation_t_co2e", "outstanding_t_co2e",
            "shortfall_t_co2e", "price_cny_per_t", "cost_cny", "surplus_value_cny",
        ],
    )  # fmt: skip
    return make_exhibit(
        "positions",
        title,
        say("positions_note", shown=len(rows)),
        f"{POSITIONS} (compliance_year = {year})",
        lambda language: plots.draw_bars(bars, language, say("unit_enterprises")),
        table=table,
        is_table_open=True,
    )


def build_findings(subject: Subject) -> Exhibit:
    if not subject.holds(FINDINGS):
        return say_absent("findings", FINDINGS)
    counted = subject.read(
        f"select rule_code, count(*) as finding_count from now.{FINDINGS} group by all order by finding_count desc, rule_code"
    )
    if not counted:
        return make_exhibit("findings", say("findings_nothing"), say("findings_note"), FINDINGS)
    rows = subject.read(f"select * from now.{FINDINGS} order by quantity_t_co2e desc nulls last, rule_code, subject_id limit {SHOWN}")
    title = say(
        "findings_finding",
        total=write_figure("finding_count", sum(row["finding_count"] for row in counted)),
        rule=name_code("rule_code", counted[0]["rule_code"]),
        count=counted[0]["finding_count"],
    )
    bars = [
        plots.Bar(
            name_code("rule_code", row["rule_code"]),
            float(row["finding_count"]),
            write_figure("finding_count", row["finding_count"]),
            charts.ORANGE,
        )
        for row in counted
    ]
    table = tabulate(
        rows,
        [
            "rule_code",
            ("subject_id", lambda row: name_subject(row["subject_id"])),
            "enterprise_id",
            "quantity_t_co2e",
            ("evidence", lambda row: tell_evidence(row["evidence"])),
        ],
    )
    return make_exhibit(
        "findings",
        title,
        say("findings_note"),
        FINDINGS,
        lambda language: plots.draw_bars(bars, language, say("unit_findings")),
        table=table,
        is_table_open=True,
    )


def build_credits(subject: Subject) -> Exhibit:
    """The credit ledger: issued, cancelled by purpose, left."""
    if not subject.holds(LEDGER):
        return say_absent("credits", LEDGER)
    rows = subject.read(f"select * from now.{LEDGER} order by balance_t_co2e desc nulls last, issuance_id limit {SHOWN}")
    if not rows:
        return say_absent("credits", LEDGER)
    count = subject.read(f"select count(*) as n, count(*) filter (where balance_t_co2e > 0) as open from now.{LEDGER}")[0]
    title = say("credits_finding", total=count["n"], open=count["open"])
    table = tabulate(
        rows,
        [
            "issuance_id",
            "project_id",
            "owner_id",
            "issued_t_co2e",
            "cancelled_ets_offset_t_co2e",
            "cancelled_voluntary_t_co2e",
            "balance_t_co2e",
        ],
    )
    return make_exhibit("credits", title, say("credits_note", shown=len(rows)), LEDGER, table=table, is_table_open=True)


def build_assessments(subject: Subject) -> Exhibit:
    if not subject.holds(ASSESSMENTS):
        return say_absent("assessments", ASSESSMENTS)
    counted = {
        row["verdict"]: row["project_count"]
        for row in subject.read(f"select verdict, count(*) as project_count from now.{ASSESSMENTS} group by all")
    }
    if not counted:
        return say_absent("assessments", ASSESSMENTS)
    rows = subject.read(
        f"""
        select * from now.{ASSESSMENTS}
        order by verdict = 'lagging' desc, ex_post_gap_ratio desc nulls last, gap_to_p50_ratio desc nulls last, eia_id limit {SHOWN}
        """
    )
    worse = subject.read(f"select count(*) as n from now.{ASSESSMENTS} where ex_post_gap_ratio > 0")[0]["n"]
    title = say(
        "assessments_finding",
        total=sum(counted.values()),
        lagging=counted.get("lagging", 0),
        leading=counted.get("leading", 0),
        worse=worse,
    )
    bars = [
        plots.Bar(name_code("verdict", verdict), float(counted[verdict]), write_figure("project_count", counted[verdict]), colour)
        for verdict, colour in VERDICT_COLOURS.items()
        if verdict in counted
    ]
    table = tabulate(
        rows,
        [
            "eia_id", "product_code", "verdict", "approved_on", "intensity_kg_co2e", "benchmark_year", "tier", "gap_to_p50_ratio",
            "ex_post_year", "ex_post_kg_co2e", "ex_post_gap_ratio",
        ],
    )  # fmt: skip
    return make_exhibit(
        "assessments", title, say("assessments_note", shown=len(rows)), ASSESSMENTS,
        lambda language: plots.draw_bars(bars, language, say("unit_projects")), table=table, is_table_open=True,
    )  # fmt: skip


def build_increments(subject: Subject) -> Exhibit:
    if not subject.holds(INCREMENTS):
        return say_absent("increments", INCREMENTS)
    rows = subject.read(
        f"select * from now.{INCREMENTS} where $1::varchar is null or province_code = $1 order by year desc, increment_t_co2e desc limit {SHOWN}",
        subject.member,
    )
    if not rows:
        return say_absent("increments", INCREMENTS)
    first = next((row for row in rows if row["ets_verified_t_co2e"]), rows[0])
    verified = first["ets_verified_t_co2e"]
    title = say(
        "increments_finding" if verified else "increments_finding_alone",
        year=first["year"],
        projects=first["project_count"],
        increment=write_figure("increment_t_co2e", first["increment_t_co2e"]),
        province=name_code("province_code", first["province_code"]),
        **({"share": write_share(first["increment_t_co2e"] / verified)} if verified else {}),
    )
    table = tabulate(rows, ["year", "province_code", "project_count", "increment_t_co2e", "ets_verified_t_co2e"])
    return make_exhibit("increments", title, say("increments_note"), INCREMENTS, table=table, is_table_open=True)
