"""What is judged of a source beside its contract: every check that the thresholds list finds its fault, and passes over its neighbour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from expectations import gate
from expectations.check import read_thresholds
from expectations.gate import GateResult

NEWER_TASKS = {"as_of": "date '2026-02-28'"}


@dataclass(frozen=True)
class Fault:
    """A delivery with a fault: `changes` to the sound rows; `passes` is as near to it as a sound delivery comes.

    `before` changes the delivery before, `count` is the number of rows of each.
    """

    changes: Mapping[str, str]
    passes: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    count: int = 40
    now: int | None = None  # rows of the delivery with the fault, where it is their number that is wrong


def dated(column: str, kind: str = "date") -> Fault:
    """Received on 1 March 2026, 08:00 in Beijing: that day is known, the next one is not."""
    if kind == "date":
        return Fault({column: "date '2026-03-02'"}, passes={column: "date '2026-03-01'"})
    return Fault(
        {column: "timestamp '2026-03-01 16:00:00' + to_minutes(i::bigint)"},
        passes={column: "timestamp '2026-03-01 01:00:00' + to_minutes(i::bigint)"},
    )


def rescaled(column: str, factor: int = 100, **more: str) -> Fault:
    """Beyond the factor, and just within it."""
    changed = {column: f"({{}}) * {factor * 1.01!r}"}
    return Fault(changed | more, passes={column: f"({{}}) * {factor * 0.99!r}"} | more)


FAULTS: dict[str, dict[str, Fault]] = {
    "product_footprint": {
        "median_moved": Fault({"total_kg_co2e": "({}) * 3.1"}, passes={"total_kg_co2e": "({}) * 2.9"}),
        "verified_share_collapsed": Fault(
            {"verified_on": "case when i < 19 then date '2026-01-15' end"}, passes={"verified_on": "case when i < 20 then date '2026-01-15' end"}
        ),
    },
    "footprint_activity": {
        "lines_per_disclosure_moved": Fault(
            {"disclosure_id": "'PCF-' || i"}, passes={"disclosure_id": "'PCF-' || i // 2", "line_no": "i % 2 + 1"}, count=100
        ),
    },
    "enterprise": {
        "provinces_changed": Fault(
            {"province_code": "case when i < 5 then '440000' else '130000' end"},
            passes={"province_code": "case when i < 4 then '440000' else '130000' end"},
        ),
    },
    "emission_factor": {
        "value_moved": Fault(
            {"edition": "'2025'", "published_on": "date '2026-01-01'", "kg_co2e_per_unit": "({}) * 1.51"},
            passes={"edition": "'2025'", "published_on": "date '2026-01-01'", "kg_co2e_per_unit": "({}) * 1.49"},
        ),
        "unit_changed_alone": Fault(
            {"edition": "'2025'", "published_on": "date '2026-01-01'", "unit": "'MWh'"},
            passes={"edition": "'2025'", "published_on": "date '2026-01-01'", "unit": "'MWh'", "kg_co2e_per_unit": "({}) * 1000"},
        ),
    },
    "market_quote": {
        "close_jumped": Fault(
            {"trade_date": "date '2026-01-05' + (i // 5 * 7 + i % 5)::int", "close_cny_per_t": "120 + i % 3"},
            passes={"trade_date": "date '2026-01-05' + (i // 5 * 7 + i % 5)::int", "close_cny_per_t": "116 + i % 3"},
        ),
        "days_missing": Fault(
            {"trade_date": "date '2025-03-03' + (i // 5 * 7 + i % 5 + case when i > 20 then 14 else 0 end)::int"},
            passes={"trade_date": "date '2025-03-03' + (i // 5 * 7 + i % 5 + case when i > 20 then 7 else 0 end)::int"},
        ),
    },
    "market_trade": {
        "price_jumped": Fault(
            {"traded_at": "timestamp '2025-03-10 02:00:00' + to_minutes(i::bigint)", "price_cny_per_t": "118 + i % 3"},
            passes={"traded_at": "timestamp '2025-03-10 02:00:00' + to_minutes(i::bigint)", "price_cny_per_t": "116 + i % 3"},
        ),
        "out_of_hours": Fault(
            {"traded_at": "({}) + case when i < 3 then interval 8 hour else interval 0 hour end"},
            passes={"traded_at": "({}) + case when i < 2 then interval 8 hour else interval 0 hour end"},
        ),
        "dated_after_receipt": dated("traded_at", "instant"),
    },
    "ets_facility_year": {
        "emissions_rescaled": rescaled("verified_t_co2e"),
        "facilities_lost": Fault({"compliance_year": "2025"}, passes={"compliance_year": "2024"}, now=27),
        "allocation_far_from_emissions": Fault(
            {"allocated_t_co2e": "case when i < 9 then 79000 else 790 end"}, passes={"allocated_t_co2e": "case when i < 8 then 79000 else 790 end"}
        ),
    },
    "ets_surrender": {
        "offsets_dominate": Fault(
            {"instrument_kind": "case when i % 3 = 0 then 'offset' else 'allowance' end"},
            passes={"instrument_kind": "case when i % 5 = 0 then 'offset' else 'allowance' end"},
        ),
        "year_far_from_surrender": Fault({"compliance_year": "2026"}, passes={"compliance_year": "2023"}),
        "dated_after_receipt": dated("surrendered_on"),
    },
    "ccer_project": {
        "estimates_rescaled": rescaled("estimated_annual_t_co2e"),
        "crediting_too_long": Fault({"crediting_end": "date '2084-01-01'"}, passes={"crediting_end": "date '2083-12-31'"}),
        "dated_after_receipt": dated("registered_on"),
    },
    "ccer_issuance": {
        "issued_before_monitored": Fault({"issued_on": "monitoring_end"}, passes={"issued_on": "monitoring_end + 1"}),
        "issuance_rescaled": rescaled("quantity_t_co2e"),
        "dated_after_receipt": dated("issued_on"),
    },
    "ccer_cancellation": {
        "offset_for_nobody": Fault({"compliance_year": "null"}, passes={"beneficiary_id": "'lei:' || i", "compliance_year": "2024"}),
        "dated_after_receipt": dated("cancelled_on"),
    },
    "green_certificate": {
        "issued_before_generated": Fault({"issued_on": "date '2025-01-31'"}, passes={"issued_on": "date '2025-02-01'"}),
        "energy_rescaled": rescaled("energy_mwh"),
        "dated_after_receipt": dated("issued_on"),
    },
    "eia_project": {
        "intensity_rescaled": rescaled("intensity_kg_co2e_per_unit", 10),
        "operating_before_approval": Fault({"operational_on": "approved_on - 1"}, passes={"operational_on": "approved_on"}),
        "nothing_recent": Fault({"approved_on": "date '2025-02-27'"}, passes={"approved_on": "date '2025-02-28'"}),
        "dated_after_receipt": dated("approved_on"),
    },
    "pcf_standard": {
        "stages_out_of_order": Fault(
            {"stage": "'withdrawn'", "stage_on": "date '2025-06-29'", "standard_code": "'STD' || i"},
            passes={"stage": "'withdrawn'", "stage_on": "date '2025-06-30'", "standard_code": "'STD' || i"},
        ),
        "level_outside_jurisdiction": Fault({"level": "'local'"}, passes={"level": "'local'", "jurisdiction_code": "'440000'"}),
        "supersedes_itself": Fault({"supersedes_standard_code": "standard_code"}, passes={"supersedes_standard_code": "'OLD'"}),
        "dated_after_receipt": dated("stage_on"),
    },
    "label_certificate": {
        "state_outside_validity": Fault({"state_on": "date '2025-02-28'"}, passes={"state_on": "date '2025-03-01'"}),
        "validity_too_long": Fault({"expires_on": "date '2030-03-02'"}, passes={"expires_on": "date '2030-03-01'"}),
        "dated_after_receipt": dated("state_on"),
    },
    "loan": {
        "balances_rescaled": rescaled("outstanding_cny"),
        "values_rescaled": rescaled("borrower_total_value_cny"),
        "book_shrank": Fault({"as_of": "date '2026-01-31'"}, passes={"as_of": "date '2025-12-31'"}, now=27),
        "lent_above_value": Fault(
            {"outstanding_cny": "case when i < 5 then 9900000 else 1000000 end"}, passes={"outstanding_cny": "case when i < 4 then 9900000 else 1000000 end"}
        ),
        "month_end_old": Fault({"as_of": "date '2025-07-31'"}, passes={"as_of": "date '2025-08-31'"}),
        "dated_after_receipt": dated("as_of"),
    },
    "meter_reading": {
        "amounts_rescaled": rescaled("quantity", read_at="({}) + interval 5 day"),
        "readings_missing": Fault(
            {"meter_id": "'M'", "read_at": "timestamp '2026-01-01' + to_days(i::int + case when i > 20 then 2 else 0 end)"},
            passes={"meter_id": "'M'", "read_at": "timestamp '2026-01-01' + to_days(i::int + case when i > 20 then 1 else 0 end)"},
        ),
        "standing_still": Fault({"meter_id": "'M' || i % 4", "quantity": "1000"}, passes={"meter_id": "'M' || i % 4", "quantity": "case when i < 4 then 999 else 1000 end"}),
        "meters_lost": Fault(
            {"meter_id": "'M' || i % 5", "read_at": "timestamp '2026-01-09' + to_days((i // 5)::int)"},
            passes={"meter_id": "'M' || i % 6", "read_at": "timestamp '2026-01-09' + to_days((i // 6)::int)"},
        ),
        "dated_after_receipt": dated("read_at", "instant"),
    },
    "policy_task": {
        "tasks_missing": Fault(NEWER_TASKS, passes={"as_of": "date '2025-12-31'"}, count=22, now=21, before={"as_of": "date '2025-12-31'"}),
        "progress_reversed": Fault(NEWER_TASKS | {"status": "'not_started'"}, passes=NEWER_TASKS | {"status": "'done'"}, count=22),
        "dated_after_receipt": dated("as_of"),
    },
}  # fmt: skip
PLANTED = [(source, code) for source, faults in FAULTS.items() for code in faults]


def list_codes(result: GateResult, severity: str) -> set[str]:
    return {failure.check for failure in result.failures if failure.severity == severity}


@pytest.fixture
def judge(gatekeeper, deliveries):
    """The gate's answer on a delivery with changes, given the fault it belongs to."""

    def judge_changed(source: str, fault: Fault, changes: Mapping[str, str], count: int) -> GateResult:
        previous = deliveries.make(source, fault.count, fault.before).landing
        return gatekeeper.judge_delivery(deliveries.make(source, count, changes, previous=previous))

    return judge_changed


