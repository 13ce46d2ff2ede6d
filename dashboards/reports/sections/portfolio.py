"""A bank's portfolio: what it finances, how well that is known, who is eligible, what a carbon price would cost."""

from __future__ import annotations

from dashboards.reports import charts, plots
from dashboards.reports.cells import name_product, name_scope, name_unit
from dashboards.reports.exhibit import Exhibit, make_exhibit
from dashboards.reports.figures import head_column, tabulate, write_figure
from dashboards.reports.sections.subject import Subject, say_absent
from dashboards.reports.wording import same, say

BORROWERS, PORTFOLIOS, STRESS = "finance__borrowers", "finance__portfolios", "finance__stress_tests"
PRODUCTS, TIERS = "footprint__products", "footprint__product_tiers"
SHOWN, LISTED, DRAWN = 30, 40, 12


def build_portfolio(subject: Subject) -> Exhibit:
    """Financed emissions and the eligible share, quarter by quarter."""
    if not subject.holds(PORTFOLIOS):
        return say_absent("portfolio", PORTFOLIOS)
    rows = subject.read(f"select * from now.{PORTFOLIOS} where bank_id = $1 order by as_of", subject.member)
    if not rows:
        return say_absent("portfolio", PORTFOLIOS)
    last = rows[-1]
    title = say(
        "portfolio_finding",
        day=write_figure("as_of", last["as_of"]),
        financed=write_figure("financed_t_co2e", last["financed_t_co2e"]),
        outstanding=write_figure("outstanding_cny", last["outstanding_cny"]),
        eligible=write_figure("eligible_share", last["eligible_share"]),
        score=write_figure("pcaf_score", last["pcaf_score"]),
    )
    line = plots.Line(
        say("column_financed_t_co2e"),
        [(write_figure("as_of", row["as_of"]), float(row["financed_t_co2e"])) for row in rows if row["financed_t_co2e"] is not None],
    )
    table = tabulate(
        list(reversed(rows)),
        [
            "as_of", "borrower_count", "outstanding_cny", "financed_t_co2e", "pcaf_score", "eligible_share",
            "intensity_t_co2e_per_million_cny",
        ],
    )  # fmt: skip
    return make_exhibit(
        "portfolio", title, say("portfolio_note"), f"{PORTFOLIOS} (bank_id = {subject.member})",
        lambda language: plots.draw_lines([line], language, head_column("financed_t_co2e")), table=table, is_table_open=True,
    )  # fmt: skip


def build_borrowers(subject: Subject) -> Exhibit:
    if not subject.holds(BORROWERS):
        return say_absent("borrowers", BORROWERS)
    rows = subject.read(
        f"""
        select * from now.{BORROWERS}
        where bank_id = $1 and as_of = (select max(as_of) from now.{BORROWERS} where bank_id = $1)
        order by financed_t_co2e desc nulls last, borrower_id
        """,
        subject.member,
    )
    if not rows:
        return say_absent("borrowers", BORROWERS)
    title = say(
        "borrowers_finding",
        day=write_figure("as_of", rows[0]["as_of"]),
        total=len(rows),
        eligible=sum(bool(row["is_eligible"]) for row in rows),
        ets=sum(not row["is_ets_clear"] for row in rows),
        ccer=sum(not row["has_no_ccer_finding"] for row in rows),
    )
    bars = [
        plots.Bar(
            same(row["borrower_id"]),
            float(row["financed_t_co2e"]),
            write_figure("financed_t_co2e", row["financed_t_co2e"]),
            charts.GREEN if row["is_eligible"] else charts.BLUE,
        )
        for row in rows[:DRAWN]
        if row["financed_t_co2e"] is not None
    ]
    table = tabulate(
        rows[:SHOWN],
        [
            "borrower_id", "outstanding_cny", "attribution", "emissions_t_co2e", "emissions_year", "pcaf_score", "financed_t_co2e", "best_tier",
            "has_valid_label", "is_ets_clear", "has_no_ccer_finding", "has_no_lagging_eia", "is_eligible",
        ],
    )  # fmt: skip
    return make_exhibit(
        "borrowers",
        title,
        say("borrowers_note", shown=min(len(rows), SHOWN)),
        BORROWERS,
        lambda language: plots.draw_bars(bars, language, head_column("financed_t_co2e")),
        table=table,
        is_table_open=True,
    )


