"""The history of a landed row: its versions that were refused before, with when, where and why, whatever they were known again by."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
import pytest

from ingest.contract import read_contracts
from warehouse.lineage.verdicts import Verdicts
from warehouse.settings import parse_instant

from .conftest import Warehouse

pytestmark = pytest.mark.xdist_group("survival")
Rows = list[dict[str, str]]


@pytest.fixture
def enterprises(warehouse: Warehouse) -> Rows:
    return warehouse.country.rows("enterprise")[:6]


def send(warehouse: Warehouse, source: str, name: str, rows: Rows, day: str) -> None:
    moment = parse_instant(f"{day}T09:00:00")
    warehouse.intake.receive(warehouse.write(rows, warehouse.data.parent / name), source, moment)
    warehouse.intake.land_pending()


def histories(warehouse: Warehouse, source: str) -> dict[str, list[dict[str, Any]]]:
    """Key of each landed row, as text -> what became of it, as an explanation tells it."""
    contract = read_contracts()[source]
    tables = [pq.read_table(warehouse.data / row["path"]) for row in warehouse.ledger.landing_files(source)]
    rows = [row for table in tables for row in table.to_pylist()]
    told = Verdicts(warehouse.settings, warehouse.ledger).histories(contract, rows)
    assert set(told) == {(row["_sequence"], row["_row_number"]) for row in rows}
    return {"|".join(str(row[name]) for name in contract.key): told[row["_sequence"], row["_row_number"]] for row in rows}


def in_short(events: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(event["event"], event.get("file")) for event in events]


def test_row_refused_twice_tells_both_versions_with_their_reasons(warehouse: Warehouse, enterprises: Rows) -> None:
    spoiled, sound = enterprises[2], enterprises[:2] + enterprises[3:]
    send(warehouse, "enterprise", "a.csv", [*sound, spoiled | {"province_code": "99"}], "2026-03-01")
    send(warehouse, "enterprise", "b.csv", [*sound, spoiled | {"enterprise_name": ""}], "2026-04-01")
    send(warehouse, "enterprise", "c.csv", [enterprises[0], spoiled], "2026-05-01")
    told = histories(warehouse, "enterprise")
    first, second, *rest = told[spoiled["enterprise_id"]]
    assert in_short(rest) == [("received", None), ("accepted", None)] and rest[0]["at"].startswith("2026-05-01T01:00")
    assert (first["event"], first["file"], first["row_number"], first["sequence"]) == ("quarantined", "a.csv", 6, 1)
    assert first["at"].startswith("2026-03-01T01:00") and first["delivery_id"] == warehouse.ledger.delivery(1)["delivery_id"]
    assert [(why["code"], why["column_name"], why["value"]) for why in first["reasons"]] == [("enumeration", "province_code", "99")]
    assert all(why["message_zh"] and why["message_en"] for why in first["reasons"])
    assert (first["settled_by"], second["settled_by"]) == (2, 3)
    assert (second["file"], [why["code"] for why in second["reasons"]]) == ("b.csv", ["required"])
    assert all(
        in_short(events) == [("received", None), ("accepted", None)] for key, events in told.items() if key != spoiled["enterprise_id"]
    )


def test_row_whose_key_was_at_fault_is_known_by_its_place(warehouse: Warehouse, enterprises: Rows) -> None:
    wrong = enterprises[3] | {"enterprise_id": enterprises[3]["enterprise_id"][:-1] + "?"}
    send(warehouse, "enterprise", "a.csv", [*enterprises[:3], wrong, *enterprises[4:]], "2026-03-01")
    send(warehouse, "enterprise", "a.csv", enterprises, "2026-04-01")
    told = histories(warehouse, "enterprise")
    assert in_short(told[enterprises[3]["enterprise_id"]])[0] == ("quarantined", "a.csv")
    assert [len(events) for events in told.values()].count(3) == 1


def test_refusal_after_a_row_has_landed_is_none_of_its_history(warehouse: Warehouse, enterprises: Rows) -> None:
    """What came later and was refused belongs to the version that puts it right."""
    send(warehouse, "enterprise", "a.csv", enterprises, "2026-03-01")
    send(warehouse, "enterprise", "b.csv", [enterprises[0] | {"enterprise_name": ""}], "2026-04-01")
    assert in_short(histories(warehouse, "enterprise")[enterprises[0]["enterprise_id"]]) == [("received", None), ("accepted", None)]
    send(warehouse, "enterprise", "c.csv", [enterprises[0] | {"enterprise_name": "新名称有限公司"}], "2026-05-01")
    contract = read_contracts()["enterprise"]
    rows = [
        row for entry in warehouse.ledger.landing_files("enterprise") for row in pq.read_table(warehouse.data / entry["path"]).to_pylist()
    ]
    told = Verdicts(warehouse.settings, warehouse.ledger).histories(contract, rows)
    versions = {
        row["_source_file"]: in_short(told[row["_sequence"], row["_row_number"]])
        for row in rows
        if row["enterprise_id"] == enterprises[0]["enterprise_id"]
    }
    assert versions == {
        "a.csv": [("received", None), ("accepted", None)],
        "c.csv": [("quarantined", "b.csv"), ("received", None), ("accepted", None)],
    }


def test_row_that_waited_tells_for_what(warehouse: Warehouse) -> None:
    disclosures = warehouse.country.rows("product_footprint")[:5]
    known = {row["disclosure_id"] for row in disclosures}
    lines = [row for row in warehouse.country.rows("footprint_activity") if row["disclosure_id"] in known]
    send(warehouse, "footprint_activity", "lines.csv", lines, "2026-03-01")
    send(warehouse, "product_footprint", "disclosures.csv", disclosures, "2026-04-01")
    told = histories(warehouse, "footprint_activity")
    assert len(told) == len(lines) > 0
    assert {event[0]["event"] for event in told.values()} == {"waiting"}
    assert all(events[0]["reasons"] and events[0]["file"] == "lines.csv" for events in told.values())