def test_every_judgement_has_its_fault():
    """A source that is judged by its contract alone has no suite of its own, and needs none here."""
    suites = {
        suite.removeprefix("landing."): {entry.code for entry in entries}
        for suite, entries in read_thresholds().items()
        if suite.startswith("landing.")
    }
    assert {source: set(faults) for source, faults in FAULTS.items()} == suites


@pytest.mark.parametrize(("source", "code"), PLANTED)
def test_gate_finds_the_fault_and_passes_its_neighbour(judge, source, code):
    fault = FAULTS[source][code]
    (severity,) = {entry.severity for entry in read_thresholds()[f"landing.{source}"] if entry.code == code}
    found = judge(source, fault, fault.changes, fault.now or fault.count)
    assert code in list_codes(found, severity), found.failures
    assert "check_crashed" not in list_codes(found, "critical"), found.failures
    assert severity == "warning" or not found.success
    assert next(failure.observed for failure in found.failures if failure.check == code), "a finding says what it found"
    near = judge(source, fault, fault.passes, fault.now or fault.count)
    assert code not in list_codes(near, severity), near.failures
    assert "check_crashed" not in list_codes(near, "critical"), near.failures


@pytest.mark.parametrize(("source", "code"), PLANTED)
def test_gate_notices_each_judgement_that_is_taken_away(judge, monkeypatch, source, code):
    module = gate._find_module("landing", source)
    assert module is not None
    sound = module.list_checks
    monkeypatch.setattr(module, "list_checks", lambda *given: [check for check in sound(*given) if check.code != code])
    result = judge(source, Fault({}), {}, 40 if source != "policy_task" else 22)
    assert not result.success
    assert next(failure.observed for failure in result.failures if failure.check == "checks_missing") == code


