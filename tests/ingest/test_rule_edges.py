"""Each rule's line, from both sides: the row just within it lands, the row just beyond it is refused for that reason alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow.parquet as pq
import pytest

from ingest.contract import read_contracts
from ingest.landing import Prepared

Shelf = Any
MakeShelf = Callable[..., Shelf]
Row = dict[str, str]
SOUND: dict[str, list[Row]] = {}


def read_sound(source: str) -> list[Row]:
    """The rows of a source's own good fixture."""
    if source not in SOUND:
        path = read_contracts()[source].folder / "fixtures" / "good" / "own_form.csv"
        with path.open(encoding="utf-8", newline="") as stream:
            SOUND[source] = list(csv.DictReader(stream))
    return SOUND[source]


def write_rows(rows: Iterable[Mapping[str, str]]) -> bytes:
    listed = list(rows)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(listed[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    return out.getvalue().encode()


def list_reasons(prepared: Prepared) -> dict[int, list[str]]:
    """Row number -> codes of its reasons, of the rows that were kept aside."""
    if prepared.quarantine is None:
        return {}
    rows = pq.read_table(prepared.quarantine, columns=["_row_number", "reasons"]).to_pylist()
    return {row["_row_number"]: [reason["code"] for reason in row["reasons"]] for row in rows}


# Source, changes to its first sound row, codes of the refusal (none: it lands).
EDGES: list[tuple[str, Row, list[str]]] = [
    # 1000 x (1 800 000 + 200 000) / 1 000 000 = 2000 kg per t; 1 % either way is within.
    ("eia_project", {"intensity_kg_co2e_per_unit": "2020"}, []),
    ("eia_project", {"intensity_kg_co2e_per_unit": "1980"}, []),
    ("eia_project", {"intensity_kg_co2e_per_unit": "2020.001"}, ["intensity"]),
    ("eia_project", {"intensity_kg_co2e_per_unit": "1979.999"}, ["intensity"]),
    ("eia_project", {"intensity_kg_co2e_per_unit": "-2000"}, ["intensity"]),
    ("eia_project", {"annual_capacity": "0"}, ["intensity"]),
    ("eia_project", {"annual_capacity": "0", "direct_t_co2e": "0", "energy_indirect_t_co2e": "0", "intensity_kg_co2e_per_unit": "0"}, ["intensity"]),
    ("eia_project", {"annual_capacity": "1e-300", "intensity_kg_co2e_per_unit": "1e300"}, ["intensity"]),
    ("eia_project", {"annual_capacity": "1e300", "intensity_kg_co2e_per_unit": "1e300"}, ["intensity"]),
    ("eia_project", {"annual_capacity": ""}, ["required"]),
    ("eia_project", {"direct_t_co2e": "0", "energy_indirect_t_co2e": "0", "intensity_kg_co2e_per_unit": "0"}, []),
    ("eia_project", {"direct_t_co2e": "0", "energy_indirect_t_co2e": "0", "intensity_kg_co2e_per_unit": "0.000001"}, ["intensity"]),
    ("eia_project", {"direct_t_co2e": "0", "energy_indirect_t_co2e": "-200000", "intensity_kg_co2e_per_unit": "-200"}, []),
    ("eia_project", {"annual_capacity": "1000000000", "capacity_unit": "kg", "intensity_kg_co2e_per_unit": "2"}, []),
    ("eia_project", {"capacity_unit": "m3"}, ["unit_dimension"]),
    ("eia_project", {"capacity_unit": "m3", "product_code": "NOT-IN-THE-CATALOGUE"}, []),
    ("eia_project", {"operational_on": "2020-01-01"}, []),
    ("loan", {"as_of": "2024-02-29"}, []),
    ("loan", {"as_of": "2024-02-28"}, ["not_month_end"]),
    ("loan", {"as_of": "2023-02-28"}, []),
    ("loan", {"as_of": "2023-02-29"}, ["type"]),
    ("loan", {"as_of": "2100-02-28"}, []),
    ("loan", {"as_of": "2000-02-28"}, ["not_month_end"]),
    ("loan", {"as_of": "2025-12-31"}, []),
    ("loan", {"as_of": "2025-12-30"}, ["not_month_end"]),
    ("loan", {"as_of": "2025-11-30"}, []),
    ("loan", {"as_of": "2025-11-01"}, ["not_month_end"]),
    ("loan", {"outstanding_cny": "0"}, []),
    ("loan", {"outstanding_cny": "9999999999", "borrower_total_value_cny": "1"}, []),
    ("label_certificate", {"certificate_no": "N", "issued_on": "2025-03-10", "expires_on": "2025-03-11"}, []),
    ("label_certificate", {"certificate_no": "N", "issued_on": "2025-03-10", "expires_on": "2025-03-10"}, ["validity_order"]),
    ("label_certificate", {"certificate_no": "N", "enterprise_id": "lei:SYNTHETIC0000000001"}, ["enterprise_mismatch"]),
    ("label_certificate", {"certificate_no": "N", "disclosure_id": "syn-pcf-001"}, ["disclosure_unknown"]),
    ("meter_reading", {"meter_id": "N", "quantity": "0"}, []),
    ("meter_reading", {"meter_id": "N", "quantity": "-0.0"}, []),
    ("meter_reading", {"meter_id": "N", "quantity": "-1e-9"}, ["negative"]),
    ("meter_reading", {"meter_id": "N", "unit": "GJ"}, []),
    ("meter_reading", {"meter_id": "N", "unit": "t"}, ["unit_dimension"]),
    ("policy_task", {"task_no": "22", "as_of": "2026-01-01"}, []),
    ("policy_task", {"task_no": "23"}, ["range"]),
    ("policy_task", {"task_no": "0"}, ["range"]),
    ("policy_task", {"task_no": "-1"}, ["range"]),
    ("policy_task", {"task_no": "1.5"}, ["type"]),
    ("pcf_standard", {"standard_code": "N", "counts_to_target": "False"}, []),
    ("pcf_standard", {"standard_code": "N", "counts_to_target": "1"}, ["type"]),
    ("pcf_standard", {"standard_code": "N", "jurisdiction_code": "CN"}, []),
    ("pcf_standard", {"standard_code": "N", "jurisdiction_code": "990000"}, ["enumeration"]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "changes", "codes"), EDGES)
def test_a_row_lands_up_to_the_line_and_not_beyond(shelf: Shelf, source: str, changes: Row, codes: list[str]) -> None:
    shelf.deliver_referenced(source)
    prepared = shelf.deliver(source, write_rows([read_sound(source)[0] | changes]))
    assert list_reasons(prepared) == ({1: codes} if codes else {})
    assert prepared.counts["accepted"] == (0 if codes else 1)


def test_states_of_a_certificate_land_in_any_order(shelf: Shelf) -> None:
    """The revocation first, and in deliveries of their own: `state_on` orders them, receipt does not."""
    shelf.deliver_referenced("label_certificate")
    rows = [row for row in read_sound("label_certificate") if row["certificate_no"] == "SYN-LBL-001"]
    assert [row["state"] for row in rows] == ["valid", "suspended", "revoked"]
    for row in reversed(rows):
        assert shelf.deliver("label_certificate", write_rows([row])).counts["accepted"] == 1
    assert shelf.deliver("label_certificate", write_rows(rows)).counts["duplicate"] == 3


def test_a_certificate_ahead_of_its_disclosure_is_refused_and_lands_when_sent_again(shelf: Shelf) -> None:
    """It does not wait, even where the disclosure comes next: acceptance/README.md counts it as refused."""
    sent = write_rows(read_sound("label_certificate"))
    early = shelf.deliver("label_certificate", sent)
    assert set(map(tuple, list_reasons(early).values())) == {("disclosure_unknown",)}
    assert early.counts["waiting"] == 0
    shelf.deliver_referenced("label_certificate")
    assert shelf.deliver("label_certificate", sent).counts["accepted"] == len(read_sound("label_certificate"))


def test_a_certificate_belongs_to_who_discloses_in_force(shelf: Shelf) -> None:
    """A disclosure that changed hands in its newest revision, which need not have come last, is the new one's."""
    disclosure = next(row for row in read_sound("product_footprint") if row["disclosure_id"] == "SYN-PCF-001")
    taken_over = disclosure | {"revision": "3", "enterprise_id": "duns:000000001"}
    assert shelf.deliver("product_footprint", write_rows([taken_over])).counts["accepted"] == 1
    assert shelf.deliver("product_footprint", write_rows([disclosure])).counts["accepted"] == 1
    certificate = read_sound("label_certificate")[0]
    theirs = certificate | {"certificate_no": "N", "enterprise_id": "duns:000000001"}
    prepared = shelf.deliver("label_certificate", write_rows([certificate, theirs]))
    assert list_reasons(prepared) == {1: ["enterprise_mismatch"]}
    assert disclosure["enterprise_id"] not in str(prepared.faults[0]["message_en"]), "whose it is, is nobody else's business"


def make_readings(count: int, quantity: str = "0.7", meter: str = "M", unit: str = "kWh") -> list[Row]:
    sound = read_sound("meter_reading")[0] | {"meter_id": meter, "quantity": quantity, "unit": unit}
    return [sound | {"read_at": f"2025-{1 + place // 28:02d}-{1 + place % 28:02d}T00:00:00"} for place in range(count)]


def make_reading(quantity: str, unit: str = "kWh", read_at: str = "2025-12-31T00:00:00", meter: str = "M") -> Row:
    return make_readings(1, quantity, meter, unit)[0] | {"read_at": read_at}


@pytest.mark.parametrize(("known", "refused"), [(29, False), (30, True), (31, True)])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_spike_is_judged_from_thirty_other_readings_on(shelf: Shelf, known: int, refused: bool, at_once: bool) -> None:
    """Whether they came before it or with it; the refused reading itself is none of the thirty."""
    rows = make_readings(known)
    if not at_once:
        assert shelf.deliver("meter_reading", write_rows(rows)).counts["accepted"] == known
    prepared = shelf.deliver("meter_reading", write_rows([*(rows if at_once else []), make_reading("14.1")]))
    assert list(list_reasons(prepared).values()) == ([["spike"]] if refused else [])


@pytest.mark.parametrize("usual", ["0.7", "0.1", "1.1", "3.3", "123456.7", "98366.2", "0.0007"])
def test_twenty_times_the_median_is_not_beyond_it(make_shelf: MakeShelf, usual: str) -> None:
    """Also where binary fractions would make 20 x 3.6 x 0.7 more than 3.6 x 14."""
    for quantity, unit, codes in (
        (float(usual) * 20, "kWh", []),
        (float(usual) * 20.0001, "kWh", ["spike"]),
        (float(usual) / 50, "MWh", []),
    ):
        shelf = make_shelf()
        prepared = shelf.deliver("meter_reading", write_rows([*make_readings(40, usual), make_reading(f"{quantity:.9f}", unit)]))
        assert list_reasons(prepared) == ({41: codes} if codes else {}), (quantity, unit)


def test_a_reading_is_held_against_its_own_meter_only_and_from_above_only(shelf: Shelf) -> None:
    shelf.deliver("meter_reading", write_rows(make_readings(40, "1000")))
    rows = [make_reading("0"), make_reading("20001", meter="OTHER"), make_reading("20", "MWh", "2025-12-30T00:00:00")]
    assert list_reasons(shelf.deliver("meter_reading", write_rows(rows))) == {}
    kilo_for_mega = shelf.deliver("meter_reading", write_rows([make_reading("1000", "MWh", "2025-12-29T00:00:00")]))
    assert list_reasons(kilo_for_mega) == {1: ["spike"]}


def test_refused_and_repeated_readings_make_no_quorum(shelf: Shelf) -> None:
    """Twenty-nine readings, one below zero, one sent twice and the spike are twenty-nine readings."""
    rows = make_readings(29)
    negative = make_reading("-1", read_at="2025-12-30T00:00:00")
    prepared = shelf.deliver("meter_reading", write_rows([*rows, rows[0], negative, make_reading("9000")]))
    assert list_reasons(prepared) == {31: ["negative"]}
    assert prepared.counts["duplicate"] == 1


def test_a_meter_that_mostly_stands_still_may_run(shelf: Shelf) -> None:
    """A median of zero has no multiples: an emergency generator is no fault."""
    prepared = shelf.deliver("meter_reading", write_rows([*make_readings(40, "0"), make_reading("500")]))
    assert list_reasons(prepared) == {}


def test_beyond_what_a_decimal_holds_is_a_spike_all_the_same(shelf: Shelf) -> None:
    prepared = shelf.deliver("meter_reading", write_rows([*make_readings(40), make_reading("1e300")]))
    assert list_reasons(prepared) == {41: ["spike"]}


def test_one_instant_in_other_time_zones_is_one_reading(shelf: Shelf) -> None:
    same = ["2025-06-01T08:00:00", "2025-06-01T00:00:00Z", "2025-06-01T01:00:00+01:00", "2025/6/1 08:00", "2025-05-31T14:00:00-10:00"]
    assert shelf.deliver("meter_reading", write_rows([make_reading("5", read_at=same[0])])).counts["accepted"] == 1
    again = shelf.deliver("meter_reading", write_rows([make_reading("5", read_at=text) for text in same]))
    assert again.counts["duplicate"] == len(same), list_reasons(again)
    other = shelf.deliver("meter_reading", write_rows([make_reading("6", read_at=text) for text in same]))
    assert set(map(tuple, list_reasons(other).values())) == {("key_conflict",)}


def test_a_restated_row_is_in_force_and_an_old_one_a_duplicate(shelf: Shelf) -> None:
    """Said again word for word, also after something else was said in between, it changes nothing."""
    first = read_sound("loan")[0]
    second = first | {"outstanding_cny": "7"}
    assert [shelf.deliver("loan", write_rows([row])).counts["accepted"] for row in (first, second)] == [1, 1]
    assert shelf.deliver("loan", write_rows([first])).counts == {
        "received": 1, "accepted": 0, "duplicate": 1, "quarantined": 0, "waiting": 0,
    }  # fmt: skip
    assert list_reasons(shelf.deliver("loan", write_rows([first | {"outstanding_cny": "8"}, first | {"outstanding_cny": "9"}]))) == {
        2: ["key_conflict"]
    }
