"""Standards whose stages, level or successor contradict each other. Rows of one standard may come in several deliveries."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, count_broken
from ingest.contract import Contract

_STAGES = "['planned', 'drafting', 'consultation', 'issued', 'withdrawn']"  # in the order in which a standard reaches them


def _check_order() -> Check:
    """Against the last delivery as well: the next stage of a standard usually comes in the next delivery."""
    rows = "select standard_code, stage, stage_on, {} as is_new from delivery.{}"
    return count_broken(
        "stages_out_of_order",
        f"(select *, max(stage_on) over earlier as reached, bool_or(is_new) over whole as touched"
        f" from ({rows.format('true', 'landing')} union all {rows.format('false', 'previous')})"
        f" window earlier as (partition by standard_code order by list_position({_STAGES}, stage) rows between unbounded preceding and 1 preceding),"
        " whole as (partition by standard_code)) where touched and reached is not null",
        "stage_on >= reached",
        "standard_code || ' ' || stage || ': ' || stage_on || ', an earlier stage on ' || reached",
    )


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    return [
        _check_order(),
        count_broken(
            "level_outside_jurisdiction",
            "delivery.landing where level in ('national', 'industry', 'local')",
            "(level = 'local') = (jurisdiction_code <> 'CN')",
            "standard_code || ': ' || level || ' in ' || jurisdiction_code",
        ),
        count_broken(
            "supersedes_itself",
            "delivery.landing where supersedes_standard_code is not null",
            "supersedes_standard_code <> standard_code",
            "standard_code",
        ),
        check_known_by_receipt("stage_on", "standard_code || ' ' || stage"),
    ]