def test_a_slip_of_units_is_shown_and_its_correction_lands(judge):
    """The first wrong delivery has nothing to be held against, so the right one after it must not be stopped; a few odd rows move no median."""
    slip = {"outstanding_cny": "({}) / 10000.0"}
    for fault, changes in ((Fault({}), slip), (Fault({}, before=slip), {})):
        result = judge("loan", fault, changes, 40)
        assert result.success
        assert "balances_rescaled" in list_codes(result, "warning")
    few = judge("loan", Fault({}), {"outstanding_cny": "({}) * case when i < 19 then 10000 else 1 end"}, 40)
    assert "balances_rescaled" not in list_codes(few, "warning")


def test_a_correction_of_a_known_period_loses_nobody(judge):
    """Two rows of a known month end are not a shrunken book, nor is a handful of loans a book."""
    fault = Fault({}, before={"as_of": "date '2025-12-31'"})
    assert "book_shrank" not in list_codes(judge("loan", fault, {"as_of": "date '2025-12-31'"}, 2), "warning")
    few = Fault({}, before={"as_of": "date '2025-12-31'"}, count=9)
    assert "book_shrank" not in list_codes(judge("loan", few, {"as_of": "date '2026-01-31'"}, 1), "warning")


def test_stages_of_one_standard_are_held_against_the_delivery_before(judge):
    """The next stage usually comes in the next delivery; an unknown earlier stage is no fault."""
    late = {"stage": "'withdrawn'", "stage_on": "date '2025-06-29'", "standard_code": "'UNKNOWN' || i"}
    assert "stages_out_of_order" not in list_codes(judge("pcf_standard", Fault({}), late, 10), "warning")


def test_a_correction_of_old_rows_is_no_old_report(judge):
    old = {"approved_on": "date '2020-01-01'", "operational_on": "null"}
    assert "nothing_recent" in list_codes(judge("eia_project", Fault({}), old, 30), "warning")
    assert "nothing_recent" not in list_codes(judge("eia_project", Fault({}), old, 29), "warning")
