"""Output and counts of withheld cells: no guarantee of their own stands behind them, so what a reader can work out of them is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

pytestmark = pytest.mark.xdist_group("release")
CELL = "product_code, boundary, gwp_set, reporting_year"
COUNTRY = "000000"
FIGURES = ("output_quantity", "enterprise_count", "disclosure_count", "total_t_co2e")
WIDTH = 1.1  # the bound that `total_t_co2e` is guaranteed to reach
# Provinces, what is withheld there and enterprises without a province add up to the country, and nothing is negative: a withheld figure lies
# between 0 and the country less everything shown. A single one is exactly that difference.
ATTACK = f"""
with cells as (
    select {CELL}, province_code, coalesce(truth.{{figure}}, 0)::double as held, told.{{figure}}::double as shown,
        told.suppression_reason is not null as is_withheld
    from truth.marts.footprint__sectors_by_year as truth join told using ({CELL}, province_code)
),
tables as (
    select {CELL}, max(shown) filter (province_code = '{COUNTRY}')
        - coalesce(sum(shown) filter (province_code <> '{COUNTRY}'), 0) as difference
    from cells group by all
)
select count(*), count(*) filter (held > 0 and difference < {WIDTH} * held)
from cells join tables using ({CELL}) where is_withheld and province_code <> '{COUNTRY}' and difference is not null
"""


def open_files(folder: Path) -> duckdb.DuckDBPyConnection:
    """The true cells, and as `told` what the public reads of them."""
    con = duckdb.connect()
    con.execute(f"attach '{folder / 'ministry.duckdb'}' as truth (read_only); attach '{folder / 'public.duckdb'}' as public (read_only)")
    con.execute("create table told as from public.marts.footprint__sectors_by_year_public")
    return con


def attack(con: duckdb.DuckDBPyConnection, figure: str) -> tuple[int, int]:
    """(withheld provincial figures that stand in an equation, those of them whose upper bound is within ten per cent)."""
    row = con.execute(ATTACK.format(figure=figure)).fetchone()
    assert row
    return int(row[0]), int(row[1])


def test_output_and_counts_of_withheld_cells_are_not_bounded(published: Any) -> None:
    with open_files((published.after / "releases" / "current").resolve()) as con:
        for figure in FIGURES:
            attacked, bounded = attack(con, figure)
            assert attacked > 10, "an attack on nothing"
            assert bounded == 0, figure


def test_attack_finds_what_is_withheld_alone(published: Any) -> None:
    """All withheld provinces of a table but one are shown again: that one is told, in every figure."""
    with open_files((published.after / "releases" / "current").resolve()) as con:
        con.execute(f"""
            create table alone as
            select {CELL}, min(told.province_code) as province_code
            from told join truth.marts.footprint__sectors_by_year as truth using ({CELL}, province_code)
            where told.suppression_reason is not null and province_code <> '{COUNTRY}' and truth.output_quantity > 0
                and ({CELL}) in (select ({CELL}) from told where province_code = '{COUNTRY}' and suppression_reason is null)
            group by all
        """)
        figures = ", ".join(f"{figure} = truth.{figure}" for figure in FIGURES)
        con.execute(f"""
            update told set suppression_reason = null, {figures} from truth.marts.footprint__sectors_by_year as truth
            where ({", ".join(f"told.{name}" for name in (*CELL.split(", "), "province_code"))})
                = ({", ".join(f"truth.{name}" for name in (*CELL.split(", "), "province_code"))})
                and told.province_code <> '{COUNTRY}'
                and ({", ".join(f"told.{name}" for name in (*CELL.split(", "), "province_code"))}) not in (select ({CELL}, province_code) from alone)
        """)
        for figure in FIGURES:
            attacked, bounded = attack(con, figure)
            assert attacked > 5 and bounded > attacked / 2, figure
