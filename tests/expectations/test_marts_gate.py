"""Marts are released only when they are whole: each thing that must hold has a planted fault here that it stops."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from expectations import gate
from expectations.gate import GateResult
from expectations.marts import ccer, eia, ets, ets_accounts, finance, footprint, policy

COUNTRY = "province_code = '000000'"
ONE_CELL = f"rowid = (select min(rowid) from marts.footprint__sectors_by_year where {COUNTRY} and disclosure_count > 3)"
SECTORS = "update marts.footprint__sectors_by_year"
CHANGED_CELL = "rowid = (select min(rowid) from marts.footprint__sectors_by_year where yoy_change_kg_co2e is not null)"
TRADED_DAY = "rowid = (select min(rowid) from marts.ets__prices_by_day where not is_carried and log_return <> 0)"
ONE_DISCLOSURE = "rowid = (select min(rowid) from marts.footprint__products where output_quantity is not null)"
PUBLIC = "marts.footprint__sectors_by_year_public"
TABLE_KEY = "product_code, boundary, gwp_set, reporting_year"
# A table whose country is shown while several of its provinces are withheld, and all of its withheld cells but the first.
HALF_SHOWN = (
    f"select {TABLE_KEY} from {PUBLIC} group by all having bool_or({COUNTRY} and suppression_reason is null)"
    " and count(suppression_reason) > 1 order by all limit 1"
)
ALL_BUT_ONE = (
    f"select {TABLE_KEY}, province_code from {PUBLIC} where suppression_reason is not null and ({TABLE_KEY}) in ({HALF_SHOWN})"
    " order by province_code offset 1"
)
UNKNOWN_CHANGE = (
    f"rowid = (select min(public.rowid) from {PUBLIC} as public join marts.footprint__sectors_by_year as truth"
    f" using ({TABLE_KEY}, province_code) where public.suppression_reason is null and public.yoy_change_kg_co2e is null"
    " and truth.yoy_change_kg_co2e is not null)"
)

FAULTS: dict[str, dict[str, str]] = {
    "footprint": {
        "marts_filled": "delete from marts.footprint__benchmarks_by_year",
        "keys_unique": "insert into marts.footprint__product_tiers from marts.footprint__product_tiers limit 1",
        "figures_finite": f"{SECTORS} set stddev_kg_co2e = 'nan' where {ONE_CELL}",
        "figures_present": "update marts.footprint__products set declared_kg_co2e = null",
        "disclosures_in_force": f"update marts.footprint__products set revision = revision + 1 where {ONE_DISCLOSURE}",
        "figures_converted": f"update marts.footprint__products set declared_kg_co2e = declared_kg_co2e * 1000 where {ONE_DISCLOSURE}",
        "country_is_sum_of_provinces": f"{SECTORS} set total_t_co2e = total_t_co2e * 1.000001 where {ONE_CELL}",
        "country_is_sum_of_products": f"delete from marts.footprint__sectors_by_year where {ONE_CELL}",
        "change_adds_up": f"{SECTORS} set yoy_mix_kg_co2e = yoy_mix_kg_co2e + 0.001 where {CHANGED_CELL}",
        "statistics_ordered": f"{SECTORS} set p10_kg_co2e = p90_kg_co2e + 1 where {ONE_CELL}",
        "tiers_complete": "delete from marts.footprint__product_tiers where rowid = 0",
        "benchmarks_match_cells": "update marts.footprint__benchmarks_by_year set disclosure_count = disclosure_count + 1 where rowid = 0",
        "public_cells_true_or_empty": f"update {PUBLIC} set total_t_co2e = total_t_co2e * 1.01 where suppression_reason is null",
        "changes_tell_no_neighbour": f"update {PUBLIC} set yoy_change_kg_co2e = 0.1 where {UNKNOWN_CHANGE}",
        "unsafe_cells_withheld": f"update {PUBLIC} set suppression_reason = null where suppression_reason = 'primary_p_percent'",
        "withheld_cells_unrecoverable": f"update {PUBLIC} set suppression_reason = null where ({TABLE_KEY}, province_code) in ({ALL_BUT_ONE})",
        "figures_told_before": f"insert into intermediate.int_footprint__totals_published select {TABLE_KEY}, 'before', province_code,"
        f" total_t_co2e, true, false from marts.footprint__sectors_by_year where ({TABLE_KEY}) in ({HALF_SHOWN})",
        "contributions_add_up": "delete from marts.footprint__contributions where contribution_kind = 'other'",
        "impacts_end_in_force": "update marts.footprint__factor_impacts set new_kg_co2e = new_kg_co2e * 1.001 where rowid = 0",
        "product_impacts_add_up": "update marts.footprint__product_impacts_by_year set total_change_t_co2e = total_change_t_co2e * 1.001",
        "gaps_name_every_line": "update marts.footprint__factor_gaps_by_year set unpriced_line_count = unpriced_line_count - 1 where rowid = 0",
        "suppressions_counted": "update marts.footprint__suppressions_by_year set suppressed_cell_count = suppressed_cell_count - 1",
        "supplies_count_linked_lines": "update marts.footprint__supplies set linked_line_count = linked_line_count + 1 where rowid = 0",
        "only_landed_rows": "update marts.footprint__product_tiers set disclosure_id = 'PCF-QUARANTINED' where rowid = 0",
        "labels_landed": "update marts.footprint__labelled_products set certificate_no = 'LBL-NOWHERE' where rowid = 0",
        "recalculated_share": "update marts.footprint__products set recalculated_kg_co2e = null",
        "priced_lines_share": "update marts.footprint__products set priced_line_count = 0",
        "disclosures_lost": "delete from marts.footprint__products where hash(disclosure_id) % 10 < 3",
        "sector_mean_moved": f"{SECTORS} set weighted_mean_kg_co2e = weighted_mean_kg_co2e * 3 where {ONE_CELL}",
        "column_emptied": "update marts.footprint__products set uncertainty_pct = null",
    },
    "ets": {
        "marts_filled": "delete from marts.ets__prices_by_year",
        "keys_unique": "insert into marts.ets__prices_by_day from marts.ets__prices_by_day limit 1",
        "figures_finite": f"update marts.ets__prices_by_day set volatility_30d = 'inf' where {TRADED_DAY}",
        "figures_present": f"update marts.ets__prices_by_day set has_conflict = null where {TRADED_DAY}",
        "turnover_is_price_times_volume": f"update marts.ets__prices_by_day set vwap_cny_per_t = vwap_cny_per_t * 1.001 where {TRADED_DAY}",
        "days_match_quotes": f"update marts.ets__prices_by_day set volume_t = volume_t + 1 where {TRADED_DAY}",
        "year_is_sum_of_days": "update marts.ets__prices_by_year set volume_t = volume_t + 1 where rowid = 0",
        "trading_days_complete": "delete from marts.ets__prices_by_day where rowid = (select min(rowid) from marts.ets__prices_by_day"
        " where is_carried)",
        "carried_has_no_volume": f"update marts.ets__prices_by_day set is_carried = true where {TRADED_DAY}",
        "returns_chain": f"update marts.ets__prices_by_day set log_return = 0 where {TRADED_DAY}",
        "prices_ordered": "update marts.ets__prices_by_year set low_cny_per_t = high_cny_per_t + 1 where rowid = 0",
        "traded_days_share": "update marts.ets__prices_by_day set is_carried = true where market = 'CN-ETS'",
        "days_lost": "delete from marts.ets__prices_by_day where trade_date < date '2023-06-01'",
        "published_close_moved": f"update marts.ets__prices_by_day set close_cny_per_t = close_cny_per_t * 1.05 where {TRADED_DAY}",
        "column_emptied": "update marts.ets__prices_by_day set volatility_30d = null",
    },
    "ets_accounts": {
        "marts_filled": "delete from marts.ets__positions_by_year",
        "keys_unique": "insert into marts.ets__positions_by_year from marts.ets__positions_by_year limit 1",
        "figures_present": "update marts.ets__positions_by_year set position_status = null where rowid = 0",
        "surrenders_conserved": "update marts.ets__positions_by_year set surrendered_allowance_t_co2e = surrendered_allowance_t_co2e + 1"
        " where rowid = 0",
        "positions_balanced": "update marts.ets__positions_by_year set outstanding_t_co2e = 5 where position_status = 'compliant'",
        "product_costs_shared": "update marts.ets__product_costs_by_year set net_cost_cny = net_cost_cny * 1.01",
        "benchmarks_in_series": "update marts.ets__benchmarks_by_year set output_basis = 'gross_generated' where compliance_year = 2025",
        "rules_as_listed": "update marts.ets__rules_by_year set deadline_on = deadline_on + 1 where rowid = 0",
        "costs_carried": "update marts.ets__cost_reconciliations_by_year set uncarried_cost_cny = uncarried_cost_cny + 1",
        "column_emptied": "update marts.ets__positions_by_year set price_cny_per_t = null",
    },
    "ccer": {
        "marts_filled": "delete from marts.ccer__ledger",
        "keys_unique": "insert into marts.ccer__ledger from marts.ccer__ledger limit 1",
        "figures_present": "update marts.ccer__ledger set balance_t_co2e = null where rowid = 0",
        "credits_conserved": "update marts.ccer__ledger set cancelled_voluntary_t_co2e = cancelled_voluntary_t_co2e + 1 where rowid = 0",
        "offsets_reconciled": "delete from marts.ccer__findings where rule_code = 'surrendered_without_cancellation'",
        "findings_say_how_much": "update marts.ccer__findings set quantity_t_co2e = 0 where rule_code = 'legacy_expired'",
        "events_conserve": "update marts.ccer__ledger_events set change_t_co2e = change_t_co2e * 2 where event_rank = 2",
        "usable_credits_are_left": "update marts.ccer__offset_eligibilities set usable_t_co2e = balance_t_co2e where eligibility_status <> 'usable'",
        "uses_reconciled": "delete from marts.ccer__offset_uses_by_year where use_status <> 'matched'",
        "column_emptied": "update marts.ccer__ledger set owner_id = null",
    },
    "eia": {
        "marts_filled": "delete from marts.eia__region_increments_by_year",
        "keys_unique": "insert into marts.eia__assessments from marts.eia__assessments limit 1",
        "figures_finite": "update marts.eia__assessments set percentile_rank = 'nan' where rowid = 0",
        "figures_present": "update marts.eia__assessments set verdict = null where rowid = 0",
        "projects_assessed": "delete from marts.eia__assessments where rowid = 0",
        "benchmarks_before_approval": "update marts.eia__assessments set benchmark_year = year(approved_on) where tier = 4",
        "increments_complete": "update marts.eia__region_increments_by_year set project_count = project_count + 1 where rowid = 0",
        "outcomes_follow": "update marts.eia__assessments set ex_post_gap_ratio = ex_post_gap_ratio + 0.01",
        "biases_count_projects": "update marts.eia__promise_biases set mean_gap_ratio = 0.1 where bias_status = 'too_few'",
        "column_emptied": "update marts.eia__assessments set ex_post_year = null",
    },
    "finance": {
        "marts_filled": "delete from marts.finance__portfolios",
        "keys_unique": "insert into marts.finance__borrowers from marts.finance__borrowers limit 1",
        "figures_finite": "update marts.finance__borrowers set attribution = 'inf' where rowid = 0",
        "figures_present": "update marts.finance__borrowers set is_eligible = null where rowid = 0",
        "borrowers_lent_to": "update marts.finance__borrowers set borrower_id = 'lei:nobody' where rowid = 0",
        "portfolio_is_sum_of_borrowers": "update marts.finance__portfolios set financed_t_co2e = financed_t_co2e * 1.001 where rowid = 0",
        "financed_is_attributed": "update marts.finance__borrowers set financed_t_co2e = financed_t_co2e * 1.001 where rowid = 0",
        "eligible_is_all_five": "update marts.finance__borrowers set is_eligible = true where not has_valid_label",
        "conditions_have_evidence": "update marts.finance__borrowers set label_certificate_no = 'CERT' where not has_valid_label",
        "stress_complete": "delete from marts.finance__stress_tests where rowid = 0",
        "column_emptied": "update marts.finance__borrowers set best_tier = null",
    },
    "policy": {
        "marts_filled": "delete from marts.policy__target_progress_by_month",
        "keys_unique": "insert into marts.policy__target_progress_by_month from marts.policy__target_progress_by_month limit 1",
        "figures_finite": "update marts.policy__standard_priorities set score = 'nan' where rowid = 0",
        "figures_present": "update marts.policy__target_progress_by_month set target_value = null where rowid = 0",
        "gaps_add_up": "update marts.policy__target_progress_by_month set gap = gap + 1 where rowid = 0",
        "months_complete": "delete from marts.policy__target_progress_by_month where rowid = 0",
        "forecasts_start_from_progress": "update marts.policy__target_forecasts set probability = 1.2 where rowid = 0",
        "priorities_follow_scores": "update marts.policy__standard_priorities set priority_rank = 22 - priority_rank",
        "tasks_of_the_plan": "update marts.policy__tasks set task_status = 'done', is_done = true where task_status <> 'done'",
        "backtests_scored": "update marts.policy__forecast_backtests set interval_hit_share = interval_hit_share / 2",
        "column_emptied": "update marts.policy__target_progress_by_month set needed_per_month = null",
    },
}
MODULES = {"ccer": ccer, "eia": eia, "ets": ets, "ets_accounts": ets_accounts, "finance": finance, "footprint": footprint, "policy": policy}
NOT_LANDED = {"market_trade", "ets_facility_year"}  # in the sound warehouse
ACCOUNT_MARTS = ("ets__positions_by_year", "ets__product_costs_by_year", "ets__cost_reconciliations_by_year")
SUITES = [f"marts.{instrument}" for instrument in sorted(MODULES)]
PLANTED = [(instrument, code) for instrument, faults in FAULTS.items() for code in faults]


def find_result(results: list[GateResult], instrument: str) -> GateResult:
    return next(result for result in results if result.suite == f"marts.{instrument}")


def list_codes(result: GateResult, severity: str | None = None) -> set[str]:
    return {failure.check for failure in result.failures if severity in (None, failure.severity)}


@pytest.fixture
def last_release(sound_warehouse, tmp_path) -> Path:
    path = tmp_path / "ministry.duckdb"
    shutil.copyfile(sound_warehouse, path)
    return path


@pytest.fixture
def sound_release(sound_warehouse, last_release) -> tuple[Path, Path]:
    return sound_warehouse, last_release


def test_gate_passes_sound_marts(gatekeeper, sound_warehouse, last_release):
    first = gatekeeper.judge_marts(sound_warehouse)
    assert [result.suite for result in first] == SUITES
    for result in first:
        assert result.success, result.failures
        assert list_codes(result) == {"first_release"}
    with duckdb.connect(str(sound_warehouse), read_only=True) as connection:
        for result, name in zip(first, sorted(MODULES), strict=True):
            marts = MODULES[name].MARTS
            rows = sum(connection.execute(f"select count(*) from marts.{mart}").fetchone()[0] for mart in marts)
            assert result.rows_examined == rows
    second = gatekeeper.judge_marts(sound_warehouse, last_release)
    for before, result in zip(first, second, strict=True):
        assert result.success
        assert result.failures == ()
        assert result.checks_run > before.checks_run


def test_gate_takes_percentiles_of_equal_figures(gatekeeper, change_warehouse, last_release):
    """Two enterprises that declare the same: a percentile between the two rounds to just above the next one."""
    rounded = "(1 + power(2, -52))"
    changes = (
        f"{SECTORS} set p10_kg_co2e = p25_kg_co2e * {rounded} where p25_kg_co2e is not null;"
        f" update marts.footprint__benchmarks_by_year set p20_kg_co2e = p50_kg_co2e * {rounded} where tier_basis = 'percentiles'"
    )
    result = find_result(gatekeeper.judge_marts(change_warehouse(changes), last_release), "footprint")
    assert not list_codes(result) & {"statistics_ordered", "benchmarks_match_cells"}, result.failures


def test_each_listed_check_has_a_planted_fault():
    for instrument, faults in FAULTS.items():
        assert set(faults) == {entry.code for entry in gate.read_thresholds()[f"marts.{instrument}"]}


@pytest.fixture
def alone(instrument, tmp_path, monkeypatch) -> None:
    """Only this instrument is judged: what becomes of the others is not looked at, and they cost most of the time."""
    folder = tmp_path / "instruments"
    folder.mkdir()
    (folder / f"{instrument}.py").touch()
    monkeypatch.setattr(gate, "MARTS", folder)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("instrument", "code"), PLANTED)
def test_gate_finds_a_planted_fault(gatekeeper, change_warehouse, last_release, instrument, code):
    result = find_result(gatekeeper.judge_marts(change_warehouse(FAULTS[instrument][code]), last_release), instrument)
    severity = next(entry.severity for entry in gate.read_thresholds()[f"marts.{instrument}"] if entry.code == code)
    assert code in list_codes(result, severity), result.failures
    assert severity == "warning" or not result.success


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("instrument", "code"), PLANTED)
def test_gate_notices_each_check_that_is_taken_away(gatekeeper, sound_release, monkeypatch, instrument, code):
    module = MODULES[instrument]
    sound = module.list_checks
    monkeypatch.setattr(module, "list_checks", lambda *given: [check for check in sound(*given) if check.code != code])
    result = find_result(gatekeeper.judge_marts(*sound_release), instrument)
    assert not result.success
    assert next(failure.observed for failure in result.failures if failure.check == "checks_missing") == code


@pytest.mark.parametrize("instrument", sorted(FAULTS))
def test_gate_notices_an_emptied_suite(gatekeeper, sound_warehouse, monkeypatch, instrument):
    module = MODULES[instrument]
    monkeypatch.setattr(module, "list_checks", lambda *_: [])
    result = find_result(gatekeeper.judge_marts(sound_warehouse), instrument)
    assert not result.success
    assert result.checks_run == 0
    assert {"checks_missing", "nothing_examined"} <= list_codes(result, "critical")


def test_gate_stops_when_a_check_crashes(gatekeeper, sound_warehouse, monkeypatch):
    sound = footprint.list_checks
    monkeypatch.setattr(
        footprint,
        "list_checks",
        lambda *given: [replace(c, query="select 1 / 'x' as examined") if c.code == "tiers_complete" else c for c in sound(*given)],
    )
    result = find_result(gatekeeper.judge_marts(sound_warehouse), "footprint")
    assert not result.success
    assert list_codes(result, "critical") == {"check_crashed"}
    assert "tiers_complete" in next(failure.observed for failure in result.failures if failure.check == "check_crashed")


def test_gate_stops_when_a_mart_is_missing(gatekeeper, change_warehouse):
    result = find_result(gatekeeper.judge_marts(change_warehouse("drop table marts.footprint__product_tiers")), "footprint")
    assert not result.success
    assert {"marts_filled", "check_crashed"} <= list_codes(result, "critical")


def _empty(*schemas: str) -> list[str]:
    tables = {
        "marts": tuple(sorted({mart for module in MODULES.values() for mart in module.MARTS})),
        "landing": tuple(sorted({source for module in MODULES.values() for source in module.FED_BY} - NOT_LANDED)),
        "ets": (*(f"marts.{mart}" for mart in ets.MARTS), "landing.market_quote"),
        "ets_accounts": (*(f"marts.{mart}" for mart in ACCOUNT_MARTS), "landing.ets_surrender"),
    }
    return [f"delete from {table if '.' in table else f'{schema}.{table}'}" for schema in schemas for table in tables[schema]]


def test_gate_releases_nothing_from_nothing(gatekeeper, change_warehouse):
    results = gatekeeper.judge_marts(change_warehouse(*_empty("marts", "landing")))
    assert [result.suite for result in results] == SUITES
    for result in results:
        assert not result.success
        assert result.rows_examined == 0
        assert "nothing_examined" in list_codes(result, "critical")


def test_gate_stops_empty_marts_over_full_landing(gatekeeper, change_warehouse):
    assert not any(result.success for result in gatekeeper.judge_marts(change_warehouse(*_empty("marts"))))


@pytest.mark.parametrize("instrument", ["ets", "ets_accounts"])
def test_gate_leaves_out_an_instrument_that_nobody_feeds(gatekeeper, change_warehouse, last_release, instrument):
    """Prices and accounts each stand alone: either may be all that a deployment holds of the carbon market."""
    unfed = change_warehouse(*_empty(instrument))
    results = gatekeeper.judge_marts(unfed)
    assert [result.suite for result in results] == [suite for suite in SUITES if suite != f"marts.{instrument}"]
    for result in results:
        # Credits are reconciled with the surrenders, which are gone with the accounts.
        assert result.success or (instrument, result.suite) == ("ets_accounts", "marts.ccer"), result.failures
        assert "instrument_not_fed" in list_codes(result, "warning")
    # What the last release showed cannot go away unnoticed.
    again = gatekeeper.judge_marts(unfed, last_release)
    assert not find_result(again, instrument).success


def test_gate_says_what_an_older_release_lacks(gatekeeper, sound_warehouse, change_warehouse):
    older = change_warehouse("alter table marts.footprint__products drop column revision", name="ministry")
    result = find_result(gatekeeper.judge_marts(sound_warehouse, older), "footprint")
    assert result.success
    assert list_codes(result, "warning") == {"not_comparable"}
    assert "previous.footprint__products.revision" in str(result.failures)


def test_gate_reports_a_build_it_cannot_open(gatekeeper, tmp_path):
    broken = tmp_path / "warehouse.duckdb"
    broken.write_bytes(b"no database")
    results = gatekeeper.judge_marts(broken)
    assert results
    assert all(list_codes(result) == {"check_crashed"} and not result.success for result in results)
    missing = gatekeeper.judge_marts(tmp_path / "absent.duckdb")
    assert missing
    assert not any(result.success for result in missing)
    assert not (tmp_path / "absent.duckdb").exists()


def test_gate_lets_go_of_the_files(gatekeeper, change_warehouse, last_release):
    build = change_warehouse()
    gatekeeper.judge_marts(build, last_release)
    for path in (build, last_release):
        with duckdb.connect(str(path)) as connection:
            connection.execute("create table written (x int)")


def test_gate_follows_views_that_name_their_database(gatekeeper, change_warehouse):
    """dbt writes the database's name, the stem of its file, into each view."""
    build = change_warehouse(
        "create table landing.stored as select * from landing.market_quote",
        "drop table landing.market_quote",
        'create view landing.market_quote as select * from "warehouse"."landing"."stored"',
    )
    assert find_result(gatekeeper.judge_marts(build), "ets").success
