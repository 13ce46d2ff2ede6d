"""Cancellations for compliance that do not say whose compliance."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, count_broken
from ingest.contract import Contract


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    return [
        count_broken(
            "offset_for_nobody",
            "delivery.landing where purpose = 'ets_offset'",
            "beneficiary_id is not null and compliance_year is not null",
            "cancellation_id",
        ),
        check_known_by_receipt("cancelled_on", "cancellation_id"),
    ]
