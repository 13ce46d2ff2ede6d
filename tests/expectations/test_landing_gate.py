"""A delivery is let through only when everything was looked at and nothing critical is broken."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from expectations import gate
from expectations.check import Check, Limits
from expectations.gate import Candidate, Gatekeeper, GateResult
from expectations.landing import product_footprint as judgement
from expectations.structure import list_structural_checks

Rewrite = Callable[..., Candidate]
# A source without a module is held to its contract alone: its fixtures pass the gate in tests/ingest.
JUDGED = sorted(path for path in (Path(gate.__file__).parent / "landing").glob("*.py") if path.stem != "__init__")


def list_codes(result: GateResult, severity: str | None = None) -> set[str]:
    return {failure.check for failure in result.failures if severity in (None, failure.severity)}


@pytest.mark.parametrize("source", [path.stem for path in JUDGED])
def test_gate_passes_a_sound_delivery(gatekeeper, deliveries, source):
    first = deliveries.make(source)
    second = deliveries.make(source, previous=first.landing)
    for candidate, expected in ((first, {"first_delivery"}), (second, set())):
        result = gatekeeper.judge_delivery(candidate)
        assert result.success, result.failures
        assert result.suite == f"landing.{source}"
        assert result.rows_examined == 40
        assert result.checks_run >= 8
        # An append source whose second delivery starts no later than the first ended has no close to follow: said, not passed over.
        assert list_codes(result) - {"nothing_compared"} == expected


def test_gate_says_when_a_delivery_is_the_first(gatekeeper, deliveries):
    first = gatekeeper.judge_delivery(deliveries.make("product_footprint"))
    assert list_codes(first, "info") == {"first_delivery"}
    assert all(failure.message.zh and failure.message.en for failure in first.failures)
    second = gatekeeper.judge_delivery(deliveries.make("product_footprint", previous=deliveries.make("product_footprint").landing))
    assert second.checks_run > first.checks_run


LANDING_FAULTS = {
    "columns": "select * rename (total_kg_co2e as total) from landing",
    "row_count": "select * from landing limit 39",
    "lineage": "select * replace ('another' as _delivery_id) from landing",
    "required": "select * replace (case when _row_number > 1 then product_code end as product_code) from landing",
    "key_unique": "select * replace ('PCF-1' as disclosure_id) from landing",
    "enumeration": "select * replace ('cradle_to_cradle' as boundary) from landing",
    "range": "select * replace (1.5::double as primary_data_share) from landing",
    "finite": "select * replace ('nan'::double as total_kg_co2e) from landing",
}


@pytest.mark.parametrize("code", sorted(LANDING_FAULTS))
def test_gate_stops_a_planted_fault(gatekeeper, deliveries, code):
    result = gatekeeper.judge_delivery(deliveries.rewrite(deliveries.make("product_footprint"), LANDING_FAULTS[code]))
    assert not result.success
    assert code in list_codes(result, "critical")


def test_gate_stops_a_retyped_column(gatekeeper, deliveries):
    changed = deliveries.rewrite(deliveries.make("market_quote"), "select * replace (volume_t::double as volume_t) from landing")
    result = gatekeeper.judge_delivery(changed)
    assert list_codes(result, "critical") == {"columns"}
    assert "volume_t: expected DECIMAL(28,8), found DOUBLE" in str(result.failures)


def test_gate_stops_a_text_of_another_form(gatekeeper, deliveries):
    result = gatekeeper.judge_delivery(deliveries.make("enterprise", changes={"industry_code": "'31100'"}))
    assert list_codes(result, "critical") == {"pattern"}


def test_gate_stops_a_required_column_that_is_empty_throughout(gatekeeper, deliveries):
    result = gatekeeper.judge_delivery(deliveries.make("product_footprint", changes={"total_kg_co2e": "null"}))
    assert list_codes(result, "critical") == {"required"}
    blank = gatekeeper.judge_delivery(deliveries.make("product_footprint", changes={"product_name": "'  '"}))
    assert list_codes(blank, "critical") == {"required"}


def test_gate_stops_a_quarantined_row_that_lands(gatekeeper, deliveries):
    candidate = deliveries.make("product_footprint", count=40, verdicts={"quarantined": 1})
    smuggled = deliveries.rewrite(
        candidate, "select * replace (case when _row_number = 7 then 41 else _row_number end::integer as _row_number) from landing"
    )
    result = gatekeeper.judge_delivery(smuggled)
    assert list_codes(result, "critical") == {"lineage"}


def test_gate_passes_several_records_of_one_row(gatekeeper, deliveries):
    """An exchange's bulletin has listed and block trades of a day in one row: two records with one row number."""
    candidate = deliveries.make("market_quote", verdicts={"duplicate": 2})
    halved = "select * replace (((_row_number + 1) // 2)::integer as _row_number) from {}"
    verdicts = candidate.verdicts.with_suffix(".halved.parquet")
    with duckdb.connect() as connection:
        source = halved.format(f"read_parquet('{candidate.verdicts}')")
        connection.execute(f"copy ({source}) to '{verdicts}' (format parquet)")
    doubled = replace(deliveries.rewrite(candidate, halved.format("landing")), verdicts=verdicts)
    result = gatekeeper.judge_delivery(doubled)
    assert result.success, result.failures
    lost = deliveries.rewrite(
        doubled, "select * replace (case when _row_number = 3 then 4 else _row_number end as _row_number) from landing"
    )
    assert list_codes(gatekeeper.judge_delivery(lost), "critical") == {"lineage"}


