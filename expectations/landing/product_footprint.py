"""Drift of disclosures: what each row may rightly be and the whole delivery may not."""

from __future__ import annotations

from expectations.check import Check, Limits, list_examples
from ingest.contract import Contract


def _check_median(limits: Limits) -> Check:
    ratio, at_least = limits.value("median_moved", "ratio"), limits.value("median_moved", "at_least")
    group = "product_code, declared_unit, boundary, gwp_set"
    medians = f"select {group}, median(total_kg_co2e) as middle from {{}} group by {group} having count(*) >= {at_least:g}"
    condition = f"(now.middle / before.middle between 1.0 / {ratio!r} and {ratio!r}) is not true"
    shown = "now.product_code || ' per ' || now.declared_unit || ': ' || round(before.middle, 6) || ' -> ' || round(now.middle, 6)"
    return Check(
        "median_moved",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        f" from ({medians.format('delivery.landing')}) as now join ({medians.format('delivery.previous')}) as before using ({group})",
        may_be_empty=True,  # only products with enough disclosures in both deliveries have medians to compare
    )


def _check_verification(limits: Limits) -> Check:
    code = "verified_share_collapsed"
    fall, at_least = limits.value(code, "fall_share"), limits.value(code, "at_least")
    share = "select count(*) as total, count(verified_on) / nullif(count(*), 0) as verified from {}"
    return Check(
        code,
        "select examined, case when examined > 0 and (now >= before * (1 - "
        f"{fall!r})) is not true then examined else 0 end as broken,"
        " 'verified share ' || round(before, 3) || ' -> ' || round(now, 3) as evidence"
        f" from (select case when now.total >= {at_least:g} and before.total >= {at_least:g} then now.total else 0 end as examined,"
        f" now.verified as now, before.verified as before from ({share.format('delivery.landing')}) as now,"
        f" ({share.format('delivery.previous')}) as before)",
        may_be_empty=True,
    )


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    return [_check_median(limits), _check_verification(limits)]
