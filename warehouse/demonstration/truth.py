"""What a right pipeline finds in the world, counted while its files are written."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

AS_OF = "2026-10-31T23:59:59+08:00"
SOURCES = (
    *("enterprise", "emission_factor", "product_footprint", "footprint_activity", "market_quote", "market_trade"),
    *("ets_facility_year", "ets_surrender", "ccer_project", "ccer_issuance", "ccer_cancellation", "green_certificate"),
    *("eia_project", "loan", "pcf_standard", "label_certificate", "policy_task", "meter_reading"),
)


@dataclass
class Truth:
    """Counts and faults by stage; the stages are received one after the other."""

    stages: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    identical: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejected: list[dict[str, str]] = field(default_factory=list)
    normalised: list[dict[str, Any]] = field(default_factory=list)
    findings: dict[str, list[str]] = field(default_factory=dict)

    def count(self, stage: str, source: str, **counts: int) -> None:
        """Add accepted, duplicate, quarantined and waiting rows; received is their sum."""
        empty = {"received": 0, "accepted": 0, "duplicate": 0, "quarantined": 0, "waiting": 0}
        totals = self.stages.setdefault(stage, {}).setdefault(source, empty)
        for name, value in counts.items():
            totals[name] += value
        totals["received"] += sum(counts.values())

    def list_faults(self, source: str, file: str, rules: dict[int, str]) -> None:
        for row_number, rule in sorted(rules.items()):
            entry = {"stage": "second", "source": source, "file": file, "row_number": row_number}
            self.rows.append(entry | {"verdict": "quarantined", "rule": f"{source}.{rule}"})

    def sum_sources(self) -> dict[str, dict[str, int]]:
        """All stages together, when every waiting line has landed."""
        totals = {}
        for source in SOURCES:
            parts = [self.stages.get(stage, {}).get(source, {}) for stage in ("first", "second", "exchange")]
            merged = {
                name: sum(part.get(name, 0) for part in parts) for name in ("received", "accepted", "duplicate", "quarantined", "waiting")
            }
            merged["accepted"] += merged.pop("waiting")
            totals[source] = merged
        return totals


def write_truth(path: Path, arguments: dict[str, Any], truth: Truth) -> None:
    content = {
        "arguments": arguments,
        "as_of": AS_OF,
        "synthetic": {
            "zh": "企业、披露、活动数据、每日行情与成交、履约、减排量、环评、贷款、标识与任务进展均为合成；电力排放因子、月度成交量与月末价为公开数据",
            "en": "enterprises, disclosures, activities, daily quotes and trades, compliance, credits, approvals, loans, labels and task states "
            "are synthetic; "
            "electricity factors, monthly volumes and month-end closes are published",
        },
        "sources": truth.sum_sources(),
        "stages": truth.stages,
        "identical_files": truth.identical,
        "rejected_files": truth.rejected,
        "normalised_cells": truth.normalised,
        "rows": truth.rows,
        "findings": truth.findings,
    }
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