@pytest.mark.parametrize(("bad", "waiting", "passes"), [(10, 0, True), (11, 0, False), (10, 900, True), (40, 0, False)])
def test_gate_stops_too_many_bad_rows(gatekeeper, deliveries, bad, waiting, passes):
    """20 % are tolerated, to the row; rows that wait are no bad rows, though they are received."""
    result = gatekeeper.judge_delivery(deliveries.make("footprint_activity", verdicts={"quarantined": bad, "waiting": waiting}))
    assert result.success is passes
    assert ("too_many_bad_rows" in list_codes(result, "critical")) is not passes


@pytest.mark.parametrize("name", ["received", "accepted", "duplicate", "quarantined", "waiting"])
def test_gate_recounts_every_figure_of_the_receipt(gatekeeper, deliveries, name):
    candidate = deliveries.make("enterprise", verdicts={"duplicate": 3, "quarantined": 2, "waiting": 1})
    assert gatekeeper.judge_delivery(candidate).success
    wrong = replace(candidate, counts=candidate.counts | {name: candidate.counts[name] + 1})
    assert "conservation" in list_codes(gatekeeper.judge_delivery(wrong), "critical")


def test_gate_stops_an_unknown_verdict(gatekeeper, deliveries):
    candidate = deliveries.make("enterprise", verdicts={"perhaps": 1})
    assert "conservation" in list_codes(gatekeeper.judge_delivery(candidate), "critical")


def test_gate_refuses_a_delivery_without_rows(gatekeeper, deliveries):
    result = gatekeeper.judge_delivery(deliveries.make("enterprise", count=0))
    assert not result.success
    assert result.rows_examined == 0
    assert "nothing_examined" in list_codes(result, "critical")


def test_gate_passes_a_delivery_of_duplicates_only(gatekeeper, deliveries):
    result = gatekeeper.judge_delivery(deliveries.make("enterprise", count=0, verdicts={"duplicate": 7}))
    assert result.success, result.failures
    assert result.rows_examined == 7


def test_gate_stops_a_file_it_cannot_read(gatekeeper, deliveries, tmp_path):
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 but not really")
    result = gatekeeper.judge_delivery(replace(deliveries.make("enterprise"), landing=broken))
    assert not result.success
    assert list_codes(result) == {"check_crashed"}
    assert gatekeeper.judge_delivery(deliveries.make("enterprise")).success, "the next delivery is judged as if nothing had happened"


