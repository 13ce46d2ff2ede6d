"""The five figures a release is known by, each with its change and the place in the marts it was read from.

Only counts, shares of counts, single cells and a quoted price stand here: footprints of different products are never averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from dashboards.reports.cells import CELL, COUNTRY, find_headline_year, key_of, name_product, name_scope, name_unit, write_key
from dashboards.reports.numbers import ABSENT, write_fixed, write_number, write_points, write_share
from dashboards.reports.release_file import Releases, Row, open_releases
from dashboards.reports.wording import Text, same, say

PRICE_WINDOW = timedelta(days=30)
PARTS = ("within", "mix", "entry_exit")


@dataclass(frozen=True)
class Change:
    """A difference and what it is against; `value` is null where there is nothing to compare with, and `basis` says why."""

    value: float | None
    unit: Text
    display: Text
    basis: Text


@dataclass(frozen=True)
class Figure:
    """One headline figure. `value` is the mart's own number (shares 0 to 1), `display` the same number with its unit."""

    code: str
    title: Text
    value: float | int | None
    unit: Text
    display: Text
    note: Text
    change: Change
    comparison: Change | None
    mart: str
    key: str

    def as_dict(self) -> dict[str, Any]:
        def flatten(change: Change | None) -> dict[str, Any] | None:
            if change is None:
                return None
            return {
                "value": change.value,
                "unit": change.unit.as_dict(),
                "display": change.display.as_dict(),
                "basis": change.basis.as_dict(),
            }

        texts = {name: getattr(self, name).as_dict() for name in ("title", "unit", "display", "note")}
        changes = {"change": flatten(self.change), "comparison": flatten(self.comparison)}
        return {"code": self.code, "value": self.value, "mart": self.mart, "key": self.key} | texts | changes


def headline_figures(release_file: Path, previous_file: Path | None) -> list[Figure]:
    """Five figures, always the same five in the same order; without data a figure is null and says so."""
    with open_releases(release_file, previous_file) as releases:
        return compute_headlines(releases)


def compute_headlines(releases: Releases) -> list[Figure]:
    year = find_headline_year(releases)
    return [
        count_disclosures(releases, year),
        count_benchmarked_products(releases, year),
        find_largest_move(releases, year),
        compute_discrepant_share(releases, year),
        read_allowance_close(releases),
    ]


def compare(now: float | None, then: float | None, unit: Text, basis: Text, write: Callable[[float], Text]) -> Change:
    if now is None or then is None:
        return Change(None, unit, same(ABSENT), basis)
    return Change(now - then, unit, write(now - then), basis)


def compare_releases(releases: Releases, now: float | None, then: float | None, unit: Text, write: Callable[[float], Text]) -> Change:
    """The change since the previous release, or the honest reason why there is none."""
    if not releases.has_previous:
        return Change(None, unit, say("first_release"), say("first_release_basis"))
    if now is None or then is None:
        return Change(None, unit, same(ABSENT), say("not_in_previous_release"))
    basis = say("since_previous_release")
    return Change(0, unit, say("unchanged"), basis) if now == then else compare(now, then, unit, basis, write)


def write_signed_count(value: float) -> Text:
    return same(write_number(int(value), signed=True))


def count_disclosures(releases: Releases, year: int | None) -> Figure:
    def read(schema: str) -> Row:
        sql = f"""
            select
                count(*) as disclosures,
                count(distinct enterprise_id) as enterprises,
                count(*) filter (where is_verified) as verified,
                count(*) filter (where reporting_year = $1::integer) as this_year,
                count(*) filter (where reporting_year = $1::integer - 1) as last_year
            from {schema}.footprint__products
        """
        return releases.read(sql, year)[0]

    now = read("now")
    unit = say("unit_disclosure" if now["disclosures"] == 1 else "unit_disclosures")
    comparison = None
    if year is not None:
        basis = say(
            "years_disclosures", year=year, count=write_number(now["this_year"]), before=year - 1, earlier=write_number(now["last_year"])
        )
        comparison = compare(now["this_year"], now["last_year"], unit, basis, write_signed_count)
    verified = write_share(now["verified"] / now["disclosures"] if now["disclosures"] else None)
    return Figure(
        code="disclosures_in_force",
        title=say("headline_disclosures"),
        value=now["disclosures"],
        unit=unit,
        display=say("with_unit", value=write_number(now["disclosures"]), unit=unit),
        note=say("headline_disclosures_note", enterprises=write_number(now["enterprises"]), verified=verified),
        change=compare_releases(releases, now["disclosures"], read("before")["disclosures"], unit, write_signed_count),
        comparison=comparison,
        mart="footprint__products",
        key="count(disclosure_id)",
    )


