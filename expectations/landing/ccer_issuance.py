"""Issuances that came before what they credit, and the scale of what is issued."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, check_scale, count_broken
from ingest.contract import Contract

_PER_DAY = "quantity_t_co2e / (monitoring_end - monitoring_start + 1)"


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    return [
        count_broken(
            "issued_before_monitored",
            "delivery.landing",
            "issued_on > monitoring_end",
            "issuance_id || ': monitored to ' || monitoring_end || ', issued on ' || issued_on",
        ),
        check_scale("issuance_rescaled", limits, ["project_id"], _PER_DAY),
        check_known_by_receipt("issued_on", "issuance_id"),
    ]