def test_gate_notices_an_emptied_suite(gatekeeper, deliveries, monkeypatch):
    monkeypatch.setattr(gate, "list_structural_checks", lambda *_: [])
    monkeypatch.setattr(judgement, "list_checks", lambda *_: [])
    result = gatekeeper.judge_delivery(deliveries.make("product_footprint"))
    assert not result.success
    assert result.checks_run == 0
    assert list_codes(result, "critical") == {"checks_missing", "nothing_examined"}


def test_gate_notices_a_missing_judgement_module(gatekeeper, deliveries, monkeypatch):
    monkeypatch.setattr(gate, "_find_module", lambda *_: None)
    result = gatekeeper.judge_delivery(deliveries.make("emission_factor"))
    assert "checks_missing" in list_codes(result, "critical")


def test_gate_stops_when_a_check_crashes(gatekeeper, deliveries, monkeypatch):
    crashing = Check("median_moved", "select no_such_column as examined, 0 as broken, '' as evidence from delivery.landing")
    sound = judgement.list_checks
    monkeypatch.setattr(
        judgement, "list_checks", lambda contract, limits: [crashing, *[c for c in sound(contract, limits) if c.code != "median_moved"]]
    )
    previous = deliveries.make("product_footprint").landing
    result = gatekeeper.judge_delivery(deliveries.make("product_footprint", previous=previous))
    assert not result.success
    assert list_codes(result, "critical") == {"check_crashed"}
    assert "no_such_column" in str(result.failures)


@pytest.mark.parametrize(
    "answer",
    [
        "select 40 as examined, null as broken, '' as evidence",  # a comparison with NULL
        "select 0 as examined, 0 as broken, '' as evidence",  # nothing looked at
        "select 40 as examined, 0 as broken, '' as evidence where false",  # no answer at all
    ],
)
def test_gate_does_not_take_silence_for_a_pass(gatekeeper, deliveries, monkeypatch, answer):
    sound = list_structural_checks
    monkeypatch.setattr(
        gate, "list_structural_checks", lambda *given: [replace(c, query=answer) if c.code == "range" else c for c in sound(*given)]
    )
    assert not gatekeeper.judge_delivery(deliveries.make("product_footprint")).success


def _break_for(code: str, deliveries) -> Candidate:
    """A delivery that only this check refuses."""
    alone = {
        "columns": lambda: deliveries.rewrite(deliveries.make("product_footprint"), "select *, 1 as more from landing"),
        "row_count": lambda: replace(
            deliveries.make("product_footprint", count=0, verdicts={"duplicate": 40}),
            landing=deliveries.make("product_footprint").landing,
        ),
        "conservation": lambda: replace(
            candidate := deliveries.make("product_footprint", verdicts={"duplicate": 2}), counts=candidate.counts | {"received": 43}
        ),
        "too_many_bad_rows": lambda: deliveries.make("product_footprint", verdicts={"quarantined": 11}),
        "lineage": lambda: deliveries.rewrite(deliveries.make("product_footprint"), LANDING_FAULTS["lineage"]),
    }
    if code in alone:
        return alone[code]()
    return deliveries.rewrite(deliveries.make("product_footprint"), LANDING_FAULTS[code])


STRUCTURAL = [
    "columns", "row_count", "lineage", "conservation", "too_many_bad_rows", "required", "key_unique", "enumeration", "range", "finite",
]  # fmt: skip


def test_mutation_covers_the_whole_structural_suite(contracts):
    limits = Limits("landing.product_footprint", gate.read_thresholds()["landing"])
    codes = {check.code for check in list_structural_checks(contracts["product_footprint"], "d", {"accepted": 1}, limits)}
    assert codes - {"column_emptied"} == set(STRUCTURAL)


