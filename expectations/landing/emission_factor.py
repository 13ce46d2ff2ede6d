"""Moves of a factor between its editions, within a delivery and from the delivery before."""

from __future__ import annotations

from expectations.check import Check, Limits, list_examples
from ingest.contract import Contract

# A factor is the same over editions when it is of one family, activity and place; publishers do renumber.
_EDITIONS = """
select *, lag(kg_co2e_per_unit) over same as value_before, lag(unit) over same as unit_before, lag(edition) over same as edition_before
from (
    select *, true as is_new from delivery.landing
    union all by name
    select *, false as is_new from delivery.previous
)
window same as (partition by factor_family, activity_code, geography_code order by published_on, valid_from, edition)
"""


def _check_pairs(code: str, broken: str, compared: str) -> Check:
    shown = (
        "activity_code || ' ' || geography_code || ' ' || edition_before || ' -> ' || edition || ': '"
        " || value_before || ' ' || unit_before || ' -> ' || kg_co2e_per_unit || ' ' || unit"
    )
    return Check(
        code,
        f"select count(*) as examined, count(*) filter (where {broken}) as broken, {list_examples(shown, broken)} as evidence"
        f" from ({_EDITIONS}) where is_new and edition_before is not null and {compared}",
        may_be_empty=True,  # a first edition has no edition before it
    )


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    share = limits.value("value_moved", "share")
    moved = f"((abs(kg_co2e_per_unit - value_before) <= {share!r} * abs(value_before)) is not true)"
    return [
        _check_pairs("value_moved", moved, "unit is not distinct from unit_before"),
        # A value that fits another unit is a matter of units; one that stayed where it was under another unit is off by their ratio.
        _check_pairs("unit_changed_alone", f"not {moved}", "unit is distinct from unit_before"),
    ]