def count_benchmarked_products(releases: Releases, year: int | None) -> Figure:
    def read(schema: str, of_year: int | None) -> Row:
        sql = f"""
            select
                count(distinct product_code) filter (where tier_basis = 'percentiles') as benchmarked,
                count(distinct product_code) as products
            from {schema}.footprint__benchmarks_by_year
            where reporting_year = $1
        """
        return releases.read(sql, of_year)[0]

    now = read("now", year)
    unit = say("unit_product" if now["benchmarked"] == 1 else "unit_products")
    comparison = None
    if year is not None:
        earlier = read("now", year - 1)["benchmarked"]
        basis = say("years_benchmarks", year=year, before=year - 1, earlier=write_number(earlier))
        comparison = compare(now["benchmarked"], earlier, unit, basis, write_signed_count)
    return Figure(
        code="products_with_benchmark",
        title=say("headline_benchmarks"),
        value=now["benchmarked"],
        unit=unit,
        display=say("with_unit", value=write_number(now["benchmarked"]), unit=unit),
        note=say("headline_benchmarks_note", year=year or ABSENT, products=write_number(now["products"])),
        change=compare_releases(releases, now["benchmarked"], read("before", year)["benchmarked"], unit, write_signed_count),
        comparison=comparison,
        mart="footprint__benchmarks_by_year",
        key=write_key({"reporting_year": year or ABSENT, "tier_basis": "percentiles"}),
    )


def find_largest_move(releases: Releases, year: int | None) -> Figure:
    """The national mean that moved most against its own mean of the year before, among cells broad enough for a benchmark."""
    row = releases.read_one(
        f"""
        select s.*, s.weighted_mean_kg_co2e - s.yoy_change_kg_co2e as earlier_kg_co2e
        from now.footprint__sectors_by_year as s
        inner join now.footprint__benchmarks_by_year as b using ({CELL}, reporting_year)
        where s.province_code = '{COUNTRY}' and s.reporting_year = $1 and b.tier_basis = 'percentiles'
            and s.yoy_change_kg_co2e is not null and s.weighted_mean_kg_co2e - s.yoy_change_kg_co2e > 0
        order by abs(s.yoy_change_kg_co2e) / (s.weighted_mean_kg_co2e - s.yoy_change_kg_co2e) desc, {CELL}
        limit 1
        """,
        year,
    )
    if row is None or year is None:
        return say_nothing(releases, "largest_mean_move", "headline_move", "footprint__sectors_by_year")
    unit = name_unit(row)
    before = releases.read_one(
        f"""
        select weighted_mean_kg_co2e
        from before.footprint__sectors_by_year
        where ({CELL}, reporting_year, province_code) = ($1, $2, $3, $4, $5)
        """,
        *(row[name] for name in ("product_code", "boundary", "gwp_set", "reporting_year", "province_code")),
    )
    part = name_largest_part(row)
    return Figure(
        code="largest_mean_move",
        title=say("headline_move_of", product=name_product(row)),
        value=row["weighted_mean_kg_co2e"],
        unit=unit,
        display=say("with_unit", value=write_number(row["weighted_mean_kg_co2e"]), unit=unit),
        note=say("headline_move_note", product=name_product(row), scope=name_scope(row), year=year, part=part),
        change=compare_releases(
            releases,
            row["weighted_mean_kg_co2e"],
            before["weighted_mean_kg_co2e"] if before else None,
            unit,
            lambda value: say("with_unit", value=write_number(value, signed=True), unit=unit),
        ),
        comparison=Change(
            row["yoy_change_kg_co2e"],
            unit,
            say(
                "move_display",
                value=write_number(row["yoy_change_kg_co2e"], signed=True),
                share=write_share(row["yoy_change_kg_co2e"] / row["earlier_kg_co2e"], signed=True),
                unit=unit,
            ),
            say("against_year", year=year - 1),
        ),
        mart="footprint__sectors_by_year",
        key=key_of(row, reporting_year=year, province_code=COUNTRY),
    )