def build_stress(subject: Subject) -> Exhibit:
    """Cost over outstanding per borrower, at each price without free allocation."""
    if not subject.holds(STRESS):
        return say_absent("stress", STRESS)
    rows = subject.read(
        f"""
        with latest as (
            select * from now.{STRESS} where bank_id = $1 and as_of = (select max(as_of) from now.{STRESS} where bank_id = $1)
        )
        select * from latest
        where free_allocation_share = (select min(free_allocation_share) from latest) and cost_to_outstanding_ratio is not null
        order by price_cny_per_t desc, cost_to_outstanding_ratio desc, borrower_id
        """,
        subject.member,
    )
    if not rows:
        return say_absent("stress", STRESS)
    worst, highest = rows[0], rows[0]["price_cny_per_t"]
    title = say(
        "stress_finding",
        price=write_figure("price_cny_per_t", highest),
        borrower=worst["borrower_id"],
        ratio=write_figure("cost_to_outstanding_ratio", worst["cost_to_outstanding_ratio"]),
        cost=write_figure("extra_cost_cny", worst["extra_cost_cny"]),
    )
    most = [row for row in rows if row["price_cny_per_t"] == highest][:DRAWN]
    bars = [
        plots.Bar(
            same(row["borrower_id"]),
            float(row["cost_to_outstanding_ratio"]) * 100,
            write_figure("cost_to_outstanding_ratio", row["cost_to_outstanding_ratio"]),
            charts.VERMILION,
        )
        for row in most
    ]
    order = {row["borrower_id"]: place for place, row in enumerate(most)}
    table = tabulate(
        sorted((row for row in rows if row["borrower_id"] in order), key=lambda row: (order[row["borrower_id"]], row["price_cny_per_t"])),
        ["borrower_id", "price_cny_per_t", "free_allocation_share", "extra_cost_cny", "cost_to_outstanding_ratio"],
    )
    return make_exhibit(
        "stress",
        title,
        say("stress_note", shown=len(most), total=len({row["borrower_id"] for row in rows})),
        STRESS,
        lambda language: plots.draw_bars(bars, language, head_column("cost_to_outstanding_ratio")),
        table=table,
        is_table_open=True,
    )


def build_borrower_products(subject: Subject) -> Exhibit:
    """The borrowers' own disclosures: verified or not, agreeing with their inventory or not, and the tier reached."""
    if not subject.holds(PRODUCTS, TIERS):
        return say_absent("borrower_products", PRODUCTS)
    rows = subject.read(
        f"""
        select p.*, t.tier
        from now.{PRODUCTS} as p left join now.{TIERS} as t using (disclosure_id)
        where p.reporting_year = (select max(reporting_year) from now.{PRODUCTS})
        order by p.enterprise_id, p.product_code, p.disclosure_id
        """
    )
    if not rows:
        return say_absent("borrower_products", PRODUCTS)
    title = say(
        "borrower_products_finding",
        year=rows[0]["reporting_year"],
        total=len(rows),
        verified=sum(bool(row["is_verified"]) for row in rows),
        discrepant=sum(bool(row["is_discrepant"]) for row in rows),
    )
    table = tabulate(
        rows[:LISTED],
        [
            "enterprise_id", ("product", name_product), ("scope", name_scope), ("unit", name_unit), "declared_kg_co2e", "recalculated_kg_co2e",
            "discrepancy_ratio", "is_verified", "tier",
        ],
    )  # fmt: skip
    return make_exhibit(
        "borrower_products",
        title,
        say("borrower_products_note", shown=min(len(rows), LISTED)),
        f"{PRODUCTS}, {TIERS}",
        table=table,
        is_table_open=True,
    )
