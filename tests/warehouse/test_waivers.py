"""Waivers: a signed one lets one row through one rule and no other; one not in order is named and lets nothing through; all used are published."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml

from ingest.contract import Message
from warehouse.facts import own_tables, used_waivers
from warehouse.settings import utc_now
from warehouse.waivers import describe_waivers, draft_waiver, read_waivers

from .conftest import Warehouse

pytestmark = pytest.mark.xdist_group("intake")
# Of the form of a code, but its last character does not fit the others: what the few genuine early codes look like.
EARLY = "91110000100000001A"
Rows = list[dict[str, str]]


def companies(count: int, *odd: str) -> Rows:
    codes = ["91130100204586971Y", "91370100425650586P", "91330100752032240L", "91650100836147627R", "91350100962668343N"][:count]
    return [
        {"enterprise_id": code, "enterprise_name": f"示范{place}有限公司", "province_code": "110000", "industry_code": "2911"}
        for place, code in enumerate([*codes, *odd])
    ]


def sign(warehouse: Warehouse, name: str = "early.yaml", **changed: Any) -> Path:
    """A waiver in order, but for what a test changes."""
    document: dict[str, Any] = {
        "source": "enterprise",
        "key": {"enterprise_id": EARLY},
        "rule": "identifier_check",
        "reason": {"zh": "早期赋码，登记机关确认", "en": "an early code, confirmed by the registrar"},
        "citation": "登记机关书面答复 2026-03-01 / written reply of the registrar, 2026-03-01",
        "author": "张三",
        "reviewer": "李四",
        "expires_on": "2099-12-31",
    } | changed
    path = warehouse.settings.waivers / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path


def stored(warehouse: Warehouse) -> list[str]:
    rows = [pq.read_table(warehouse.data / row["path"]) for row in warehouse.ledger.landing_files("enterprise")]
    return sorted(str(code) for table in rows for code in table["enterprise_id"].to_pylist())


def balance(warehouse: Warehouse) -> list[tuple[int, int, int, int]]:
    return [(row["received"], row["accepted"], row["duplicate"], row["quarantined"]) for row in warehouse.ledger.deliveries()]


def test_early_code_lands_by_the_next_land_once_its_waiver_is_signed(warehouse: Warehouse) -> None:
    warehouse.put("enterprise", "a.csv", companies(5, EARLY))
    (receipt,) = warehouse.intake.take_inbox()
    assert receipt["fault_counts"] == {"identifier_check": 1} and EARLY not in stored(warehouse)
    before = utc_now()
    sign(warehouse)
    assert warehouse.intake.take_inbox() == []
    assert EARLY in stored(warehouse) and balance(warehouse) == [(6, 6, 0, 0)]
    (closure,) = warehouse.ledger.closures()
    assert (closure["sequence"], closure["record"], closure["state"]) == (1, 6, "waived")
    assert warehouse.ledger.audit_faults() == []
    # It is known from now on: an earlier day's knowledge stays what it was.
    assert len(warehouse.ledger.landing_files("enterprise", before)) == 1
    assert warehouse.intake.take_inbox() == [] and balance(warehouse) == [(6, 6, 0, 0)]
    (published,) = used_waivers(warehouse.ledger, utc_now())
    assert published["reviewer"] == "李四" and json.loads(published["key"]) == {"enterprise_id": EARLY} and published["row_number"] == 6
    assert used_waivers(warehouse.ledger, before) == []


def test_waived_row_lands_with_its_delivery_where_the_waiver_is_there_first(warehouse: Warehouse) -> None:
    sign(warehouse)
    warehouse.put("enterprise", "a.csv", companies(1, EARLY))  # one of two rows: more than the tolerated share, were it bad
    (receipt,) = warehouse.intake.take_inbox()
    assert receipt["waived"] == [{"row_number": 2, "rule": "identifier_check", "waiver": "early"}]
    assert EARLY in stored(warehouse) and balance(warehouse) == [(2, 2, 0, 0)]
    assert [row["state"] for row in warehouse.ledger.closures()] == ["waived"]
    warehouse.put("enterprise", "b.csv", [*companies(1, EARLY), companies(2)[1]])
    warehouse.intake.take_inbox()
    assert balance(warehouse)[1] == (3, 1, 2, 0), "the waived row delivered again is a duplicate"


def test_waiver_lifts_its_rule_for_its_row_and_nothing_else(warehouse: Warehouse) -> None:
    sign(warehouse)
    other = EARLY[:-1] + "B"
    also_unnamed = companies(0, EARLY)[0] | {"enterprise_name": ""}
    warehouse.put("enterprise", "a.csv", [*companies(5), *companies(5)[:0], *companies(0, other)])
    warehouse.put("enterprise", "b.csv", [*companies(5), also_unnamed])
    warehouse.intake.take_inbox()
    assert stored(warehouse) == sorted(row["enterprise_id"] for row in companies(5))
    assert [row["quarantined"] for row in warehouse.ledger.deliveries()] == [1, 1]
    assert warehouse.ledger.closures() == [] and used_waivers(warehouse.ledger, utc_now()) == []


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"reviewer": ""}, "waiver.unsigned"),
        ({"reviewer": " 张三 "}, "waiver.same_person"),
        ({"expires_on": "2026-01-01"}, "waiver.expired"),
        ({"expires_on": "soon"}, "waiver.unreadable"),
        ({"everything": "yes"}, "waiver.unknown_fields"),
        ({"citation": ""}, "waiver.incomplete"),
        ({"reason": {"zh": "只有中文"}}, "waiver.incomplete"),
        ({"key": {"enterprise_name": "x"}}, "waiver.incomplete"),
        ({"rule": "type"}, "waiver.not_waivable"),
        ({"rule": "required"}, "waiver.not_waivable"),
        ({"rule": "key_conflict"}, "waiver.not_waivable"),
        ({"source": "nothing"}, "waiver.unknown_source"),
    ],
)
def test_waiver_not_in_order_is_named_and_lets_nothing_through(warehouse: Warehouse, changed: dict[str, Any], fault: str) -> None:
    path = sign(warehouse, **changed)
    read = read_waivers(path.parent, warehouse.intake.contracts, date(2026, 11, 22))
    assert [(entry.waiver, entry.fault) for entry in read] == [(None, fault)]
    warehouse.put("enterprise", "a.csv", companies(5, EARLY))
    warehouse.intake.take_inbox()
    assert EARLY not in stored(warehouse)
    assert [entry["state"] for entry in describe_waivers(warehouse.settings, warehouse.ledger, warehouse.intake.contracts)] == [fault]


def test_waiver_without_a_row_and_one_repeated_are_named(warehouse: Warehouse) -> None:
    sign(warehouse)
    sign(warehouse, "later.yaml")
    states = {entry["file"]: entry["state"] for entry in describe_waivers(warehouse.settings, warehouse.ledger, warehouse.intake.contracts)}
    assert states == {"early.yaml": "waiver.unmatched", "later.yaml": "waiver.repeated"}


def test_draft_is_no_waiver_until_a_second_person_signs(warehouse: Warehouse) -> None:
    contracts = warehouse.intake.contracts
    arguments = (
        warehouse.settings.waivers,
        "enterprise",
        {"enterprise_id": EARLY},
        "identifier_check",
        Message("早期", "early"),
        "reply",
        "甲",
    )
    path = draft_waiver(*arguments, date(2099, 1, 1))
    assert [entry.fault for entry in read_waivers(path.parent, contracts, date(2026, 11, 22))] == ["waiver.unsigned"]
    path.write_text(path.read_text(encoding="utf-8").replace("reviewer: ''", "reviewer: 乙"), encoding="utf-8")
    (read,) = read_waivers(path.parent, contracts, date(2026, 11, 22))
    assert read.waiver is not None and dict(read.waiver.key) == {"enterprise_id": EARLY}
    with pytest.raises(FileExistsError):
        draft_waiver(*arguments, date(2099, 1, 1))


def test_row_rule_is_waived_and_the_release_says_so(warehouse: Warehouse) -> None:
    quote = {"market": "CN-ETS", "instrument": "CEA", "trade_method": "listed", "previous_close_cny_per_t": "60", "volume_t": "1000"}
    days = ["2026-10-12", "2026-10-13", "2026-10-14", "2026-10-15", "2026-10-16"]
    rows = [quote | {"trade_date": day, "close_cny_per_t": "60", "turnover_cny": "60000"} for day in days]
    rows.append(quote | {"trade_date": "2026-10-19", "close_cny_per_t": "70", "turnover_cny": "70000"})
    warehouse.put("market_quote", "a.csv", rows)
    (receipt,) = warehouse.intake.take_inbox()
    assert receipt["fault_counts"] == {"price_limit": 1}
    key = {"market": "CN-ETS", "instrument": "CEA", "trade_method": "listed", "trade_date": "2026-10-19"}
    sign(warehouse, source="market_quote", key=key, rule="price_limit")
    warehouse.intake.take_inbox()
    assert balance(warehouse) == [(6, 6, 0, 0)]
    moment = utc_now()
    waivers = used_waivers(warehouse.ledger, moment)
    gates: list[dict[str, Any]] = []
    manifest = {
        "release_id": "x", "parent_release_id": None, "as_of": moment.isoformat() + "Z", "rule_date": "2026-11-22",
        "published_at": moment.isoformat() + "Z", "code_version": "x", "gates": gates, "deliveries": [], "waivers": waivers,
    }  # fmt: skip
    with duckdb.connect() as con:
        tables = own_tables(warehouse.settings, warehouse.ledger, manifest, moment)
        found = con.execute(tables["release__waivers"]).fetchall()
        none = con.execute(own_tables(warehouse.settings, warehouse.ledger, manifest | {"waivers": []}, moment)["release__waivers"])
        assert none.fetchall() == []
    assert [(row[1], row[3], row[10], row[11]) for row in found] == [("market_quote", "price_limit", "a.csv", 6)]