def name_largest_part(row: Row) -> Text:
    """The part that weighs most in the change, with its own figure."""
    parts = {part: row[f"yoy_{part}_kg_co2e"] for part in PARTS if row[f"yoy_{part}_kg_co2e"] is not None}
    if not parts:
        return same(ABSENT)
    largest = max(parts, key=lambda part: abs(parts[part]))
    return say("part_with_value", part=say(f"part_{largest}"), value=write_number(parts[largest], signed=True))


def compute_discrepant_share(releases: Releases, year: int | None) -> Figure:
    def read(schema: str) -> Row:
        sql = f"""
            select
                count(*) filter (where recalculation_status = 'complete') as complete,
                count(*) filter (where is_discrepant) as discrepant,
                count(*) filter (where is_discrepant) / nullif(count(*) filter (where recalculation_status = 'complete'), 0) as share,
                count(*) filter (where is_discrepant and reporting_year = $1::integer)
                    / nullif(count(*) filter (where recalculation_status = 'complete' and reporting_year = $1::integer), 0) as this_year,
                count(*) filter (where is_discrepant and reporting_year = $1::integer - 1)
                    / nullif(count(*) filter (where recalculation_status = 'complete' and reporting_year = $1::integer - 1), 0) as last_year
            from {schema}.footprint__products
        """
        return releases.read(sql, year)[0]

    now = read("now")
    unit = say("unit_share")
    comparison = None
    if year is not None:
        basis = say("years_shares", year=year, share=write_share(now["this_year"]), before=year - 1, earlier=write_share(now["last_year"]))
        comparison = compare(now["this_year"], now["last_year"], unit, basis, write_points)
    return Figure(
        code="discrepant_share",
        title=say("headline_discrepant"),
        value=now["share"],
        unit=unit,
        display=same(write_share(now["share"])),
        note=say("headline_discrepant_note", discrepant=write_number(now["discrepant"]), complete=write_number(now["complete"])),
        change=compare_releases(releases, now["share"], read("before")["share"], unit, write_points),
        comparison=comparison,
        mart="footprint__products",
        key=write_key({"recalculation_status": "complete", "is_discrepant": "true"}),
    )


def read_allowance_close(releases: Releases) -> Figure:
    """The last close of CEA on the national market, against the last close known 30 calendar days before it."""

    def read(schema: str, until: date) -> Row | None:
        sql = f"""
            select trade_date, close_cny_per_t
            from {schema}.ets__prices_by_day
            where market = 'CN-ETS' and instrument = 'CEA' and close_cny_per_t is not null and trade_date <= $1
            order by trade_date desc
            limit 1
        """
        return releases.read_one(sql, until)

    now = read("now", date.max)
    if now is None:
        return say_nothing(releases, "cea_close", "headline_close", "ets__prices_by_day")
    unit = say("unit_price")

    def write(value: float) -> Text:
        return say("with_unit", value=write_fixed(value, 2, signed=True), unit=unit)

    earlier = read("now", now["trade_date"] - PRICE_WINDOW)
    comparison = None
    if earlier is not None:
        basis = say("against_close", day=earlier["trade_date"], close=write_fixed(earlier["close_cny_per_t"], 2))
        comparison = compare(now["close_cny_per_t"], earlier["close_cny_per_t"], unit, basis, write)
    before = read("before", date.max)
    return Figure(
        code="cea_close",
        title=say("headline_close"),
        value=now["close_cny_per_t"],
        unit=unit,
        display=say("with_unit", value=write_fixed(now["close_cny_per_t"], 2), unit=unit),
        note=say("headline_close_note", day=now["trade_date"]),
        change=compare_releases(releases, now["close_cny_per_t"], before["close_cny_per_t"] if before else None, unit, write),
        comparison=comparison,
        mart="ets__prices_by_day",
        key=write_key({"market": "CN-ETS", "instrument": "CEA", "trade_date": now["trade_date"]}),
    )


def say_nothing(releases: Releases, code: str, title: str, mart: str) -> Figure:
    """A figure the release has no data for: null, never 0."""
    unit = same("")
    change = compare_releases(releases, None, None, unit, lambda _: unit)
    return Figure(code, say(title), None, unit, same(ABSENT), say("no_data"), change, None, mart, ABSENT)
