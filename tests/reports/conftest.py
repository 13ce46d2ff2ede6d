"""Releases to report on: a small one written by hand, and the acceptance world's expected marts where they are at hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

# pytest imports each test file by its path; what the tests of this folder share is found beside them.
sys.path.insert(0, str(Path(__file__).parent))

from report_releases import ACCEPTANCE, write_empty_release, write_small_release, write_world_release


@pytest.fixture(scope="session")
def world_releases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """(release, the release before it): before, 40 disclosures, the last month of prices and one mean were different."""
    if not (ACCEPTANCE / "expected").is_dir():
        pytest.skip(f"no acceptance world at {ACCEPTANCE}")
    folder = tmp_path_factory.mktemp("world")
    previous = write_world_release(folder / "before.duckdb", "20260930-0001", None)
    with duckdb.connect(str(previous)) as connection:
        connection.execute(
            "delete from marts.footprint__products where disclosure_id in"
            " (select disclosure_id from marts.footprint__products where reporting_year = 2025 order by disclosure_id limit 40)"
        )
        connection.execute("delete from marts.ets__prices_by_day where trade_date > '2025-11-28'")
        connection.execute(
            "update marts.footprint__sectors_by_year set weighted_mean_kg_co2e = weighted_mean_kg_co2e * 1.02"
            " where product_code in ('UREA', 'CEMENT') and reporting_year = 2025 and province_code = '000000'"
        )
    yield write_world_release(folder / "now.duckdb", "20261031-0001", "20260930-0001"), previous


@pytest.fixture
def small_release(tmp_path: Path) -> Path:
    return write_small_release(tmp_path / "small.duckdb")


@pytest.fixture
def empty_release(tmp_path: Path) -> Path:
    return write_empty_release(tmp_path / "empty.duckdb")
