"""What is wrong with a delivery, cell by cell: from its quarantine file, its receipt and the rows as they were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from ingest.contract import Contract, Message
from ingest.headers import fold_header, simplify_header
from ingest.layout_form import layouts_of
from ingest.readers import RawTable

MOST_ROWS_MARKED = 5_000


@dataclass(frozen=True)
class Proposal:
    """Values that would put a row right, by contract column, and the kind of slip they undo."""

    kind: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Finding:
    """One reason for which a row was refused. `record` is its place among the delivery's records, `row_number` among the file's rows."""

    record: int
    row_number: int
    code: str
    columns: tuple[str, ...]
    value: str | None
    message: Message
    reason: Message
    waits: bool = False
    proposal: Proposal | None = None


@dataclass
class Findings:
    """All that was found, and how many refused rows there are, of which the first `MOST_ROWS_MARKED` are told one by one."""

    found: list[Finding] = field(default_factory=list)
    row_count: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def read_findings(path: Path | None, contract: Contract) -> Findings:
    """Findings of a quarantine file; none where there is no such file."""
    if path is None or not path.exists():
        return Findings()
    table = pq.read_table(path, columns=["_record", "_row_number", "reasons", "verdict"])
    waiting = {rule.code for rule in contract.rules if rule.waits}
    counts: dict[str, int] = {}
    for reasons in table["reasons"].to_pylist():
        for reason in reasons:
            counts[reason["code"]] = counts.get(reason["code"], 0) + 1
    found = [
        Finding(
            record=row["_record"],
            row_number=row["_row_number"],
            code=reason["code"],
            columns=tuple(reason["column_name"].split(", ")),
            value=reason["value"],
            message=Message(reason["message_zh"], reason["message_en"]),
            reason=Message(reason["reason_zh"] or "", reason["reason_en"] or ""),
            waits=row["verdict"] == "waiting" and reason["code"] in waiting,
        )
        for row in table.slice(0, MOST_ROWS_MARKED).to_pylist()
        for reason in row["reasons"]
    ]
    return Findings(found, table.num_rows, counts)


def place_columns(contract: Contract, raw: RawTable, layout: str | None) -> dict[str, int]:
    """Contract column -> position among the file's headers, as far as one can be told; the first where several name it."""
    at: dict[str, int] = {}
    for position, header in enumerate(raw.headers):
        at.setdefault(fold_header(header), position)
        at.setdefault(simplify_header(fold_header(header)), position)
    if layout is not None:
        found = {}
        for record in reversed(layouts_of(contract)[layout].records):
            for target, cell in record.get("columns", {}).items():
                named = fold_header(str(cell.get("header", ""))) if isinstance(cell, dict) else ""
                if named in at:
                    found[str(target)] = at[named]
        return found
    placed = {}
    for column in contract.columns:
        names = [fold_header(alias) for alias in (column.name, *column.aliases)]
        positions = [at[name] for name in names if name in at]
        if positions:
            placed[column.name] = min(positions)
    return placed


def repeated_headers(contract: Contract, raw: RawTable) -> list[int]:
    """Positions of headers that stand twice or name the same column as one before."""
    named = {fold_header(alias): column.name for column in contract.columns for alias in (column.name, *column.aliases)}
    seen: set[str] = set()
    repeated = []
    for position, header in enumerate(raw.headers):
        folded = fold_header(header)
        column = named.get(folded) or named.get(simplify_header(folded)) or folded
        if column and column in seen:
            repeated.append(position)
        seen.add(column)
    return repeated


def missing_columns(contract: Contract, raw: RawTable) -> list[str]:
    placed = place_columns(contract, raw, None)
    return [name for name in contract.required_names if name not in placed]


def group_by_rule(findings: Findings) -> dict[str, list[Finding]]:
    """Findings by rule, the most frequent first."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings.found:
        groups.setdefault(finding.code, []).append(finding)
    return dict(sorted(groups.items(), key=lambda item: (-findings.counts.get(item[0], 0), item[0])))


def with_proposals(findings: Findings, proposals: Mapping[tuple[int, str], Proposal]) -> Findings:
    """The findings with a proposed value where one is sure; by record and rule."""
    found = [
        Finding(**(finding.__dict__ | {"proposal": proposals.get((finding.record, finding.code))}))  # shallow: messages stay themselves
        for finding in findings.found
    ]
    return Findings(found, findings.row_count, findings.counts)
