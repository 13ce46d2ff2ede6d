"""What the release says about product footprints. Every title is worked out from the rows beneath it."""

from __future__ import annotations

from dashboards.reports import charts
from dashboards.reports.cells import ABROAD, CELL, COUNTRY, list_leading_cells, name_product, name_province, name_scope, name_unit
from dashboards.reports.exhibit import Exhibit, make_exhibit, make_table, put_number, put_share, put_text, tabulate_stack
from dashboards.reports.numbers import write_number, write_share
from dashboards.reports.release_file import Releases, Row
from dashboards.reports.wording import Text, say

SECTORS, BENCHMARKS, PRODUCTS = "footprint__sectors_by_year", "footprint__benchmarks_by_year", "footprint__products"
PANELS = 6
PROVINCE_PANELS = 3
NARROW = 3  # enterprises below which a province's mean speaks of single firms


def build_trends(releases: Releases, year: int | None) -> Exhibit:
    cells = [read_years(releases, cell) for cell in list_leading_cells(releases, year, PANELS)]
    cells = [rows for rows in cells if rows]
    source = f"{SECTORS} (province_code = {COUNTRY})"
    if not cells or year is None:
        return make_exhibit("trend", say("trend_none"), say("nothing_to_draw"), source)
    rows = [row for cell in cells for row in cell]
    table = make_table(
        [
            say(f"column_{c}")
            for c in ("product", "scope", "unit", "year", "enterprises", "disclosures", "mean", "p10", "p50", "p90", "yoy")
        ],
        [
            [
                put_text(name_product(row)),
                put_text(name_scope(row)),
                put_text(name_unit(row)),
                put_text(row["reporting_year"]),
                put_number(row["enterprise_count"]),
                put_number(row["disclosure_count"]),
                put_number(row["weighted_mean_kg_co2e"]),
                put_number(row["p10_kg_co2e"]),
                put_number(row["p50_kg_co2e"]),
                put_number(row["p90_kg_co2e"]),
                put_number(row["yoy_change_kg_co2e"], signed=True),
            ]
            for row in rows
        ],
    )
    return make_exhibit(
        "trend", find_trend(cells, year), say("trend_note"), source, lambda language: charts.draw_trends(cells, language), table=table
    )


def read_years(releases: Releases, cell: Row) -> list[Row]:
    return releases.read(
        f"""
        select *
        from now.{SECTORS}
        where ({CELL}) = ($1, $2, $3) and province_code = '{COUNTRY}' and weighted_mean_kg_co2e is not null
        order by reporting_year
        """,
        *(cell[name] for name in ("product_code", "boundary", "gwp_set")),
    )


def find_trend(cells: list[list[Row]], year: int) -> Text:
    """How many of the shown means fell, and which fell and rose most."""
    changed = [row for rows in cells for row in rows if row["reporting_year"] == year and row["yoy_change_kg_co2e"] is not None]
    if not changed:
        return say("trend_no_change_known", year=year, products=len(cells))
    fell = [row for row in changed if row["yoy_change_kg_co2e"] < 0]
    most = max(changed, key=lambda row: abs(compute_relative_change(row) or 0))
    return say(
        "trend_finding",
        year=year,
        shown=len(changed),
        fell=len(fell),
        product=name_product(most),
        change=write_share(compute_relative_change(most), signed=True),
    )


def compute_relative_change(row: Row) -> float | None:
    """The year's change in the mean against the mean of the year before; null where that is unknown."""
    change, mean = row["yoy_change_kg_co2e"], row["weighted_mean_kg_co2e"]
    if change is None or mean is None or mean - change == 0:
        return None
    return float(change / (mean - change))


