"""Drift of facility-years: scale of the emissions, and facilities that no longer report."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_members, check_scale, check_share
from ingest.contract import Contract


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    times = limits.value("allocation_far_from_emissions", "times")
    far = f"allocated_t_co2e not between verified_t_co2e / {times!r} and verified_t_co2e * {times!r}"
    return [
        check_scale("emissions_rescaled", limits, ["market", "facility_id", "benchmark_category"], "verified_t_co2e"),
        check_members("facilities_lost", limits, ["market"], "compliance_year", "facility_id"),
        check_share("allocation_far_from_emissions", limits, far, "facility_id || ' ' || compliance_year"),
    ]
