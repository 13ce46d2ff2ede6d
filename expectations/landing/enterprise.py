"""Drift of the enterprise register."""

from __future__ import annotations

from expectations.check import Check, Limits
from ingest.contract import Contract


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    code = "provinces_changed"
    share, at_least = limits.value(code, "share"), limits.value(code, "at_least")
    return [
        Check(
            code,
            f"select case when common >= {at_least:g} then common else 0 end as examined,"
            f" case when common >= {at_least:g} and (moved / common <= {share!r}) is not true then moved else 0 end as broken,"
            " moved || ' of ' || common || ' enterprises in both deliveries changed province' as evidence"
            " from (select count(*) as common, count(*) filter (where (now.province_code = before.province_code) is not true) as moved"
            " from delivery.landing as now join delivery.previous as before using (enterprise_id))",
            may_be_empty=True,  # a restated delivery may hold new enterprises only
        )
    ]
