"""Which cells of the sector marts the report shows, and how a cell is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from dashboards.reports.release_file import Releases, Row
from dashboards.reports.wording import LANGUAGES, Text, load_wording, same, say

CELL = "product_code, boundary, gwp_set"
COUNTRY = "000000"
ABROAD = "990000"  # enterprises abroad count in the country's figures, but are no province

# "Leading" orders by tonnes, which add up over products; footprints of different products are never put in one order or one mean.
LEADING_CELLS = f"""
with cells as (
    select
        {CELL},
        any_value(s.product_name_zh) as product_name_zh, any_value(s.product_name_en) as product_name_en,
        any_value(s.declared_unit) as declared_unit, sum(s.total_t_co2e) as total_t_co2e,
        coalesce(bool_or(b.tier_basis = 'percentiles'), false) as has_benchmark
    from now.footprint__sectors_by_year as s
    left join now.footprint__benchmarks_by_year as b using ({CELL}, reporting_year)
    where s.province_code = '{COUNTRY}' and s.reporting_year = $1
    group by all
),
ranked as (
    select
        *,
        row_number() over (
            partition by product_code order by has_benchmark desc, total_t_co2e desc nulls last, boundary, gwp_set
        ) as place
    from cells
)
select * exclude (place)
from ranked
where place = 1
order by has_benchmark desc, total_t_co2e desc nulls last, product_code
limit $2
"""


def find_headline_year(releases: Releases) -> int | None:
    """The latest reporting year with a national benchmark, else the latest with any figure: one early disclosure does not make a year."""
    row = releases.read_one(
        f"""
        select coalesce(
            (select max(reporting_year) from now.footprint__benchmarks_by_year where tier_basis = 'percentiles'),
            (select max(reporting_year) from now.footprint__sectors_by_year where province_code = '{COUNTRY}'),
            (select max(reporting_year) from now.footprint__products)
        ) as year
        """
    )
    return row["year"] if row else None


def list_leading_cells(releases: Releases, year: int | None, limit: int) -> list[Row]:
    """One cell per product, those with a benchmark first, by the year's national total."""
    return releases.read(LEADING_CELLS, year, limit)


def name_product(row: Row) -> Text:
    code = row["product_code"]
    return Text(row.get("product_name_zh") or code, row.get("product_name_en") or code)


def name_province(row: Row) -> Text:
    code = row["province_code"]
    return Text(row.get("province_name_zh") or code, row.get("province_name_en") or code)


def name_scope(row: Row) -> Text:
    """Boundary and GWP set: without them a footprint is not comparable, so they stand beside every one."""
    code = f"boundary_{row['boundary']}"
    boundary = say(code) if code in load_wording() else same(row["boundary"])
    return Text(f"{boundary.zh} · {row['gwp_set']}", f"{boundary.en} · {row['gwp_set']}")


def tell_cells_apart(rows: Sequence[Row]) -> list[Text]:
    """A name for each cell that no other of them has: the product's, with boundary and GWP set (and at last the code) where products repeat."""
    names = [name_product(row) for row in rows]
    for more in (name_scope, lambda row: same(row["product_code"])):
        repeated = {text for language in LANGUAGES for text, n in Counter(name[language] for name in names).items() if n > 1}
        names = [
            say("cell_apart", name=name, apart=more(row)) if repeated.intersection((name.zh, name.en)) else name
            for row, name in zip(rows, names, strict=True)
        ]
    return names


def name_unit(row: Row) -> Text:
    """kgCO2e per the product's declared unit."""
    unit = row.get("declared_unit")
    if unit is None:
        return say("unit_footprint_bare")
    code = f"declared_unit_{unit}"
    return say("unit_footprint", unit=say(code) if code in load_wording() else same(unit))


def key_of(row: Row, **more: object) -> str:
    """A mart key a reader can look up: `product_code=…, boundary=…, gwp_set=…`."""
    return write_key({name: row[name] for name in ("product_code", "boundary", "gwp_set")} | more)


def write_key(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
