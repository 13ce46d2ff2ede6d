"""Certificates issued before the power was made, and the scale of their energy."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, count_broken
from ingest.contract import Contract


def _check_energy(limits: Limits) -> Check:
    """Batches have no predecessor of their own: the middle energy of a day of generation stands for the delivery."""
    code = "energy_rescaled"
    ratio, at_least = limits.value(code, "ratio"), limits.value(code, "at_least")
    side = (
        "select count(*) as batches, median(energy_mwh / (generation_end - generation_start + 1)) as middle from {}"
        f" having count(*) >= {at_least:g}"
    )
    return count_broken(
        code,
        f"({side.format('delivery.landing')}) as now cross join ({side.format('delivery.previous')}) as before",
        f"now.middle / before.middle between 1.0 / {ratio!r} and {ratio!r}",
        "'MWh a day and batch: ' || round(before.middle, 3) || ' -> ' || round(now.middle, 3)",
    )


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    return [
        count_broken(
            "issued_before_generated",
            "delivery.landing",
            "issued_on > generation_end",
            "batch_id || ': generated to ' || generation_end || ', issued on ' || issued_on",
        ),
        _check_energy(limits),
        check_known_by_receipt("issued_on", "batch_id"),
    ]
