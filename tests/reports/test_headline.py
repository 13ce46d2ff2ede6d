from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb
import pytest
from report_releases import write_small_release

from dashboards.reports.headline import Figure, headline_figures
from dashboards.reports.release_file import ReleaseShapeError

CODES = ["disclosures_in_force", "products_with_benchmark", "largest_mean_move", "discrepant_share", "cea_close"]


def by_code(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.code: figure for figure in figures}


def test_headline_figures_equal_hand_worked_release(small_release: Path) -> None:
    figures = headline_figures(small_release, None)
    assert [figure.code for figure in figures] == CODES
    found = by_code(figures)
    assert found["disclosures_in_force"].value == 12
    assert found["products_with_benchmark"].value == 1
    assert found["largest_mean_move"].value == pytest.approx(1764.0)
    assert found["largest_mean_move"].comparison is not None
    assert found["largest_mean_move"].comparison.value == pytest.approx(-36.0)
    assert "−2.0%" in found["largest_mean_move"].comparison.display.zh
    assert "企业自身变化（−40）" in found["largest_mean_move"].note.zh
    assert found["discrepant_share"].value == pytest.approx(2 / 10)
    assert found["cea_close"].value == pytest.approx(96.9)
    assert found["cea_close"].comparison is not None
    assert found["cea_close"].comparison.value == pytest.approx(3.0)


def test_headline_of_first_release_says_so(small_release: Path) -> None:
    for figure in headline_figures(small_release, None):
        assert figure.change.value is None
        assert (figure.change.display.zh, figure.change.display.en) == ("首次发布", "first release")


def test_headline_changes_are_differences_of_two_releases(tmp_path: Path, small_release: Path) -> None:
    previous = write_small_release(tmp_path / "before.duckdb", "20260930-0001", mean=1810.0)
    with duckdb.connect(str(previous)) as connection:
        connection.execute("delete from marts.footprint__products where disclosure_id = 'D20255'")
        connection.execute("delete from marts.ets__prices_by_day where trade_date > '2026-08-31'")
    changes = {code: figure.change.value for code, figure in by_code(headline_figures(small_release, previous)).items()}
    assert changes["disclosures_in_force"] == 1
    assert changes["products_with_benchmark"] == 0
    assert changes["largest_mean_move"] == pytest.approx(-10.0)
    assert changes["discrepant_share"] == pytest.approx(2 / 10 - 1 / 9)
    assert changes["cea_close"] == pytest.approx(0.8)


def test_headline_names_the_row_it_was_read_from(small_release: Path) -> None:
    figure = by_code(headline_figures(small_release, None))["largest_mean_move"]
    assert figure.mart == "footprint__sectors_by_year"
    key = dict(part.split("=") for part in figure.key.split(", "))
    with duckdb.connect(str(small_release), read_only=True) as connection:
        where = " and ".join(f"{name} = '{value}'" for name, value in key.items())
        rows = connection.execute(f"select weighted_mean_kg_co2e from marts.{figure.mart} where {where}").fetchall()
    assert rows == [(figure.value,)]


def test_headline_of_empty_release_is_null_not_zero(empty_release: Path) -> None:
    found = by_code(headline_figures(empty_release, None))
    assert found["disclosures_in_force"].value == 0
    for code in ("largest_mean_move", "discrepant_share", "cea_close"):
        assert found[code].value is None
        assert found[code].display.zh == "—"


def test_headline_survives_json(small_release: Path) -> None:
    written = json.loads(json.dumps([figure.as_dict() for figure in headline_figures(small_release, None)], ensure_ascii=False))
    assert [figure["code"] for figure in written] == CODES
    assert set(written[0]["title"]) == {"zh", "en"}


def test_headline_ignores_a_year_with_one_early_disclosure(small_release: Path) -> None:
    with duckdb.connect(str(small_release)) as connection:
        connection.execute(
            "insert into marts.footprint__sectors_by_year select * replace (2026 as reporting_year, 1 as enterprise_count)"
            " from marts.footprint__sectors_by_year where reporting_year = 2025 and province_code = '000000'"
        )
    assert "reporting_year=2025" in by_code(headline_figures(small_release, None))["largest_mean_move"].key


def test_headline_refuses_a_mart_without_its_columns(small_release: Path) -> None:
    with duckdb.connect(str(small_release)) as connection:
        connection.execute("alter table marts.ets__prices_by_day drop column close_cny_per_t")
    with pytest.raises(ReleaseShapeError, match="close_cny_per_t"):
        headline_figures(small_release, None)


def test_headline_refuses_to_compare_a_release_with_itself(small_release: Path) -> None:
    with pytest.raises(ValueError, match="itself"):
        headline_figures(small_release, small_release)


def test_headline_equals_world_marts(world_releases: tuple[Path, Path]) -> None:
    now, previous = world_releases
    found = by_code(headline_figures(now, previous))
    with duckdb.connect(str(now), read_only=True) as connection:
        move, cell = connection.execute(
            """
            select s.yoy_change_kg_co2e, s.product_code
            from marts.footprint__sectors_by_year s
            where province_code = '000000' and reporting_year = 2025 and yoy_change_kg_co2e is not null and exists (
                select 1 from marts.footprint__benchmarks_by_year b
                where b.tier_basis = 'percentiles' and b.reporting_year = 2025
                    and (b.product_code, b.boundary, b.gwp_set) = (s.product_code, s.boundary, s.gwp_set)
            )
            order by abs(yoy_change_kg_co2e / (weighted_mean_kg_co2e - yoy_change_kg_co2e)) desc
            """
        ).fetchone()
        day, close = connection.execute(
            "select trade_date, close_cny_per_t from marts.ets__prices_by_day where market = 'CN-ETS' and instrument = 'CEA'"
            " order by trade_date desc"
        ).fetchone()
    figure = found["largest_mean_move"]
    assert figure.comparison is not None
    assert figure.comparison.value == move
    assert f"product_code={cell}," in figure.key
    assert (found["cea_close"].value, day) == (close, date(2025, 12, 31))
    assert found["disclosures_in_force"].change.value == 40
