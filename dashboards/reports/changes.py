"""What a release changed against the one before it: rows per mart, and the national means that moved."""

from __future__ import annotations

from dashboards.reports.cells import CELL, COUNTRY, name_product, name_scope, name_unit
from dashboards.reports.exhibit import Exhibit, make_exhibit, make_table, put_number, put_share, put_text
from dashboards.reports.figures import name_code
from dashboards.reports.numbers import write_number
from dashboards.reports.release_file import COLUMNS, Releases, Row
from dashboards.reports.wording import say

# The keys of methods.md for the marts this report reads.
KEYS: dict[str, tuple[str, ...]] = {
    "footprint__products": ("disclosure_id",),
    "footprint__sectors_by_year": ("product_code", "boundary", "gwp_set", "reporting_year", "province_code"),
    "footprint__benchmarks_by_year": ("product_code", "boundary", "gwp_set", "reporting_year"),
    "footprint__product_tiers": ("disclosure_id",),
    "ets__prices_by_day": ("market", "instrument", "trade_date"),
    "ets__prices_by_year": ("market", "instrument", "year"),
}


def count_changes(releases: Releases, mart: str) -> Row:
    """Rows now and before, keys added, keys gone, and rows whose shown figures differ."""
    return count_rows(releases, mart, KEYS[mart], [name for name in COLUMNS[mart] if name not in KEYS[mart]])


def count_rows(releases: Releases, mart: str, key: tuple[str, ...], figures: list[str]) -> Row:
    """The same over the named key and columns."""
    on = " and ".join(f"n.{name} = b.{name}" for name in key)
    differs = " or ".join(f"n.{name} is distinct from b.{name}" for name in figures) or "false"
    row = releases.read_one(
        f"""
        select
            count(n.{key[0]}) as now_count,
            count(b.{key[0]}) as before_count,
            count(n.{key[0]}) filter (where b.{key[0]} is null) as added,
            count(b.{key[0]}) filter (where n.{key[0]} is null) as gone,
            count(*) filter (where n.{key[0]} is not null and b.{key[0]} is not null and ({differs})) as changed
        from now.{mart} as n
        full join before.{mart} as b on {on}
        """
    )
    return {"mart": mart} | (row or {})


def build_mart_changes(releases: Releases) -> Exhibit:
    if not releases.has_previous:
        return make_exhibit("changes", say("changes_first"), say("changes_first_note"), ", ".join(KEYS))
    return show_changes([count_changes(releases, mart) for mart in KEYS], "changes_note", ", ".join(KEYS))


def show_changes(rows: list[Row], note: str, source: str) -> Exhibit:
    """The finding and the table of what was counted, mart by mart."""
    touched = [row for row in rows if row["added"] or row["gone"] or row["changed"]]
    title = say(
        "changes_finding" if touched else "changes_nothing",
        marts=len(touched),
        total=len(rows),
        added=write_number(sum(row["added"] for row in rows)),
        gone=write_number(sum(row["gone"] for row in rows)),
        changed=write_number(sum(row["changed"] for row in rows)),
    )
    table = make_table(
        [say(f"column_{c}") for c in ("mart", "rows_now", "rows_before", "added", "gone", "changed")],
        [
            [
                put_text(name_code("mart", row["mart"])),
                *(put_number(row[n]) for n in ("now_count", "before_count", "added", "gone", "changed")),
            ]
            for row in rows
        ],
    )
    return make_exhibit("changes", title, say(note), source, table=table, is_table_open=True)


def build_mean_changes(releases: Releases) -> Exhibit | None:
    """National means that exist in both releases and differ, the largest relative moves first; none of it for a first release."""
    if not releases.has_previous:
        return None
    rows = releases.read(
        f"""
        select n.*, b.weighted_mean_kg_co2e as before_kg_co2e,
            n.weighted_mean_kg_co2e - b.weighted_mean_kg_co2e as change_kg_co2e,
            n.weighted_mean_kg_co2e / nullif(b.weighted_mean_kg_co2e, 0) - 1 as change_ratio,
            count(*) over () as moved
        from now.footprint__sectors_by_year as n
        inner join before.footprint__sectors_by_year as b using ({CELL}, reporting_year, province_code)
        where n.province_code = '{COUNTRY}' and n.weighted_mean_kg_co2e <> b.weighted_mean_kg_co2e
        order by abs(change_ratio) desc nulls last, {CELL}, reporting_year
        limit 10
        """
    )
    source = f"footprint__sectors_by_year (province_code = {COUNTRY})"
    if not rows:
        return make_exhibit("moved", say("moved_nothing"), say("moved_nothing_note"), source)
    table = make_table(
        [say(f"column_{c}") for c in ("product", "scope", "unit", "year", "mean_previous", "mean", "difference", "relative")],
        [
            [
                put_text(name_product(row)),
                put_text(name_scope(row)),
                put_text(name_unit(row)),
                put_text(row["reporting_year"]),
                put_number(row["before_kg_co2e"]),
                put_number(row["weighted_mean_kg_co2e"]),
                put_number(row["change_kg_co2e"], signed=True),
                put_share(row["change_ratio"], signed=True),
            ]
            for row in rows
        ],
    )
    title = say("moved_finding", moved=rows[0]["moved"], product=name_product(rows[0]), year=rows[0]["reporting_year"])
    return make_exhibit("moved", title, say("moved_note"), source, table=table, is_table_open=True)
