"""Drift of inventory lines."""

from __future__ import annotations

from expectations.check import Check, Limits
from ingest.contract import Contract


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    code = "lines_per_disclosure_moved"
    ratio, at_least = limits.value(code, "ratio"), limits.value(code, "at_least")
    lines = "select count(*) as total, count(*) / nullif(count(distinct (disclosure_id, revision)), 0) as lines,"
    lines += " count(distinct (disclosure_id, revision)) as disclosures from {}"
    return [
        Check(
            code,
            f"select examined, case when examined > 0 and (now / before between 1.0 / {ratio!r} and {ratio!r}) is not true then examined"
            " else 0 end as broken, 'lines per disclosure ' || round(before, 2) || ' -> ' || round(now, 2) as evidence"
            f" from (select case when now.disclosures >= {at_least:g} and before.disclosures >= {at_least:g} then now.total else 0 end"
            f" as examined, now.lines as now, before.lines as before from ({lines.format('delivery.landing')}) as now,"
            f" ({lines.format('delivery.previous')}) as before)",
            may_be_empty=True,  # a handful of disclosures has no usual number of lines
        )
    ]
