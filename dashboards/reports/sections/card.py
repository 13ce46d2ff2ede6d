"""An enterprise's own products within the anonymous distribution, the tier each reaches, and what moves it.

The file read here holds the enterprise's own rows and percentiles of cells that disclosure control lets be public; of nobody else a row.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.reports import plots
from dashboards.reports.cells import name_product, name_scope, name_unit
from dashboards.reports.exhibit import Exhibit, make_exhibit
from dashboards.reports.figures import name_code, tabulate, write_figure
from dashboards.reports.numbers import write_share
from dashboards.reports.release_file import Row
from dashboards.reports.sections.subject import Subject, say_absent
from dashboards.reports.wording import Text, say

PRODUCTS, TIERS, BENCHMARKS = "footprint__products", "footprint__product_tiers", "footprint__benchmarks_by_year"
COSTS, CONTRIBUTIONS = "ets__product_costs_by_year", "footprint__contributions"
UPPER = {1: None, 2: "p20_kg_co2e", 3: "p50_kg_co2e", 4: "p80_kg_co2e"}


def read_own(subject: Subject) -> list[Row]:
    """One's disclosures of the last two reporting years, with tier and cuts where these may be shown."""
    return subject.read(
        f"""
        select p.*, t.tier, t.percentile_rank, t.tier_basis, b.p20_kg_co2e, b.p50_kg_co2e, b.p80_kg_co2e, b.enterprise_count
        from now.{PRODUCTS} as p
        left join now.{TIERS} as t using (disclosure_id)
        left join now.{BENCHMARKS} as b on (p.product_code, p.boundary, p.gwp_set, p.reporting_year)
            = (b.product_code, b.boundary, b.gwp_set, b.reporting_year)
        where p.reporting_year >= (select max(reporting_year) from now.{PRODUCTS}) - 1
        order by p.reporting_year desc, p.product_code, p.disclosure_id
        """
    )


def name_own(row: Row, before: Sequence[Text] = ()) -> Text:
    """Product and year, and a number where a name stands among those before it: one product may have several sites."""
    product = name_product(row)
    name = Text(f"{product.zh} {row['reporting_year']}", f"{product.en} {row['reporting_year']}")
    count = sum(other == name for other in before)
    return Text(f"{name.zh} ({count + 1})", f"{name.en} ({count + 1})") if count else name


def build_distribution(subject: Subject) -> Exhibit:
    rows = read_own(subject)
    if not rows:
        return say_absent("distribution", PRODUCTS)
    shown = [row for row in rows if row["p20_kg_co2e"] is not None]
    table = tabulate(
        rows,
        [
            ("product", name_product), ("scope", name_scope), ("unit", name_unit), "reporting_year", "declared_kg_co2e", "p20_kg_co2e",
            "p50_kg_co2e", "p80_kg_co2e", "percentile_rank", "tier",
        ],
    )  # fmt: skip
    if not shown:
        return make_exhibit(
            "distribution",
            say("distribution_withheld", total=len(rows)),
            say("distribution_note"),
            BENCHMARKS,
            table=table,
            is_table_open=True,
        )
    best = min(shown, key=lambda row: (row["tier"] or 9, row["percentile_rank"] if row["percentile_rank"] is not None else 2))
    title = say(
        "distribution_finding",
        product=name_product(best),
        year=best["reporting_year"],
        cleaner=write_share(best["percentile_rank"]),
        shown=len(shown),
        total=len(rows),
    )
    shown = shown[:14]
    places = [
        plots.Place(
            name_own(row, [name_own(other) for other in shown[:place]]),
            row["p20_kg_co2e"],
            row["p50_kg_co2e"],
            row["p80_kg_co2e"],
            [row["declared_kg_co2e"]],
            f"{write_figure('declared_kg_co2e', row['declared_kg_co2e'])} · P50 {write_figure('p50_kg_co2e', row['p50_kg_co2e'])}",
        )
        for place, row in enumerate(shown)
    ]
    return make_exhibit(
        "distribution", title, say("distribution_note"), f"{PRODUCTS}, {TIERS}, {BENCHMARKS}",
        lambda language: plots.draw_places(places, language), table=table, is_table_open=True,
    )  # fmt: skip


