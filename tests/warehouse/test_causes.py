"""For what cause a landed row came: told from the key, the contract and the ledger alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse.comparison.causes import CORRECTED, FACTORS, NEW, RESTATED, FileGone, find_difference
from warehouse.release import listed_inputs

from .conftest import Warehouse
from .test_history import Sender

BEFORE = datetime(2026, 3, 1)
FACTOR = {
    "factor_id": "EF-1", "edition": "1", "factor_family": "footprint", "activity_code": "electricity_grid", "activity_name": "电网",
    "geography_code": "CN", "unit": "kWh", "kg_co2e_per_unit": "0.5", "valid_from": "2022-01-01", "published_on": "2025-10-01",
    "publisher": "某部", "citation": "a test",
}  # fmt: skip


class Story:
    """A warehouse to which rows come by the day."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse, self.folder, self.day = warehouse, folder, 0
        self.enterprise = sorted(row["enterprise_id"] for row in warehouse.country.rows("enterprise"))[0]

    def send(self, source: str, *rows: dict[str, Any]) -> dict[str, Any]:
        self.day += 1
        path = self.folder / f"{self.day}.csv"
        return self.warehouse.take_rows(list(rows), source, BEFORE + timedelta(days=self.day), path)[-1]

    def footprint(self, name: str, revision: int, total: float, **other: Any) -> dict[str, Any]:
        row = Sender(0, [self.enterprise] * 5).product_footprint()
        return row | {"disclosure_id": name, "revision": revision, "total_kg_co2e": total, "is_withdrawn": False} | other

    def line(self, name: str, revision: int, number: int) -> dict[str, Any]:
        row = Sender(0, [self.enterprise] * 5).footprint_activity()
        return row | {"disclosure_id": name, "revision": revision, "line_no": number}

    def now(self) -> list[dict[str, Any]]:
        return listed_inputs(self.warehouse.ledger, datetime(9999, 1, 1))

    def causes(self, first: list[dict[str, Any]], second: list[dict[str, Any]], source: str, key: str) -> dict[str, str]:
        warehouse = self.warehouse
        with duckdb.connect() as con:
            find_difference(con, warehouse.settings, warehouse.ledger, warehouse.intake.contracts, (first, second))
            rows = con.execute(f"select {key}, _cause from difference.{source}").fetchall()
        assert len(dict(rows)) == len(rows)
        return dict(rows)


@pytest.fixture
def story(warehouse: Warehouse, tmp_path: Path) -> Story:
    return Story(warehouse, tmp_path / "sent")


def told_story(story: Story) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Two states: between them something of every cause."""
    names = [f"D{number}" for number in range(1, 9)]
    refused = story.send("product_footprint", *(story.footprint(name, 1, 100.0) for name in names), story.footprint("BAD", 1, -1))
    assert refused["counts"]["quarantined"] == 1
    story.send(
        "enterprise", {"enterprise_id": story.enterprise, "enterprise_name": "甲", "province_code": "130000", "industry_code": "4411"}
    )
    first = story.now()
    story.send("product_footprint", story.footprint("NEW", 1, 90.0), story.footprint("D1", 2, 101.0), story.footprint("BAD", 1, 95.0))
    story.send("product_footprint", story.footprint("D2", 1, 100.0, is_withdrawn=True))
    story.send("footprint_activity", story.line("NEW", 1, 1), story.line("D1", 2, 1), story.line("BAD", 1, 1), story.line("D3", 1, 1))
    story.send(
        "enterprise", {"enterprise_id": story.enterprise, "enterprise_name": "甲", "province_code": "370000", "industry_code": "4411"}
    )
    story.send("emission_factor", FACTOR)
    return first, story.now()


def test_each_row_has_the_cause_for_which_it_came(story: Story) -> None:
    first, second = told_story(story)
    key = "disclosure_id || '/' || revision"
    expected = {"NEW/1": NEW, "D1/2": RESTATED, "BAD/1": CORRECTED, "D2/1": CORRECTED}
    assert story.causes(first, second, "product_footprint", key) == expected
    lines = {"NEW/1": NEW, "D1/2": RESTATED, "BAD/1": CORRECTED, "D3/1": NEW}
    assert story.causes(first, second, "footprint_activity", key) == lines, "lines come for the reason of their disclosure"
    assert story.causes(first, second, "enterprise", "enterprise_id") == {story.enterprise: RESTATED}
    assert story.causes(first, second, "emission_factor", "factor_id") == {"EF-1": FACTORS}


def test_what_came_goes_for_the_same_cause(story: Story) -> None:
    first, second = told_story(story)
    for source, key in (("product_footprint", "disclosure_id || '/' || revision"), ("enterprise", "enterprise_id")):
        assert story.causes(second, first, source, key) == story.causes(first, second, source, key)


def test_rows_of_a_mixture_are_those_of_its_causes(story: Story) -> None:
    first, second = told_story(story)
    warehouse = story.warehouse

    def names(
        causes: frozenset[str], count: Callable[[str], str] = lambda rows: f"select disclosure_id, revision from ({rows}) order by all"
    ) -> Any:
        return con.execute(count(difference.rows("product_footprint", causes))).fetchall()

    with duckdb.connect() as con:
        difference = find_difference(con, warehouse.settings, warehouse.ledger, warehouse.intake.contracts, (first, second))
        old = names(frozenset())
        assert len(old) == 8
        assert set(names(frozenset({RESTATED}))) - set(old) == {("D1", 2)}
        assert len(names(difference.causes["product_footprint"])) == 12


def test_file_that_is_gone_is_named(story: Story) -> None:
    first, second = told_story(story)
    path = story.warehouse.settings.data / second[-1]["path"]
    path.unlink()
    with pytest.raises(FileGone, match=path.name):
        story.causes(first, second, "product_footprint", "disclosure_id")
