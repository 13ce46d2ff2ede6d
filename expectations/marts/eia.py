"""What must hold between the EIA marts and the landed projects behind them (methods M9)."""

from __future__ import annotations

from collections.abc import Mapping

from expectations.check import Check, Limits, count_broken
from expectations.shape import check_emptied, check_filled, check_finite, check_keys, check_present, is_close

MARTS = ("eia__assessments", "eia__region_increments_by_year", "eia__promise_biases")
FED_BY = ("eia_project",)

_KEYS = {
    "eia__assessments": ("eia_id",),
    "eia__region_increments_by_year": ("province_code", "year"),
    "eia__promise_biases": ("breakdown", "member_code"),
}
_FIGURES = {
    "eia__assessments": ("enterprise_id", "product_code", "verdict", "approved_on"),
    "eia__region_increments_by_year": ("project_count", "increment_t_co2e"),
    "eia__promise_biases": ("bias_status", "project_count", "outcome_count"),
}


def _check_assessed() -> Check:
    rows = (
        "(select distinct eia_id from landing.eia_project) as landed"
        " full join marts.eia__assessments as mart on landed.eia_id = mart.eia_id"
    )
    return count_broken(
        "projects_assessed",
        "landed.eia_id is null or mart.eia_id is null",
        "coalesce(landed.eia_id, mart.eia_id) || case when mart.eia_id is null then ' has no assessment' else ' never landed' end",
        rows,
    )


def _check_approval() -> Check:
    """A promise is judged by what was known when it was made, and judged exactly where there was something."""
    condition = (
        "((benchmark_year is null or benchmark_year < year(approved_on)) and (tier is null) = (verdict = 'no_benchmark')) is not true"
    )
    shown = "eia_id || ': approved ' || approved_on || ', benchmark of ' || coalesce(benchmark_year::varchar, 'no year') || ', ' || verdict"
    return count_broken("benchmarks_before_approval", condition, shown, "marts.eia__assessments")


def _check_increments() -> Check:
    rows = (
        "(select province_code, year(approved_on) as year, count(*) as assessed from marts.eia__assessments group by all) as approved"
        " full join marts.eia__region_increments_by_year as mart on approved.province_code = mart.province_code and approved.year = mart.year"
    )
    return count_broken(
        "increments_complete",
        "(mart.project_count = approved.assessed) is not true",
        "coalesce(mart.province_code || ' ' || mart.year, approved.province_code || ' ' || approved.year)",
        rows,
    )


def _check_outcomes(limits: Limits) -> Check:
    tolerance = limits.value("outcomes_follow", "relative_tolerance")
    closeness = is_close("(1 + ex_post_gap_ratio) * intensity_kg_co2e", "ex_post_kg_co2e", tolerance)
    condition = (
        f"(case when ex_post_kg_co2e is null or intensity_kg_co2e is null then ex_post_gap_ratio is null else {closeness} end) is not true"
    )
    return count_broken(
        "outcomes_follow", condition, "eia_id || ': ' || coalesce(ex_post_gap_ratio::varchar, 'null')", "marts.eia__assessments"
    )


def _check_biases() -> Check:
    """Each breakdown counts every project once, and a group of too few outcomes says nothing but its counts."""
    rows = (
        "(select breakdown, sum(project_count) as projects, sum(outcome_count) as outcomes, bool_and(case bias_status when 'shown'"
        " then outcome_count >= minimum_outcome_count and mean_gap_ratio is not null else mean_gap_ratio is null"
        " and median_gap_ratio is null and stddev_gap_ratio is null and above_promise_share is null end) as is_honest"
        " from marts.eia__promise_biases group by breakdown) as told cross join (select count(*) as assessed,"
        " count(ex_post_gap_ratio) as judged from marts.eia__assessments) as counted"
    )
    condition = "(projects = assessed and outcomes = judged and is_honest) is not true"
    return count_broken("biases_count_projects", condition, "breakdown || ': ' || projects || ' of ' || assessed", rows)


def list_checks(limits: Limits, columns: Mapping[str, Mapping[str, str]]) -> list[Check]:
    return [
        check_filled(),
        check_keys(_KEYS),
        check_finite(MARTS, columns),
        check_present(_FIGURES),
        _check_assessed(),
        _check_approval(),
        _check_increments(),
        _check_outcomes(limits),
        _check_biases(),
        check_emptied(MARTS, columns, limits),
    ]
