"""Progress reports that leave tasks out or run backwards."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, count_broken
from ingest.contract import Contract

_PROGRESS = "['not_started', 'in_progress', 'done']"


def _check_tasks() -> Check:
    """A newer report covers every task of the one before it; a correction of a known day need not."""
    newest = "select task_no from delivery.{0} where as_of = (select max(as_of) from delivery.{0})"
    return count_broken(
        "tasks_missing",
        f"({newest.format('previous')}) as before left join ({newest.format('landing')}) as now on now.task_no = before.task_no"
        " where (select max(as_of) from delivery.landing) > (select max(as_of) from delivery.previous)",
        "now.task_no is not null",
        "lpad(before.task_no::varchar, 2, '0')",
    )


def _check_progress() -> Check:
    return count_broken(
        "progress_reversed",
        "delivery.landing as now join delivery.previous as before on now.task_no = before.task_no and now.as_of > before.as_of",
        f"list_position({_PROGRESS}, now.status) >= list_position({_PROGRESS}, before.status)",
        "'task ' || now.task_no || ': ' || before.status || ' -> ' || now.status",
    )


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    return [_check_tasks(), _check_progress(), check_known_by_receipt("as_of", "'task ' || task_no")]
