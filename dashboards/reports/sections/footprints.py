"""What a region's or a borrower's enterprises disclosed, beside the country where that is public."""

from __future__ import annotations

from dashboards.reports import charts, plots
from dashboards.reports.cells import CELL, name_product, name_scope, name_unit, tell_cells_apart
from dashboards.reports.exhibit import Exhibit, make_exhibit
from dashboards.reports.figures import tabulate, write_figure
from dashboards.reports.numbers import write_share
from dashboards.reports.sections.subject import COUNTRY, Subject, say_absent
from dashboards.reports.wording import say

SECTORS, PUBLIC, PRODUCTS, LABELS = (
    "footprint__sectors_by_year",
    "footprint__sectors_by_year_public",
    "footprint__products",
    "footprint__labelled_products",
)
IMPACTS = "footprint__factor_impacts"
SHOWN = 20


def build_disclosures(subject: Subject) -> Exhibit:
    """Disclosures by reporting year: how many, from how many enterprises, how many verified."""
    rows = subject.read(
        f"""
        select reporting_year, count(*) as disclosure_count, count(distinct enterprise_id) as enterprise_count,
            count(distinct product_code) as product_count, count(*) filter (where is_verified) as verified_count,
            count(*) filter (where recalculation_status = 'complete') as recalculated_count,
            count(*) filter (where recalculation_status = 'complete' and is_discrepant) as discrepant_count
        from now.{PRODUCTS} group by all order by reporting_year
        """
    )
    if not rows:
        return say_absent("disclosures", PRODUCTS)
    last = next((row for row in rows if row["reporting_year"] == subject.year), rows[-1])
    title = say(
        "disclosures_finding",
        year=last["reporting_year"],
        disclosures=write_figure("disclosure_count", last["disclosure_count"]),
        enterprises=write_figure("enterprise_count", last["enterprise_count"]),
        verified=write_share(last["verified_count"] / last["disclosure_count"]),
    )
    columns = ("disclosure_count", "enterprise_count", "product_count", "verified_count", "recalculated_count", "discrepant_count")
    table = tabulate(rows, ["reporting_year", *columns])
    return make_exhibit("disclosures", title, say("disclosures_note"), PRODUCTS, table=table, is_table_open=True)


def build_against_country(subject: Subject) -> Exhibit:
    """The region's weighted means of the year, each beside the country's where disclosure control lets it be shown."""
    if not subject.holds(SECTORS):
        return say_absent("against_country", SECTORS)
    country = (
        f"select {CELL}, reporting_year, weighted_mean_kg_co2e from now.{PUBLIC} where province_code = '{COUNTRY}'"
        if subject.holds(PUBLIC)
        else f"select {CELL}, reporting_year, weighted_mean_kg_co2e from now.{SECTORS} where province_code = '{COUNTRY}'"
    )
    cells = subject.read(
        f"""
        select s.*, c.weighted_mean_kg_co2e as country_mean_kg_co2e,
            s.weighted_mean_kg_co2e / nullif(c.weighted_mean_kg_co2e, 0) - 1 as country_gap_ratio
        from now.{SECTORS} as s left join ({country}) as c using ({CELL}, reporting_year)
        where s.province_code = $1 and s.reporting_year = $2
        order by s.total_t_co2e desc nulls last, {CELL}
        """,
        subject.member,
        subject.year,
    )
    if not cells:
        return say_absent("against_country", SECTORS)
    rows = cells[:SHOWN]
    compared = [row for row in cells if row["country_gap_ratio"] is not None]
    drawn = [row for row in rows if row["country_gap_ratio"] is not None]
    title = (
        say(
            "against_country_finding",
            year=subject.year,
            compared=len(compared),
            below=sum(row["country_gap_ratio"] < 0 for row in compared),
            product=name_product(max(compared, key=lambda row: row["country_gap_ratio"])),
            gap=write_share(max(row["country_gap_ratio"] for row in compared), signed=True),
        )
        if compared
        else say("against_country_withheld", year=subject.year)
    )
    table = tabulate(
        rows,
        [
            ("product", name_product),
            ("scope", name_scope),
            ("unit", name_unit),
            "enterprise_count",
            "disclosure_count",
            "weighted_mean_kg_co2e",
            "country_mean_kg_co2e",
            "country_gap_ratio",
            "total_t_co2e",
        ],
    )
    bars = [
        plots.Bar(
            label,
            row["country_gap_ratio"] * 100,
            write_share(row["country_gap_ratio"], signed=True),
            charts.GREEN if row["country_gap_ratio"] < 0 else charts.ORANGE,
        )
        for row, label in zip(drawn, tell_cells_apart(drawn), strict=True)
    ]
    bars.sort(key=lambda bar: bar.value)
    return make_exhibit(
        "against_country",
        title,
        say("against_country_note", cells=len(cells), shown=len(rows), drawn=len(drawn)),
        f"{SECTORS}, {PUBLIC} (reporting_year = {subject.year})",
        (lambda language: plots.draw_bars(bars, language, say("column_country_gap_ratio"))) if bars else None,
        table=table,
        is_table_open=True,
    )


def build_labels(subject: Subject) -> Exhibit:
    """Label certificates by state, and those that expire within a year of the release."""
    if not subject.holds(LABELS):
        return say_absent("labels", LABELS)
    rows = subject.read(
        f"select * from now.{LABELS} order by is_label_valid desc, expires_on, certificate_no",
    )
    if not rows:
        return say_absent("labels", LABELS)
    valid = [row for row in rows if row["is_label_valid"]]
    title = say(
        "labels_finding",
        total=len(rows),
        valid=len(valid),
        products=len({row["product_code"] for row in valid}),
        first=write_figure("expires_on", min((row["expires_on"] for row in valid), default=None)),
    )
    table = tabulate(
        rows[:40],
        [
            "certificate_no", ("product", name_product), "enterprise_id", "state", "scheme", "certifier", "issued_on", "expires_on", "is_label_valid"
        ],
    )  # fmt: skip
    return make_exhibit("labels", title, say("labels_note"), LABELS, table=table, is_table_open=True)


def build_factor_impacts(subject: Subject) -> Exhibit:
    """Factors whose new edition moved the recalculated footprints of the reader's own disclosures."""
    if not subject.holds(IMPACTS):
        return say_absent("impacts", IMPACTS)
    rows = subject.read(
        f"""
        select factor_id, edition, count(distinct disclosure_id) as disclosure_count,
            count(*) filter (where new_recalculation_status = 'complete' and old_recalculation_status <> 'complete') as completed_count,
            count(*) filter (where change_kg_co2e > 0) as raised_count, count(*) filter (where change_kg_co2e < 0) as lowered_count
        from now.{IMPACTS} group by all order by disclosure_count desc, factor_id, edition limit {SHOWN}
        """
    )
    if not rows:
        return say_absent("impacts", IMPACTS)
    title = say("impacts_finding", factor=rows[0]["factor_id"], edition=rows[0]["edition"], count=rows[0]["disclosure_count"])
    columns = ("disclosure_count", "completed_count", "raised_count", "lowered_count")
    table = tabulate(rows, ["factor_id", "edition", *columns])
    return make_exhibit("impacts", title, say("impacts_note"), IMPACTS, table=table, is_table_open=True)
