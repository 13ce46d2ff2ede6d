"""Certificates whose states lie outside their validity, or whose validity is longer than any scheme grants."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, count_broken
from ingest.contract import Contract


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    years = limits.value("validity_too_long", "years")
    return [
        count_broken(
            "state_outside_validity",
            "delivery.landing",
            "state_on between issued_on and expires_on",
            "certificate_no || ' ' || state || ' on ' || state_on || ', valid ' || issued_on || ' to ' || expires_on",
        ),
        count_broken(
            "validity_too_long",
            "delivery.landing",
            f"expires_on <= issued_on + to_years({int(years)})",
            "certificate_no || ': ' || issued_on || ' to ' || expires_on",
        ),
        check_known_by_receipt("state_on", "certificate_no || ' ' || state"),
    ]
