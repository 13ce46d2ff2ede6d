"""Standards, factors and the plan's targets: where they stand, what is needed, what a forecast gives."""

from __future__ import annotations

from dashboards.reports import plots
from dashboards.reports.cells import name_product
from dashboards.reports.exhibit import Exhibit, make_exhibit
from dashboards.reports.figures import Naming, name_code, tabulate, write_figure
from dashboards.reports.numbers import write_share
from dashboards.reports.release_file import Row
from dashboards.reports.sections.subject import NATION, Subject, read_provinces, say_absent
from dashboards.reports.wording import Text, same, say

PROGRESS, FORECASTS = "policy__target_progress_by_month", "policy__target_forecasts"
PRIORITIES, GAPS = "policy__standard_priorities", "footprint__factor_gaps"
SHOWN = 12


def name_indicator(row: Row) -> Text:
    return name_code("indicator", row["indicator"])


def name_jurisdiction(subject: Subject) -> Naming:
    provinces = read_provinces(subject)

    def name(row: Row) -> Text:
        code = row["jurisdiction_code"]
        return say("the_country") if code == NATION else provinces.get(code, same(code))

    return name


def list_jurisdictions(subject: Subject) -> list[str]:
    """The country's targets and one's own; the ministry sees all that there are."""
    if subject.member is None:
        rows = subject.read(f"select distinct jurisdiction_code as code from now.{PROGRESS} order by code")
        return [row["code"] for row in rows]
    return [NATION, subject.member]


def build_targets(subject: Subject) -> Exhibit:
    if not subject.holds(PROGRESS):
        return say_absent("targets", PROGRESS)
    rows = subject.read(
        f"""
        select * from now.{PROGRESS}
        where month = (select max(month) from now.{PROGRESS}) and list_contains($1, jurisdiction_code)
        order by jurisdiction_code = '{NATION}', jurisdiction_code, indicator, document, target_year
        """,
        list_jurisdictions(subject),
    )
    if not rows:
        return say_absent("targets", PROGRESS)
    met = sum(row["gap"] is not None and row["gap"] <= 0 for row in rows)
    furthest = max(rows, key=lambda row: (row["gap"] or 0) / (row["target_value"] or 1))
    title = say(
        "targets_finding",
        total=len(rows),
        met=met,
        indicator=name_indicator(furthest),
        jurisdiction=name_jurisdiction(subject)(furthest),
        gap=write_figure("gap_count", round(furthest["gap"] or 0)),
        year=furthest["target_year"],
    )
    table = tabulate(
        [row | {name: _whole(row[name]) for name in ("value", "target_value", "gap")} for row in rows],
        [
            ("jurisdiction_code", name_jurisdiction(subject)),
            ("indicator", name_indicator),
            "document",
            "target_year",
            "value",
            "target_value",
            "gap",
            "needed_per_month",
        ],
    )
    return make_exhibit("targets", title, say("targets_note"), PROGRESS, table=table, is_table_open=True)


def _whole(value: float | None) -> float | int | None:
    """A count of things, which the mart holds as a double."""
    return int(value) if value is not None and value == int(value) else value


def build_standards_path(subject: Subject) -> Exhibit:
    """Standards in force month by month, the country's and one's own."""
    if not subject.holds(PROGRESS):
        return say_absent("standards", PROGRESS)
    return _build_path(subject, "standards", "pcf_standards")


def build_factor_coverage(subject: Subject) -> Exhibit | None:
    """Nothing where no target counts factors: the region's own coverage stands above it, in how its disclosures recalculate."""
    counted = subject.holds(PROGRESS) and subject.read(f"select 1 from now.{PROGRESS} where indicator = 'factor_coverage' limit 1")
    return _build_path(subject, "factors", "factor_coverage") if counted else None


def _build_path(subject: Subject, code: str, indicator: str) -> Exhibit:
    rows = subject.read(
        f"""
        select jurisdiction_code, month, any_value(value) as value
        from now.{PROGRESS} where indicator = $1 and list_contains($2, jurisdiction_code) group by all order by jurisdiction_code, month
        """,
        indicator,
        list_jurisdictions(subject),
    )
    if not rows:
        return say_absent(code, PROGRESS)
    naming = name_jurisdiction(subject)
    by_place: dict[str, list[Row]] = {}
    for row in rows:
        by_place.setdefault(row["jurisdiction_code"], []).append(row)
    own = subject.member if subject.member in by_place else NATION if NATION in by_place else next(iter(by_place))
    last, year_ago = by_place[own][-1], by_place[own][max(0, len(by_place[own]) - 13)]
    title = say(
        f"{code}_finding",
        place=naming(last),
        value=write_figure("value_count", int(last["value"])),
        month=str(last["month"])[:7],
        added=write_figure("value_count", int(last["value"] - year_ago["value"])),
    )
    lines = [plots.Line(naming(found[0]), [(str(row["month"])[:10], float(row["value"])) for row in found]) for found in by_place.values()]
    return make_exhibit(
        code,
        title,
        say(f"{code}_note"),
        f"{PROGRESS} (indicator = {indicator})",
        lambda language: plots.draw_lines(lines, language, say(f"unit_{code}"), is_time=True),
        drawn=plots.tabulate_lines(lines, say("column_month")),
    )


def build_forecasts(subject: Subject) -> Exhibit:
    if not subject.holds(FORECASTS):
        return say_absent("forecasts", FORECASTS)
    rows = subject.read(
        f"select * from now.{FORECASTS} where list_contains($1, jurisdiction_code) order by probability, document, target_year",
        list_jurisdictions(subject),
    )
    if not rows:
        return say_absent("forecasts", FORECASTS)
    least = rows[0]
    title = say(
        "forecasts_finding",
        document=least["document"],
        year=least["target_year"],
        target=write_figure("target_count", int(least["target_value"])),
        probability=write_share(least["probability"]),
    )
    table = tabulate(
        [row | {"target_value": _whole(row["target_value"]), "value": _whole(row["value"])} for row in rows],
        [
            ("jurisdiction_code", name_jurisdiction(subject)),
            "document",
            "target_year",
            "value",
            "target_value",
            "months_left",
            "expected_value",
            "low_value",
            "high_value",
            "probability",
        ],
    )
    return make_exhibit("forecasts", title, say("forecasts_note"), FORECASTS, table=table, is_table_open=True)


def build_priorities(subject: Subject) -> Exhibit:
    if not subject.holds(PRIORITIES):
        return say_absent("priorities", PRIORITIES)
    rows = subject.read(f"select * from now.{PRIORITIES} order by priority_rank, product_code limit {SHOWN}")
    if not rows:
        return make_exhibit("priorities", say("priorities_nothing"), say("priorities_note"), PRIORITIES)
    title = say("priorities_finding", product=name_product(rows[0]), second=name_product(rows[min(1, len(rows) - 1)]))
    table = tabulate(
        rows,
        [
            "priority_rank",
            ("product", name_product),
            "score",
            "total_t_co2e",
            "output_share",
            "industry_total_t_co2e",
            "chain_product_count",
        ],
    )
    return make_exhibit("priorities", title, say("priorities_note"), PRIORITIES, table=table, is_table_open=True)