def build_levers(subject: Subject) -> Exhibit:
    """How far the next tier is, and what the disclosure itself leaves open."""
    rows = [row for row in read_own(subject) if row["tier"] is not None and row["p20_kg_co2e"] is not None]
    if not rows:
        return say_absent("levers", TIERS)
    for row in rows:
        cut = UPPER.get(row["tier"])
        row["next_cut_kg_co2e"] = row[cut] if cut else None
        row["next_cut_gap_ratio"] = row[cut] / row["declared_kg_co2e"] - 1 if cut else None
    reachable = [row for row in rows if row["next_cut_gap_ratio"] is not None]
    title = (
        say(
            "levers_finding",
            product=name_product(nearest := max(reachable, key=lambda row: row["next_cut_gap_ratio"])),
            year=nearest["reporting_year"],
            gap=write_share(nearest["next_cut_gap_ratio"], signed=True),
            tier=nearest["tier"] - 1,
        )
        if reachable
        else say("levers_best")
    )
    table = tabulate(
        rows,
        [
            ("product", name_product), "reporting_year", "tier", "declared_kg_co2e", "next_cut_kg_co2e", "next_cut_gap_ratio",
            "recalculated_kg_co2e", "discrepancy_ratio", "primary_data_share", "uncertainty_pct", "is_verified",
        ],
    )  # fmt: skip
    return make_exhibit("levers", title, say("levers_note"), f"{PRODUCTS}, {TIERS}, {BENCHMARKS}", table=table, is_table_open=True)


def build_contributions(subject: Subject) -> Exhibit:
    """The inputs that make most of one's latest footprints."""
    if not subject.holds(CONTRIBUTIONS):
        return say_absent("contributions", CONTRIBUTIONS)
    rows = subject.read(
        f"""
        select c.*, p.product_name_zh, p.product_name_en, p.product_code, p.reporting_year
        from now.{CONTRIBUTIONS} as c inner join now.{PRODUCTS} as p using (disclosure_id)
        where p.reporting_year = (select max(reporting_year) from now.{PRODUCTS})
        order by c.contribution_share desc, p.disclosure_id, c.contribution_rank limit 20
        """
    )
    if not rows:
        return say_absent("contributions", CONTRIBUTIONS)
    first = rows[0]
    title = say(
        "contributions_finding",
        product=name_product(first),
        activity=name_code("activity_code", first["activity_code"]),
        amount=write_figure("contribution_kg_co2e", first["contribution_kg_co2e"]),
        share=write_figure("contribution_share", first["contribution_share"]),
    )
    table = tabulate(
        rows,
        [
            ("product", name_product),
            "reporting_year",
            "stage",
            "activity_code",
            "geography_code",
            "contribution_kg_co2e",
            "contribution_share",
        ],
    )
    return make_exhibit("contributions", title, say("contributions_note"), CONTRIBUTIONS, table=table, is_table_open=True)


def build_costs(subject: Subject) -> Exhibit:
    if not subject.holds(COSTS):
        return say_absent("costs", COSTS)
    rows = subject.read(
        f"""
        select c.*, p.product_name_zh, p.product_name_en, p.declared_unit
        from now.{COSTS} as c left join now.{PRODUCTS} as p using (disclosure_id)
        order by c.compliance_year desc, c.product_code, c.disclosure_id limit 20
        """
    )
    if not rows:
        return say_absent("costs", COSTS)
    first = rows[0]
    title = say(
        "costs_finding",
        product=name_product(first),
        year=first["compliance_year"],
        cost=write_figure("net_cost_cny_per_declared_unit", first["net_cost_cny_per_declared_unit"]),
        unit=name_code("declared_unit", first["declared_unit"] or ""),
    )
    table = tabulate(
        rows,
        [
            ("product", name_product),
            "compliance_year",
            "disclosure_id",
            "net_cost_cny",
            "net_cost_cny_per_declared_unit",
            "coverage_ratio",
            "is_reconciled",
        ],
    )
    return make_exhibit("costs", title, say("costs_note"), COSTS, table=table, is_table_open=True)
