"""The EU register's six tables as found, against a reading of them by Python alone; and registers that are not this one."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ingest.faults import FileRefused

Shelf = Any
Prepared = Any
TABLES = ("allocated_allowances", "compliance_code", "installations", "owners", "units_surrendered", "verified_emissions")
Tables = dict[str, list[dict[str, str]]]

pytestmark = pytest.mark.xdist_group("real_data")


@pytest.fixture(scope="module")
def tables(shared_data: Path) -> Tables:
    found = {}
    for name in TABLES:
        with gzip.open(shared_data / "eutl-compliance" / f"{name}.csv.gz", "rt", encoding="utf-8-sig", newline="") as file:
            found[name] = list(csv.DictReader(file))
    return found


def bundle(tables: Tables, headers: Callable[[list[str]], list[str]] = list) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, rows in tables.items():
            text = io.StringIO()
            writer = csv.DictWriter(text, headers(list(rows[0])), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            archive.writestr(f"{name}.csv", text.getvalue())
    return stream.getvalue()


def landed(prepared: Prepared) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(prepared.landing).to_pylist()
    return rows


def not_data(prepared: Prepared) -> dict[str, int]:
    return {kind["kind"]: kind["count"] for kind in prepared.not_data}


def allocation(cell: str) -> int:
    """The year's figure and what came from elsewhere; the stars only say from where."""
    return sum(int(part) for part in re.findall(r"\d+", cell))


def years_of(rows: list[dict[str, str]]) -> dict[tuple[str, str], str]:
    return {(row["account_id"], year): cell for row in rows for year, cell in row.items() if year.isdigit()}


def holders(tables: Tables) -> dict[str, str]:
    country = {row["account_id"]: row["country"] for row in tables["installations"]}
    found = {}
    for row in tables["owners"]:
        number = re.sub("[^0-9A-Z]", "", row["company_registration_number"].upper())
        account = row["account_id"]
        found[account] = f"eutl:{country[account]}-{number}" if re.search(r"\d{4}", number) else f"eutl:account-{account}"
    return found


DELIVERED: dict[str, Prepared] = {}


@pytest.fixture
def register(make_shelf: Callable[..., Shelf], tables: Tables) -> Callable[[str], Prepared]:
    def once(source: str) -> Prepared:
        if source not in DELIVERED:
            DELIVERED[source] = make_shelf().deliver(source, bundle(tables))
        return DELIVERED[source]

    return once


def test_each_cell_of_the_register_has_its_place(register: Callable[[str], Prepared], tables: Tables) -> None:
    """5,370 accounts by 26 years: every pair of cells is landed, quarantined, or counted as saying nothing."""
    prepared = register("ets_facility_year")
    verified, allocated = years_of(tables["verified_emissions"]), years_of(tables["allocated_allowances"])
    places = Counter()
    expected: dict[tuple[str, int], tuple[int, int]] = {}
    installation = {row["account_id"]: f"{row['country']}-{row['installation_id']}" for row in tables["installations"]}
    for key, emitted in verified.items():
        free = allocated[key]
        if not emitted and not free:
            places["no_figures"] += 1
        elif emitted == "Excluded" and free in ("", "0"):
            places["excluded"] += 1
        elif emitted == "Not Reported" and not free:
            places["not_reported"] += 1
        elif emitted.isdigit() and free:
            expected[installation[key[0]], int(key[1])] = (int(emitted), allocation(free))
        else:
            places["quarantined"] += 1
    assert len(verified) == 5370 * 26 == len(expected) + sum(places.values())
    assert {kind: count for kind, count in not_data(prepared).items() if not kind.endswith("_table")} == {
        kind: count for kind, count in places.items() if kind != "quarantined"
    }
    assert prepared.counts["quarantined"] == places["quarantined"] and set(prepared.fault_counts) == {"required"}
    rows = {(row["facility_id"], row["compliance_year"]): (row["verified_t_co2e"], row["allocated_t_co2e"]) for row in landed(prepared)}
    assert rows == expected
    assert sum(free for _, free in expected.values()) > 0


def test_spelling_variants_of_a_holder_are_one_enterprise(register: Callable[[str], Prepared], tables: Tables) -> None:
    expected = holders(tables)
    account = {f"{row['country']}-{row['installation_id']}": row["account_id"] for row in tables["installations"]}
    rows = landed(register("ets_facility_year"))
    assert all(row["enterprise_id"] == expected[account[row["facility_id"]]] for row in rows)
    names = defaultdict(set)
    for row in tables["owners"]:
        names[expected[row["account_id"]]].add(row["account_holder_name"])
    variants = {enterprise: found for enterprise, found in names.items() if len(found) > 1}
    assert variants and all(not enterprise.startswith("eutl:account-") for enterprise in variants)
    assert {"VIDEBÆK VARME A/S", "Videbæk Varme A/S"} in variants.values()


def test_both_generations_of_activity_codes_give_one_industry(register: Callable[[str], Prepared], tables: Tables) -> None:
    activity = {
        f"{row['country']}-{row['installation_id']}": int(re.match(r"\d+", row["main_activity"])[0]) for row in tables["installations"]
    }
    sectors = defaultdict(set)
    categories = defaultdict(set)
    for row in landed(register("ets_facility_year")):
        sectors[activity[row["facility_id"]]].add(row["sector"])
        categories[activity[row["facility_id"]]].add(row["benchmark_category"])
        assert (row["market"], row["output_quantity"], row["output_unit"]) == ("EU-ETS", None, None)
    for first, second in ((1, 20), (2, 21), (3, 22), (5, 24), (7, 31), (8, 32)):
        assert sectors[first] == sectors[second] and categories[first] == categories[second] and len(sectors[first]) == 1
    assert sectors[6] == sectors[29] == {"cement"} and sectors[9] == sectors[36] == {"paper"}
    assert sectors[20] == {"other"}, "combustion is no industry"