def build_provinces(releases: Releases, year: int | None) -> Exhibit:
    """The cells with figures in most provinces: the ones a comparison of provinces can be made for."""
    chosen = releases.read(
        f"""
        select {CELL}
        from now.{SECTORS}
        where reporting_year = $1 and weighted_mean_kg_co2e is not null and province_code <> '{ABROAD}'
        group by all
        having count(*) filter (where province_code <> '{COUNTRY}') >= 2 and count(*) filter (where province_code = '{COUNTRY}') = 1
        order by
            count(*) filter (where province_code <> '{COUNTRY}' and enterprise_count >= {NARROW}) desc,
            count(*) filter (where province_code <> '{COUNTRY}') desc,
            sum(total_t_co2e) desc nulls last, {CELL}
        limit {PROVINCE_PANELS}
        """,
        year,
    )
    source = f"{SECTORS} (reporting_year = {year})"
    if not chosen:
        return make_exhibit("provinces", say("provinces_none"), say("nothing_to_draw"), SECTORS)
    cells = [read_provinces(releases, cell, year) for cell in chosen]
    table = make_table(
        [say(f"column_{c}") for c in ("product", "scope", "unit", "province", "enterprises", "mean", "total")],
        [
            [
                put_text(name_product(row)),
                put_text(name_scope(row)),
                put_text(name_unit(row)),
                put_text(name_province(row)),
                put_number(row["enterprise_count"]),
                put_number(row["weighted_mean_kg_co2e"]),
                put_number(row["total_t_co2e"]),
            ]
            for country, provinces in cells
            for row in [country, *provinces]
        ],
    )
    country, provinces = cells[0]
    above = [row for row in provinces if row["weighted_mean_kg_co2e"] > country["weighted_mean_kg_co2e"]]
    high, low = provinces[0], provinces[-1]
    ratio = high["weighted_mean_kg_co2e"] / low["weighted_mean_kg_co2e"] if low["weighted_mean_kg_co2e"] else None
    title = say(
        "provinces_finding",
        product=name_product(country),
        provinces=len(provinces),
        above=len(above),
        high=name_province(high),
        low=name_province(low),
        ratio=f"{ratio:.2f}" if ratio is not None else "—",
    )
    return make_exhibit(
        "provinces", title, say("provinces_note"), source, lambda language: charts.draw_provinces(cells, language), table=table
    )


def read_provinces(releases: Releases, cell: Row, year: int | None) -> tuple[Row, list[Row]]:
    rows = releases.read(
        f"""
        select *
        from now.{SECTORS}
        where ({CELL}) = ($1, $2, $3) and reporting_year = $4 and weighted_mean_kg_co2e is not null
            and province_code <> '{ABROAD}'
        order by weighted_mean_kg_co2e desc, province_code
        """,
        *(cell[name] for name in ("product_code", "boundary", "gwp_set")),
        year,
    )
    country = next(row for row in rows if row["province_code"] == COUNTRY)
    return country, [row for row in rows if row["province_code"] != COUNTRY]


def build_parts(releases: Releases, year: int | None) -> Exhibit:
    """The cells broad enough for a benchmark whose mean moved most, relative to their own mean."""
    rows = releases.read(
        f"""
        select s.*
        from now.{SECTORS} as s
        left join now.{BENCHMARKS} as b using ({CELL}, reporting_year)
        where s.province_code = '{COUNTRY}' and s.reporting_year = $1 and s.yoy_within_kg_co2e is not null
            and s.weighted_mean_kg_co2e - s.yoy_change_kg_co2e > 0
        order by
            coalesce(b.tier_basis = 'percentiles', false) desc,
            abs(s.yoy_change_kg_co2e) / (s.weighted_mean_kg_co2e - s.yoy_change_kg_co2e) desc, {CELL}
        limit {PANELS}
        """,
        year,
    )
    if not rows or year is None:
        return make_exhibit("parts", say("parts_none"), say("nothing_to_draw"), SECTORS)
    table = make_table(
        [say(f"column_{c}") for c in ("product", "scope", "unit", "mean_before", "within", "mix", "entry_exit", "yoy", "mean", "relative")],
        [
            [
                put_text(name_product(row)),
                put_text(name_scope(row)),
                put_text(name_unit(row)),
                put_number(row["weighted_mean_kg_co2e"] - row["yoy_change_kg_co2e"]),
                *(put_number(row[f"yoy_{part}_kg_co2e"], signed=True) for part in ("within", "mix", "entry_exit", "change")),
                put_number(row["weighted_mean_kg_co2e"]),
                put_share(compute_relative_change(row), signed=True),
            ]
            for row in rows
        ],
    )
    led = {part: 0 for part in ("within", "mix", "entry_exit")}
    for row in rows:
        led[max(led, key=lambda part: abs(row[f"yoy_{part}_kg_co2e"] or 0.0))] += 1
    leader = max(led, key=lambda part: led[part])
    title = say("parts_finding", year=year, shown=len(rows), count=led[leader], part=say(f"part_{leader}"))
    source = f"{SECTORS} (reporting_year = {year}, province_code = {COUNTRY})"
    return make_exhibit("parts", title, say("parts_note"), source, lambda language: charts.draw_parts(rows, language), table=table)


