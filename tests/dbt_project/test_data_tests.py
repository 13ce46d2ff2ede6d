"""Each data test of the project is shipped with the fault that it must find: a check that cannot fail is no check."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

# What a wrong model might do to the tables of a right build, and the tests that must then fail.
FAULTS = {
    "update marts.footprint__sectors_by_year set yoy_mix_kg_co2e = yoy_mix_kg_co2e + 1e-3": ["assert_changes_are_the_sum_of_their_parts"],
    "update marts.footprint__sectors_by_year set yoy_change_kg_co2e = null where province_code = '000000'": [
        "assert_changes_compare_with_the_year_before"
    ],
    "update marts.footprint__sectors_by_year set weighted_mean_kg_co2e = weighted_mean_kg_co2e * 1000 where reporting_year = 2025": [
        "assert_weighted_means_lie_between_the_extremes"
    ],
    "update marts.footprint__sectors_by_year set total_t_co2e = total_t_co2e * 2 where province_code = '130000'": [
        "assert_provinces_add_up_to_the_country"
    ],
    "update marts.footprint__sectors_by_year set stddev_kg_co2e = cast('nan' as double) where disclosure_count = 1": [
        "finite_footprint__sectors_by_year",
        "accepted_range_footprint__sectors_by_year_stddev_kg_co2e",
    ],
    "update marts.footprint__sectors_by_year set verified_share = 1.5 where province_code = '000000'": [
        "accepted_range_footprint__sectors_by_year_verified_share"
    ],
    "update marts.finance__portfolios set pcaf_score = 5.00001": ["accepted_range_finance__portfolios_pcaf_score"],
    "update intermediate.int_footprint__disclosures_resolved set footprint_unit_ratio = null where reporting_year = 2024": [
        "assert_every_disclosure_converts_to_its_declared_unit"
    ],
    "update marts.footprint__products set is_discrepant = false where recalculation_status = 'partial'": [
        "assert_statuses_follow_the_priced_lines"
    ],
    "update marts.footprint__products set product_code = 'NOT-LISTED' where reporting_year = 2022": [
        "relationships_footprint__products_product_code"
    ],
    "insert into marts.footprint__products from marts.footprint__products limit 1": [
        "unique_combination_footprint__products_disclosure_id",
        "assert_every_disclosure_counts_in_the_country_and_has_a_tier_row",
    ],
    "update marts.footprint__product_tiers set tier = 5 - tier": ["assert_cleaner_products_never_have_a_worse_tier"],
    "update marts.footprint__product_tiers set percentile_rank = 0 where tier is null": ["assert_tiers_stand_exactly_where_benchmarks_do"],
    "update marts.footprint__sectors_by_year_public set disclosure_count = 2 where suppression_reason = 'primary_threshold'": [
        "assert_withheld_cells_show_nothing"
    ],
    "update marts.footprint__sectors_by_year_public set suppression_reason = 'forgotten' where suppression_reason = 'primary_p_percent'": [
        "accepted_values_footprint__sectors_by_year_public_suppression_reason"
    ],
    "update marts.ets__prices_by_day set close_cny_per_t = close_cny_per_t + 1 where is_carried": [
        "assert_carried_days_keep_the_close_and_return_nothing"
    ],
    "update marts.ets__prices_by_day set vwap_listed_cny_per_t = vwap_listed_cny_per_t * 1.02": [
        "assert_average_prices_lie_between_low_and_high"
    ],
    "update marts.ets__prices_by_year set turnover_cny = turnover_cny + 0.01": ["assert_years_are_the_sum_of_their_days"],
    "update marts.ets__positions_by_year set offset_counted_t_co2e = offset_counted_t_co2e + 1 where compliance_year = 2024": [
        "assert_positions_conserve_what_is_owed"
    ],
    "update marts.ets__product_costs_by_year set net_cost_cny = net_cost_cny * 1.001": ["assert_product_costs_add_up_to_the_enterprise"],
    "update marts.ets__benchmarks_by_year set previous_t_co2e_per_unit = 0.9 where is_series_start": [
        "assert_benchmarks_of_two_outputs_are_two_series"
    ],
    "update marts.ets__rules_by_year set obligation_t_co2e = obligation_t_co2e * 2 where compliance_year = 2024": [
        "assert_obligations_of_rules_are_those_of_positions"
    ],
    "update marts.ets__cost_reconciliations_by_year set product_cost_cny = 0": ["assert_costs_are_carried_by_products_or_named_as_not"],
    "update marts.ccer__ledger_events set balance_before_t_co2e = balance_before_t_co2e + 1 where event_rank = 2": [
        "assert_credit_events_carry_the_balance_on"
    ],
    "update marts.ccer__offset_eligibilities set usable_t_co2e = usable_t_co2e + 1 where eligibility_status <> 'usable'": [
        "assert_usable_credits_are_left_in_the_ledger"
    ],
    "delete from marts.ccer__offset_uses_by_year where use_status = 'surrendered_without_cancellation'": [
        "assert_offset_uses_add_up_to_the_surrenders"
    ],
    "update marts.eia__promise_biases set project_count = project_count + 1 where breakdown = 'sector'": [
        "assert_biases_count_every_project_once"
    ],
    "update marts.finance__borrowers set lagging_eia_id = 'E' where has_no_lagging_eia": ["assert_conditions_agree_with_their_evidence"],
    "update marts.ccer__ledger set balance_t_co2e = balance_t_co2e + 1 where cancelled_voluntary_t_co2e > 0": [
        "assert_credits_are_conserved_from_issue_to_cancellation"
    ],
    "delete from marts.ccer__findings where rule_code = 'cancelled_without_surrender'": [
        "assert_offset_findings_explain_the_two_registers"
    ],
    "update marts.eia__assessments set benchmark_year = benchmark_year + 3 where benchmark_year is not null": [
        "assert_assessments_judge_by_benchmarks_before_the_approval"
    ],
    "update marts.eia__region_increments_by_year set project_count = project_count + 1 where year = 2024": [
        "assert_increments_add_up_to_the_projects"
    ],
    "update marts.finance__portfolios set outstanding_cny = outstanding_cny + 0.01": ["assert_portfolios_are_the_sum_of_their_borrowers"],
    "update marts.finance__borrowers set is_eligible = true where not has_valid_label": ["assert_eligible_borrowers_meet_all_conditions"],
    "update marts.finance__stress_tests set extra_cost_cny = -extra_cost_cny where free_allocation_share = 0": [
        "assert_less_free_allocation_never_costs_less",
        "accepted_range_finance__stress_tests_extra_cost_cny",
    ],
    "update marts.policy__target_progress_by_month set gap = gap + 1 where indicator = 'tasks_done'": [
        "assert_gaps_are_targets_less_values"
    ],
    "update marts.footprint__labelled_products set is_label_valid = true where state <> 'valid'": [
        "assert_valid_labels_stand_within_their_term"
    ],
    "update marts.policy__standard_priorities set priority_rank = priority_rank + 1": ["assert_priorities_follow_the_scores"],
    "update intermediate.int_footprint__network_solved set recalculated_kg_co2e = recalculated_kg_co2e * 1.00000001 where supplier_depth = 1": [
        "assert_recalculated_footprints_solve_the_network"
    ],
    "update marts.footprint__contributions set contribution_kg_co2e = contribution_kg_co2e * 1.00000001 where contribution_kind = 'other'": [
        "assert_contributions_add_up_to_the_footprint"
    ],
    "update marts.footprint__contributions set contribution_kind = 'rest' where contribution_kind = 'other'": [
        "accepted_values_footprint__contributions_contribution_kind"
    ],
    "update marts.footprint__factor_impacts set new_kg_co2e = new_kg_co2e * 1.1": ["assert_impacts_end_at_the_footprint_in_force"],
    "update marts.footprint__product_impacts_by_year set old_weighted_mean_kg_co2e = old_weighted_mean_kg_co2e * 1.1": [
        "assert_product_impacts_are_the_change_of_their_means"
    ],
    "delete from marts.footprint__factor_gaps_by_year where reporting_year = 2023": ["assert_gaps_account_for_every_unpriced_line"],
    "update marts.footprint__suppressions_by_year set complementary_cell_count = complementary_cell_count + 1": [
        "assert_suppressions_count_the_public_cells"
    ],
    "update marts.footprint__supplies set linked_line_count = linked_line_count + 1": ["assert_supplies_count_every_linked_line"],
    "update marts.policy__tasks set is_done = not is_done where task_no = 3": ["assert_tasks_are_those_of_the_plan"],
    "delete from marts.policy__forecast_backtests_by_month where month = (select max(month) from marts.policy__forecast_backtests_by_month)": [
        "assert_backtests_summarise_their_months"
    ],
}


@pytest.fixture(scope="module")
def failed_tests(
    world_builds: Callable[..., object], run_dbt: Callable[..., object], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """Names of the data tests that fail once every fault has been planted in a copy of the world's build."""
    sound: Path = world_builds(2).warehouse  # type: ignore[attr-defined]
    scratch = tmp_path_factory.mktemp("faults")
    warehouse = Path(shutil.copy(sound, scratch / "warehouse.duckdb"))
    with duckdb.connect(str(warehouse)) as connection:
        for fault in FAULTS:
            connection.execute(fault)
    done = run_dbt(scratch, warehouse, sound.parent / "project", 2, "test", "--exclude-resource-type", "unit_test")
    assert done.returncode == 1, done.output  # type: ignore[attr-defined]
    results = json.loads((scratch / "target" / "run_results.json").read_text(encoding="utf-8"))["results"]
    assert not [result["unique_id"] for result in results if result["status"] == "error"]
    return [result["unique_id"].split(".")[2] for result in results if result["status"] == "fail"]


@pytest.mark.parametrize("expected", sorted({name for names in FAULTS.values() for name in names}))
def test_planted_fault_is_found_by_its_data_test(failed_tests: list[str], expected: str) -> None:
    assert any(name.startswith(expected) for name in failed_tests), failed_tests


def test_every_sentence_has_a_fault_that_makes_it_false() -> None:
    sentences = {path.stem for path in (Path(__file__).resolve().parents[2] / "dbt_project" / "tests").glob("assert_*.sql")}
    assert sentences
    assert sentences <= {name for names in FAULTS.values() for name in names}
