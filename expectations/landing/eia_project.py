"""Projects that ran before they were approved, and the scale of intensities, which each row's own sum cannot show."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, check_newest, check_scale, count_broken
from ingest.contract import Contract


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    return [
        check_scale("intensity_rescaled", limits, ["product_code", "capacity_unit"], "intensity_kg_co2e_per_unit"),
        count_broken(
            "operating_before_approval",
            "delivery.landing where operational_on is not null",
            "operational_on >= approved_on",
            "eia_id || ': operational on ' || operational_on || ', approved on ' || approved_on",
        ),
        check_newest("nothing_recent", limits, "approved_on"),
        check_known_by_receipt("approved_on", "eia_id"),
    ]
