"""Surrenders that the calendar or the kinds of units make improbable."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, count_broken
from ingest.contract import Contract


def _check_offsets(limits: Limits) -> Check:
    """By market, since each has its own cap; a handful of surrenders has no usual share."""
    share, at_least = limits.value("offsets_dominate", "share"), limits.value("offsets_dominate", "at_least")
    return count_broken(
        "offsets_dominate",
        "(select market, sum(quantity_t_co2e)::double as total, coalesce(sum(quantity_t_co2e) filter (where instrument_kind = 'offset'), 0)::double"
        f" as offsets from delivery.landing group by market having count(*) >= {at_least:g})",
        f"offsets <= {share!r} * total",
        "market || ': offsets ' || offsets || ' of ' || total || ' t'",
    )


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    years = limits.value("year_far_from_surrender", "years")
    return [
        _check_offsets(limits),
        count_broken(
            "year_far_from_surrender",
            "delivery.landing",
            f"extract(year from surrendered_on) - compliance_year between 0 and {years!r}",
            "surrender_id || ': year ' || compliance_year || ' surrendered on ' || surrendered_on",
        ),
        check_known_by_receipt("surrendered_on", "surrender_id"),
    ]
