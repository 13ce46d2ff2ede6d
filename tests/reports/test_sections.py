"""Sections of readers' reports: what a caption says is what the table and the drawing do, and counts are of everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dashboards.reports.cells import tell_cells_apart
from dashboards.reports.exhibit import drawing_in
from dashboards.reports.release_file import Releases, open_releases
from dashboards.reports.sections import footprints, instruments
from dashboards.reports.sections.subject import Subject

PRODUCTS, SCOPES = 25, (("cradle_to_gate", "AR5"), ("cradle_to_grave", "AR6"))


@pytest.fixture
def releases(small_release: Path) -> Iterator[Releases]:
    """A province of 50 comparable cells (25 products under two scopes), 10 of them below the country; four enterprises of the carbon market."""
    with duckdb.connect(str(small_release)) as connection:
        connection.execute("delete from marts.footprint__sectors_by_year")
        for number in range(PRODUCTS):
            for place, (boundary, gwp_set) in enumerate(SCOPES):
                below = number >= 20  # the least emissions: none of them is among the rows shown
                for province, mean in (("000000", 100.0), ("130000", 90.0 if below else 110.0 + number + place)):
                    connection.execute(
                        "insert into marts.footprint__sectors_by_year (product_code, product_name_zh, product_name_en, boundary, gwp_set,"
                        " reporting_year, province_code, weighted_mean_kg_co2e, total_t_co2e, enterprise_count, disclosure_count)"
                        " values (?, ?, ?, ?, ?, 2025, ?, ?, ?, 5, 5)",
                        [f"P{number}", f"产品{number}", f"product {number}", boundary, gwp_set, province, mean, 1000.0 - number],
                    )
        connection.execute(
            """
            create table marts.ets__positions_by_year as
            select 'CN-ETS' as market, 2025 as compliance_year, *, null::double as verified_t_co2e, null::double as allocated_t_co2e,
                null::double as obligation_t_co2e, null::double as price_cny_per_t, null::double as cost_cny, null::double as surplus_value_cny
            from (values ('E-surplus', 'not_due', 5e6, -9e6), ('E-short', 'not_due', 7e6, 2e5), ('E-late', 'outstanding', 10.0, -5.0),
                ('E-even', 'compliant', 0.0, 0.0)) as t (enterprise_id, position_status, outstanding_t_co2e, shortfall_t_co2e)
            """
        )
    with open_releases(small_release, None) as opened:
        yield opened


def test_positions_stand_in_the_order_of_their_caption(releases: Releases) -> None:
    with drawing_in():
        exhibit = instruments.build_positions(Subject(releases, None, 2025))
    assert exhibit.table is not None
    assert [row[1].display.en for row in exhibit.table.rows] == ["E-late", "E-short", "E-even", "E-surplus"]
    assert "largest first" in exhibit.note.en and "由大到小" in exhibit.note.zh
    # What is past its day and what is still to be surrendered are two things, and two words in both languages.
    assert exhibit.title.en == "Enterprises covered in 2025: 4; overdue 1, short of allowances 1"
    assert "outstanding" not in exhibit.title.en and "逾期未清缴" in exhibit.title.zh
    assert exhibit.table.rows[0][2].display.en == "overdue"


def test_comparison_with_the_country_counts_every_cell(releases: Releases) -> None:
    with drawing_in("en"):
        exhibit = footprints.build_against_country(Subject(releases, "130000", 2025))
    assert exhibit.title.en.startswith("10 of 50 means"), exhibit.title.en
    assert exhibit.title.zh.startswith("2025 年度可与全国比较的 50 个均值中 10 个低于全国"), exhibit.title.zh
    assert "all 50 cells" in exhibit.note.en and "the 20 with the most emissions" in exhibit.note.en
    assert exhibit.table is not None and len(exhibit.table.rows) == 20
    # One bar for each comparable row of the table, told apart by its scope.
    drawing = exhibit.drawings["en"][0]
    for number in range(10):
        assert f"product {number} (cradle to gate · AR5)" in drawing and f"product {number} (cradle to grave · AR6)" in drawing


def test_cells_are_told_apart_by_what_differs() -> None:
    def cell(code: str, name: str, gwp_set: str = "AR5") -> dict[str, str]:
        return {"product_code": code, "product_name_zh": name, "product_name_en": name, "boundary": "cradle_to_gate", "gwp_set": gwp_set}

    names = tell_cells_apart([cell("A", "a"), cell("B", "b"), cell("B", "b", "AR6"), cell("C", "c"), cell("D", "c")])
    assert [name.en for name in names] == [
        "a",
        "b (cradle to gate · AR5)",
        "b (cradle to gate · AR6)",
        "c (cradle to gate · AR5) (C)",
        "c (cradle to gate · AR5) (D)",
    ]
