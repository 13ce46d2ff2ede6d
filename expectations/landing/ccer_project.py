"""Drift of the project register: scale of the estimates, and crediting periods no methodology grants."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, check_scale, count_broken
from ingest.contract import Contract


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    years = limits.value("crediting_too_long", "years")
    return [
        check_scale("estimates_rescaled", limits, ["project_id"], "estimated_annual_t_co2e"),
        count_broken(
            "crediting_too_long",
            "delivery.landing",
            f"crediting_end < crediting_start + to_years({int(years)})",
            "project_id || ': ' || crediting_start || ' to ' || crediting_end",
        ),
        check_known_by_receipt("registered_on", "project_id"),
    ]