def build_benchmark_coverage(releases: Releases, year: int | None) -> Exhibit:
    rows = releases.read(
        f"""
        select
            reporting_year,
            count(*) filter (where tier_basis = 'percentiles') as benchmarked,
            count(*) filter (where tier_basis is distinct from 'percentiles') as narrow
        from now.{BENCHMARKS}
        group by all
        order by reporting_year
        """
    )
    current = next((row for row in rows if row["reporting_year"] == year), None)
    if current is None:
        return make_exhibit("coverage", say("coverage_none"), say("nothing_to_draw"), BENCHMARKS)
    total = current["benchmarked"] + current["narrow"]
    title = say("coverage_finding", year=year, count=current["benchmarked"], total=total)
    kinds = [("benchmarked", say("kind_benchmarked"), charts.BLUE), ("narrow", say("kind_narrow"), charts.PALE)]
    unit = say("unit_cells")
    return make_exhibit(
        "coverage",
        title,
        say("coverage_note"),
        BENCHMARKS,
        lambda language: charts.draw_stack(rows, kinds, language, unit),
        drawn=tabulate_stack(say("column_year"), rows, kinds),
    )


def build_tiers(releases: Releases, year: int | None) -> Exhibit:
    rows = releases.read(
        """
        select
            reporting_year,
            count(*) filter (where tier = 1) as tier_1, count(*) filter (where tier = 2) as tier_2,
            count(*) filter (where tier = 3) as tier_3, count(*) filter (where tier = 4) as tier_4,
            count(*) filter (where tier is null) as untiered
        from now.footprint__product_tiers
        group by all
        order by reporting_year
        """
    )
    current = next((row for row in rows if row["reporting_year"] == year), None)
    if current is None:
        return make_exhibit("tiers", say("tiers_none"), say("nothing_to_draw"), "footprint__product_tiers")
    tiered = sum(current[f"tier_{n}"] for n in range(1, 5))
    total = tiered + current["untiered"]
    title = say("tiers_finding", year=year, tiered=write_number(tiered), total=write_number(total), share=write_share(tiered / total))
    kinds = [(f"tier_{n}", say("kind_tier", tier=n), charts.TIER_COLOURS[n - 1]) for n in range(1, 5)]
    kinds.append(("untiered", say("kind_untiered"), charts.PALE))
    unit = say("unit_disclosures")
    return make_exhibit(
        "tiers",
        title,
        say("tiers_note"),
        "footprint__product_tiers",
        lambda language: charts.draw_stack(rows, kinds, language, unit),
        drawn=tabulate_stack(say("column_year"), rows, kinds),
    )