@pytest.mark.parametrize("code", STRUCTURAL)
def test_gate_notices_each_check_that_is_taken_away(gatekeeper, deliveries, monkeypatch, code):
    """Without the check the count of checks notices; were the plan changed as well, the planted fault would be let through."""
    candidate = _break_for(code, deliveries)
    assert code in list_codes(gatekeeper.judge_delivery(candidate), "critical")
    sound_checks, sound_plan = list_structural_checks, gate.plan_structural_codes
    monkeypatch.setattr(gate, "list_structural_checks", lambda *given: [c for c in sound_checks(*given) if c.code != code])
    shrunk = gatekeeper.judge_delivery(deliveries.make("product_footprint"))
    assert not shrunk.success
    assert code in next(failure.observed for failure in shrunk.failures if failure.check == "checks_missing")
    monkeypatch.setattr(gate, "plan_structural_codes", lambda *given: sound_plan(*given) - {code})
    blind = gatekeeper.judge_delivery(candidate)
    assert code not in list_codes(blind)
    # A row count that is off is a row that was not accepted, and a recount that fails names nothing else to hold rows against.
    if code not in ("row_count", "conservation"):
        assert blind.success, f"another check also refuses this, so the fault does not show what {code} is for: {blind.failures}"


# --- drift ----------------------------------------------------------------------------------------------------------------------------

DRIFT = {
    "median_moved": ("product_footprint", {"total_kg_co2e": "(2 + i / 100) * 1000"}),
    "verified_share_collapsed": ("product_footprint", {"verified_on": "case when i < 5 then date '2026-01-15' end"}),
    "column_emptied": ("product_footprint", {"verifier_name": "null"}),
    "lines_per_disclosure_moved": ("footprint_activity", {"disclosure_id": "'PCF-' || i"}),
    "provinces_changed": ("enterprise", {"province_code": "case when i < 5 then '440000' else '130000' end"}),
    "value_moved": ("emission_factor", {"edition": "'2025'", "published_on": "date '2026-01-01'", "kg_co2e_per_unit": "(0.5 + i) * 2"}),
    "unit_changed_alone": ("emission_factor", {"edition": "'2025'", "published_on": "date '2026-01-01'", "unit": "'MWh'"}),
    "close_jumped": ("market_quote", {"trade_date": "(date '2026-01-04' + i::int)", "close_cny_per_t": "190"}),
}
COUNTS = {"footprint_activity": 100}


@pytest.mark.parametrize("code", sorted(DRIFT))
def test_drift_is_a_warning_against_the_last_delivery(gatekeeper, deliveries, code):
    source, changes = DRIFT[code]
    count = COUNTS.get(source, 40)
    previous = deliveries.make(source, count).landing
    moved = gatekeeper.judge_delivery(deliveries.make(source, count, changes, previous=previous))
    assert moved.success, moved.failures
    assert code in list_codes(moved, "warning")
    steady = gatekeeper.judge_delivery(deliveries.make(source, count, previous=previous))
    assert code not in list_codes(steady)


def test_drift_is_not_fooled_by_a_missing_predecessor_value(gatekeeper, deliveries):
    """A close of 0 before makes the ratio unknown, which counts as a jump."""
    previous = deliveries.make("market_quote", changes={"close_cny_per_t": "0"}).landing
    later = deliveries.make("market_quote", changes={"trade_date": "(date '2026-01-04' + i::int)"}, previous=previous)
    assert "close_jumped" in list_codes(gatekeeper.judge_delivery(later), "warning")


def test_gate_warns_of_missing_trading_days(gatekeeper, deliveries):
    sound = gatekeeper.judge_delivery(deliveries.make("market_quote"))
    assert "days_missing" not in list_codes(sound)
    gap = deliveries.make(
        "market_quote", changes={"trade_date": "date '2025-03-03' + (i // 5 * 7 + i % 5 + case when i > 20 then 14 else 0 end)::int"}
    )
    assert "days_missing" in list_codes(gatekeeper.judge_delivery(gap), "warning")