def test_surrenders_land_to_the_tonne_and_on_the_last_day_allowed(register: Callable[[str], Prepared], tables: Tables) -> None:
    prepared = register("ets_surrender")
    given = years_of(tables["units_surrendered"])
    holder = holders(tables)
    expected = {
        f"EUTL-{account}-{year}": (holder[account], int(year), int(cell))
        for (account, year), cell in given.items()
        if cell not in ("", "0")
    }
    rows = {row["surrender_id"]: (row["enterprise_id"], row["compliance_year"], row["quantity_t_co2e"]) for row in landed(prepared)}
    assert rows == expected
    assert prepared.counts["received"] == len(expected)
    aside = not_data(prepared)
    assert aside["no_figures"] + aside["nothing_surrendered"] + len(expected) == len(given)
    assert {row["surrendered_on"] for row in landed(prepared)} == {date(year + 1, 4, 30) for year in range(2005, 2021)}


# Another register, another year, another order


@pytest.fixture
def small(tables: Tables) -> Tables:
    """A few accounts of the register with figures of our own."""
    accounts = [row["account_id"] for row in tables["installations"] if row["main_activity"].startswith("29")][:3]
    found = {name: [dict(row) for row in rows if row["account_id"] in accounts] for name, rows in tables.items()}
    for name in ("verified_emissions", "allocated_allowances", "units_surrendered"):
        for row in found[name]:
            row.update({year: "" for year in row if year.isdigit()} | {"2019": "100", "2020": "200"})
    return found


def test_order_of_columns_further_years_and_countries_do_not_matter(make_shelf: Callable[..., Shelf], small: Tables) -> None:
    for rows in (small["verified_emissions"], small["allocated_allowances"], small["units_surrendered"]):
        for row in rows:
            row.update({"2031": "300", "note": "x"})
    for row in small["installations"]:
        row["country"] = "ES"
    data = bundle(small, headers=lambda names: names[::-1])
    rows = landed(make_shelf().deliver("ets_facility_year", data))
    assert Counter(row["compliance_year"] for row in rows) == {2019: 3, 2020: 3, 2031: 3}
    assert all(row["facility_id"].startswith("ES-") and row["enterprise_id"].startswith("eutl:ES-") for row in rows)
    surrendered = landed(make_shelf().deliver("ets_surrender", data))
    assert {row["surrendered_on"] for row in surrendered if row["compliance_year"] == 2031} == {date(2032, 9, 30)}


@pytest.mark.parametrize(
    ("table", "cell", "faults"),
    [
        ("verified_emissions", "n.a.", {"type": 1}), ("verified_emissions", "-5", {"negative": 1}), ("verified_emissions", "12,345", {}),
        ("allocated_allowances", "100  20  ******", {"type": 1}), ("allocated_allowances", "100 20", {"type": 1}), ("allocated_allowances", "100  20  ****  3  *****", {}),
        ("allocated_allowances", "", {"required": 1}), ("verified_emissions", "Not Reported", {"required": 1}), ("verified_emissions", "Excluded", {"required": 1}),
    ],
)  # fmt: skip
def test_words_and_marks_among_the_numbers_are_known_or_quarantined(
    make_shelf: Callable[..., Shelf], small: Tables, table: str, cell: str, faults: dict[str, int]
) -> None:
    small[table][0]["2020"] = cell
    prepared = make_shelf().deliver("ets_facility_year", bundle(small))
    assert prepared.fault_counts == faults
    assert prepared.counts["received"] == 6


def test_an_activity_that_is_not_known_is_quarantined_by_its_code(make_shelf: Callable[..., Shelf], small: Tables) -> None:
    small["installations"][0]["main_activity"] = "77-Something new"
    prepared = make_shelf().deliver("ets_facility_year", bundle(small))
    assert prepared.fault_counts == {"enumeration": 2}
    assert {fault["value"] for fault in prepared.faults} == {"77"}


def test_an_account_that_no_table_explains_is_quarantined(make_shelf: Callable[..., Shelf], small: Tables) -> None:
    small["installations"] = small["installations"][1:]
    small["owners"] = small["owners"][1:]
    prepared = make_shelf().deliver("ets_facility_year", bundle(small))
    assert prepared.counts["quarantined"] == 2 and prepared.counts["accepted"] == 4
    assert "required" in prepared.fault_counts


def test_a_missing_table_or_a_repeated_account_refuses_the_file(make_shelf: Callable[..., Shelf], small: Tables) -> None:
    without = {name: rows for name, rows in small.items() if name != "owners"}
    with pytest.raises(FileRefused) as refused:
        make_shelf().deliver("ets_facility_year", bundle(without), layout="eutl_compliance")
    assert refused.value.code == "column_missing" and "owners" in refused.value.message.en
    small["owners"].append(dict(small["owners"][0], account_holder_name="Another"))
    with pytest.raises(FileRefused) as refused:
        make_shelf().deliver("ets_facility_year", bundle(small))
    assert refused.value.code == "table_key_repeated"
    assert small["owners"][0]["account_id"] in refused.value.message.zh


def test_the_same_register_again_changes_nothing(make_shelf: Callable[..., Shelf], small: Tables) -> None:
    shelf = make_shelf()
    first = shelf.deliver("ets_facility_year", bundle(small))
    again = shelf.deliver("ets_facility_year", bundle(small, headers=lambda names: names[::-1]))
    assert again.counts == first.counts | {"accepted": 0, "duplicate": first.counts["received"]}