def build_benchmark_table(releases: Releases, year: int | None) -> Exhibit:
    """The year's national benchmarks with the number of disclosures in each tier, largest totals first."""
    rows = releases.read(
        f"""
        with tiers as (
            select {CELL}, reporting_year, {", ".join(f"count(*) filter (where tier = {n}) as tier_{n}" for n in range(1, 5))}
            from now.footprint__product_tiers
            group by all
        )
        select b.*, s.product_name_zh, s.product_name_en, s.declared_unit, {", ".join(f"t.tier_{n}" for n in range(1, 5))}
        from now.{BENCHMARKS} as b
        left join now.{SECTORS} as s on (b.product_code, b.boundary, b.gwp_set, b.reporting_year, '{COUNTRY}')
            = (s.product_code, s.boundary, s.gwp_set, s.reporting_year, s.province_code)
        left join tiers as t on (b.product_code, b.boundary, b.gwp_set, b.reporting_year)
            = (t.product_code, t.boundary, t.gwp_set, t.reporting_year)
        where b.reporting_year = $1 and b.tier_basis = 'percentiles'
        order by s.total_t_co2e desc nulls last, b.product_code, b.boundary, b.gwp_set
        limit 24
        """,
        year,
    )
    if not rows:
        return make_exhibit("benchmarks", say("benchmarks_none"), say("nothing_to_draw"), BENCHMARKS)
    names = ("product", "scope", "unit", "enterprises", "p20", "p50", "p80", "tier_1", "tier_2", "tier_3", "tier_4")
    table = make_table(
        [say(f"column_{c}") for c in names],
        [
            [
                put_text(name_product(row)),
                put_text(name_scope(row)),
                put_text(name_unit(row)),
                put_number(row["enterprise_count"]),
                *(put_number(row[f"p{p}_kg_co2e"]) for p in (20, 50, 80)),
                *(put_number(row[f"tier_{n}"]) for n in range(1, 5)),
            ]
            for row in rows
        ],
    )
    widest = max(rows, key=lambda row: (row["p80_kg_co2e"] / row["p20_kg_co2e"]) if row["p20_kg_co2e"] else 0)
    ratio = widest["p80_kg_co2e"] / widest["p20_kg_co2e"] if widest["p20_kg_co2e"] else None
    title = say("benchmarks_finding", year=year, product=name_product(widest), ratio=f"{ratio:.2f}" if ratio else "—")
    return make_exhibit("benchmarks", title, say("benchmarks_note"), BENCHMARKS, table=table, is_table_open=True)


def build_recalculation(releases: Releases, year: int | None) -> Exhibit:
    rows = releases.read(
        f"""
        select
            reporting_year,
            count(*) filter (where recalculation_status = 'complete' and not coalesce(is_discrepant, false)) as agreeing,
            count(*) filter (where recalculation_status = 'complete' and is_discrepant) as discrepant,
            count(*) filter (where recalculation_status = 'partial') as partial,
            count(*) filter (where recalculation_status = 'none') as unpriced
        from now.{PRODUCTS}
        group by all
        order by reporting_year
        """
    )
    current = next((row for row in rows if row["reporting_year"] == year), None)
    if current is None:
        return make_exhibit("recalculation", say("recalculation_none"), say("nothing_to_draw"), PRODUCTS)
    complete = current["agreeing"] + current["discrepant"]
    total = complete + current["partial"] + current["unpriced"]
    title = say(
        "recalculation_finding",
        year=year,
        share=write_share(complete / total if total else None),
        discrepant=write_number(current["discrepant"]),
        complete=write_number(complete),
    )
    colours = {"agreeing": charts.SKY, "discrepant": charts.VERMILION, "partial": charts.ORANGE, "unpriced": charts.PALE}
    kinds = [(kind, say(f"kind_{kind}"), colour) for kind, colour in colours.items()]
    unit = say("unit_disclosures")
    return make_exhibit(
        "recalculation",
        title,
        say("recalculation_note"),
        PRODUCTS,
        lambda language: charts.draw_stack(rows, kinds, language, unit),
        drawn=tabulate_stack(say("column_year"), rows, kinds),
    )


def build_verification(releases: Releases, year: int | None) -> Exhibit:
    rows = releases.read(
        f"""
        select
            reporting_year,
            count(*) filter (where is_verified) as verified,
            count(*) filter (where not coalesce(is_verified, false)) as unverified
        from now.{PRODUCTS}
        group by all
        order by reporting_year
        """
    )
    current = next((row for row in rows if row["reporting_year"] == year), None)
    if current is None:
        return make_exhibit("verification", say("verification_none"), say("nothing_to_draw"), PRODUCTS)
    total = current["verified"] + current["unverified"]
    shares = [row["verified"] / (row["verified"] + row["unverified"]) for row in rows]
    title = say(
        "verification_finding" if rows[0]["reporting_year"] != year else "verification_finding_only",
        year=year,
        share=write_share(current["verified"] / total),
        first=rows[0]["reporting_year"],
        then=write_share(shares[0]),
    )
    kinds = [("verified", say("kind_verified"), charts.GREEN), ("unverified", say("kind_unverified"), charts.PALE)]
    unit = say("unit_disclosures")
    return make_exhibit(
        "verification",
        title,
        say("verification_note"),
        PRODUCTS,
        lambda language: charts.draw_stack(rows, kinds, language, unit),
        drawn=tabulate_stack(say("column_year"), rows, kinds),
    )