def test_gate_says_when_nothing_could_be_compared(gatekeeper, deliveries):
    previous = deliveries.make("product_footprint").landing
    result = gatekeeper.judge_delivery(deliveries.make("product_footprint", count=2, previous=previous))
    assert result.success
    assert "nothing_compared" in list_codes(result, "info")


# --- Data Docs ------------------------------------------------------------------------------------------------------------------------


def test_docs_keep_the_last_results_and_nothing_else_is_written(deliveries, tmp_path, monkeypatch):
    elsewhere, home, docs = tmp_path / "cwd", tmp_path / "home", tmp_path / "gates"
    elsewhere.mkdir()
    home.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(home))
    keeper = Gatekeeper(docs, keep=3)
    for source in ("enterprise", "enterprise", "market_quote", "enterprise"):
        keeper.judge_delivery(deliveries.make(source))
    bad = keeper.judge_delivery(deliveries.make("enterprise", changes={"industry_code": "'31100'"}))
    assert not bad.success
    kept = sorted(docs.rglob("results/**/*.json"))
    assert len(kept) == 3
    index = keeper.build_docs()
    assert index is not None
    text = index.read_text(encoding="utf-8")
    assert text.count("<tr>") == 4
    assert "landing.market_quote" in text
    pages = list((docs / "site" / "validations").rglob("*.html"))
    assert len(pages) == 3
    assert all((index.parent / link).is_file() for link in _list_links(text))
    assert any("pattern: texts should have the form the contract states" in page.read_text(encoding="utf-8") for page in pages)
    assert not any('src="http' in page.read_text(encoding="utf-8") for page in pages)
    assert list(elsewhere.iterdir()) == []
    assert list(home.iterdir()) == []


def _list_links(text: str) -> list[str]:
    return [part.split('"')[0] for part in text.split('<a href="')[1:]]


def test_gate_works_without_docs(gatekeeper):
    assert gatekeeper.build_docs() is None


def test_result_is_plain_json(gatekeeper, deliveries):
    result = gatekeeper.judge_delivery(deliveries.make("enterprise"))
    again = json.loads(json.dumps(result.as_dict(), ensure_ascii=False))
    assert again["suite"] == "landing.enterprise"
    assert again["failures"][0]["message"] == {"zh": result.failures[0].message.zh, "en": result.failures[0].message.en}


def test_odd_names_reach_the_queries_as_text(gatekeeper, deliveries, tmp_path):
    """Quotes, braces and colons in file names and values are neither SQL nor placeholders."""
    candidate = deliveries.make("enterprise", changes={"enterprise_name": "'{x} :y ''z'' %s'"})
    odd = tmp_path / "a'b{c}:d.parquet"
    odd.write_bytes(candidate.landing.read_bytes())
    assert gatekeeper.judge_delivery(replace(candidate, landing=odd)).success


def test_contract_enumerations_with_colons_are_text(gatekeeper, deliveries, contracts):
    contract = contracts["market_quote"]
    columns = tuple(replace(c, values=("listed", "a:b", "{c}")) if c.name == "trade_method" else c for c in contract.columns)
    candidate = replace(deliveries.make("market_quote"), contract=replace(contract, columns=columns))
    assert gatekeeper.judge_delivery(candidate).success


def test_modules_offer_what_the_gate_asks_for():
    for path in sorted((Path(gate.__file__).parent / "landing").glob("*.py")):
        if path.stem != "__init__":
            module = gate._find_module("landing", path.stem)
            assert isinstance(module, types.ModuleType)
            assert callable(module.list_checks)


def test_duckdb_is_what_evaluates(gatekeeper):
    assert gatekeeper._examiner.run("select version()") == [(f"v{duckdb.__version__}",)]
