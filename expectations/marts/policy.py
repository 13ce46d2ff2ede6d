"""What must hold between the policy marts and the targets they stand for (methods M11, M12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from expectations.check import Check, Limits, count_broken
from expectations.shape import check_emptied, check_filled, check_finite, check_keys, check_present

# The other two have rows before anything is delivered, or none for good reasons; they are held to their own checks.
MARTS = ("policy__target_progress_by_month",)
FED_BY = ("pcf_standard",)
_MEASURED = (
    *MARTS, "policy__target_forecasts", "policy__standard_priorities", "policy__forecast_backtests", "policy__forecast_backtests_by_month",
)  # fmt: skip

_TARGET = ("document", "indicator", "jurisdiction_code", "target_year")
_KEYS = {"policy__target_progress_by_month": ("month", *_TARGET)}
_FIGURES = {"policy__target_progress_by_month": ("target_value",)}
_SHOWN = "concat_ws(' ', " + ", ".join(f"progress.{name}" for name in _TARGET) + ", progress.month)"


def _check_gaps() -> Check:
    condition = "(case when progress.value is null then progress.gap is null else progress.gap = progress.target_value - progress.value end) is not true"
    return count_broken("gaps_add_up", condition, _SHOWN, "marts.policy__target_progress_by_month as progress")


def _check_months() -> Check:
    """Every target in every month: a month that is not shown would read as one in which nothing was wanted."""
    rows = (
        "(select (select count(*) from marts.policy__target_progress_by_month) as shown,"
        " (select count(distinct month) from marts.policy__target_progress_by_month)"
        " * (select count(*) from reference.policy_target) as expected)"
    )
    return count_broken("months_complete", "(shown = expected) is not true", "shown || ' rows, expected ' || expected", rows)


def _check_forecasts() -> Check:
    matches = " and ".join(f"progress.{name} = forecast.{name}" for name in _TARGET)
    latest = (
        "select * from marts.policy__target_progress_by_month where month = (select max(month) from marts.policy__target_progress_by_month)"
    )
    condition = (
        "(forecast.value = progress.value and forecast.low_value between forecast.value and forecast.high_value"
        " and forecast.probability between 0 and 1 and (forecast.value < forecast.target_value or forecast.probability = 1)) is not true"
    )
    return replace(
        count_broken(
            "forecasts_start_from_progress",
            condition,
            "concat_ws(' ', " + ", ".join(f"forecast.{name}" for name in _TARGET) + ")",
            f"marts.policy__target_forecasts as forecast left join ({latest}) as progress on {matches}",
        ),
        may_be_empty=True,  # a deployment may have no target of a number of standards
    )


def _check_priorities() -> Check:
    rows = (
        "(select *, rank() over (order by case when score is null then 1 else 0 end, round(score, 12) desc) as place"
        " from marts.policy__standard_priorities)"
    )
    condition = "(case when score is null then priority_rank is null else priority_rank = place and score between 0 and 1 end) is not true"
    return replace(
        count_broken("priorities_follow_scores", condition, "product_code || ': ' || coalesce(priority_rank::varchar, 'null')", rows),
        may_be_empty=True,  # every product may have its standard
    )


def _check_tasks() -> Check:
    """The plan's tasks, each with a status that landed for the day it is told for."""
    latest = "(select max(reported_on) from marts.policy__tasks)"
    condition = (
        "(task.task_no is not null and task.is_done = (task.task_status = 'done') and case when task.task_status = 'not_reported'"
        f" then not exists (select 1 from landing.policy_task as landed where landed.task_no = task.task_no and landed.as_of <= {latest})"
        " else exists (select 1 from landing.policy_task as landed where landed.task_no = task.task_no"
        " and landed.as_of = task.reported_on and landed.status = task.task_status) end) is not true"
    )
    shown = "'task ' || coalesce(plan.task_no, task.task_no) || ': ' || coalesce(task.task_status, 'not in the mart')"
    rows = "reference.plan_task as plan full join marts.policy__tasks as task on plan.task_no = task.task_no"
    return count_broken("tasks_of_the_plan", condition, shown, rows)


def _check_backtests(limits: Limits) -> Check:
    tolerance = limits.value("backtests_scored", "tolerance")
    matches = " and ".join(f"months.{name} = backtest.{name}" for name in _TARGET)
    told = (
        f"(select {', '.join(_TARGET)}, count(*) as origins, avg(is_in_interval::int) as hits, avg(brier_score) as brier"
        " from marts.policy__forecast_backtests_by_month group by all)"
    )
    condition = (
        "(backtest.origin_count = coalesce(months.origins, 0) and case when backtest.backtest_status = 'scored'"
        f" then abs(backtest.interval_hit_share - months.hits) <= {tolerance!r}"
        f" and (backtest.brier_score is null or abs(backtest.brier_score - months.brier) <= {tolerance!r})"
        " else coalesce(backtest.interval_hit_share, backtest.brier_score) is null end) is not true"
    )
    shown = "concat_ws(' ', " + ", ".join(f"backtest.{name}" for name in _TARGET) + ", backtest.backtest_status)"
    rows = f"marts.policy__forecast_backtests as backtest left join {told} as months on {matches}"
    # A deployment may have no target of a number of standards.
    return replace(count_broken("backtests_scored", condition, shown, rows), may_be_empty=True)


def list_checks(limits: Limits, columns: Mapping[str, Mapping[str, str]]) -> list[Check]:
    return [
        check_filled(),
        check_keys(_KEYS),
        check_finite(_MEASURED, columns),
        check_present(_FIGURES),
        _check_gaps(),
        _check_months(),
        _check_forecasts(),
        _check_priorities(),
        _check_tasks(),
        _check_backtests(limits),
        check_emptied(MARTS, columns, limits),
    ]
