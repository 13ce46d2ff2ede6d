"""The first sheet of a returned workbook: what was found, by rule and one by one, how to put it right and how to deliver again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.contract import Contract
from warehouse.repair import slips
from warehouse.repair.findings import Finding, Findings, group_by_rule
from warehouse.repair.package import Line, Style
from warehouse.texts import say

MOST_LISTED = 2_000
_PLAIN, _WRAPPED, _BOLD = Style(), Style(wrap=True), Style(bold=True)
_HEAD = Style(fill="DDEBF7", bold=True, wrap=True)
FAULTY_SHOWN, PROPOSED_SHOWN = Style(fill="FFC7CE", wrap=True), Style(fill="FFEB9C", wrap=True)
_LONGEST = 500


def name_columns(contract: Contract, columns: tuple[str, ...], lang: str) -> str:
    """Columns as a person knows them."""
    names = []
    for name in columns:
        column = next((column for column in contract.columns if column.name == name), None)
        names.append(f"{column.title.zh}（{name}）" if column is not None and lang == "zh" else name)
    return "、".join(names) if lang == "zh" else ", ".join(names)


def kind_of(finding: Finding, lang: str) -> str:
    """What kind of slip a proposal undoes."""
    return str(slips.declared()["kinds"][finding.proposal.kind][lang]) if finding.proposal else ""


def describe(contract: Contract, finding: Finding, lang: str) -> str:
    """A finding as the comment of a cell: what was expected, what was found, why, and the likely cause where a proposal shows it."""
    lines = [
        say("repair.expected", lang, code=finding.code, message=finding.message.in_language(lang)),
        say("repair.columns", lang, columns=name_columns(contract, finding.columns, lang)),
        say("repair.found", lang, value=(finding.value or say("repair.empty", lang))[:_LONGEST]),
    ]
    reason = finding.reason.in_language(lang)
    if reason:
        lines.append(say("repair.why", lang, reason=reason))
    if finding.proposal:
        lines.append(say("repair.cause", lang, cause=kind_of(finding, lang)))
    return "\n".join(lines)


def _head(*keys: str, lang: str) -> Line:
    return Line([(say(key, lang), _HEAD) for key in keys])


def _by_rule(findings: Findings, lang: str) -> list[Line]:
    lines = [
        Line([(say("repair.by_rule", lang), _BOLD)]),
        _head("receipt.rule", "repair.count", "receipt.expected", "receipt.why", "repair.proposed_count", lang=lang),
    ]
    for code, group in group_by_rule(findings).items():
        proposed = sum(finding.proposal is not None for finding in group)
        cells = [code, str(findings.counts[code]), group[0].message.in_language(lang), group[0].reason.in_language(lang), str(proposed)]
        lines.append(Line([(cell, _WRAPPED) for cell in cells]))
    return lines


def _one_by_one(contract: Contract, findings: Findings, spots: Mapping[tuple[int, str], str | None], lang: str) -> list[Line]:
    lines = [
        Line([(say("repair.one_by_one", lang), _BOLD)]),
        _head("repair.cell", "receipt.rule", "receipt.found", "receipt.expected", "repair.proposal", "repair.likely", lang=lang),
    ]
    for finding in [finding for finding in findings.found if not finding.waits][:MOST_LISTED]:
        spot = spots.get((finding.record, finding.code))
        proposal = "; ".join(f"{name} = {value}" for name, value in finding.proposal.values.items()) if finding.proposal else ""
        cells = [
            (spot or say("repair.row", lang, row=finding.row_number), _WRAPPED),
            (finding.code, _WRAPPED),
            (f"{name_columns(contract, finding.columns, lang)}: {(finding.value or say('repair.empty', lang))[:_LONGEST]}", FAULTY_SHOWN),
            (finding.message.in_language(lang), _WRAPPED),
            (proposal, PROPOSED_SHOWN if proposal else _WRAPPED),
            (kind_of(finding, lang) or finding.reason.in_language(lang), _WRAPPED),
        ]
        lines.append(Line(cells, link=f"{contract.source}!{spot}" if spot else None))
    return lines


def summarise(
    contract: Contract,
    delivery: dict[str, Any],
    receipt: dict[str, Any],
    findings: Findings,
    spots: Mapping[tuple[int, str], str | None],
    lang: str,
    is_own_file: bool,
    rows_held: int,
) -> list[Line]:
    """The lines of the sheet."""
    title = contract.title.in_language(lang)
    lines = [
        Line([(say("repair.title", lang, title=title, file=delivery["file"]), _BOLD)]),
        Line([(say(f"verdict.{receipt['verdict']}", lang), _BOLD)]),
    ]
    if receipt["verdict"] != "rejected":
        lines.append(Line([(say("receipt.counts", lang, **receipt["counts"]), _PLAIN)]))
    lines += [Line([(f"{reason['code']}: {reason[f'message_{lang}']}", FAULTY_SHOWN)]) for reason in receipt["reasons"]]
    lines.append(Line([(say("repair.delivery", lang, sequence=delivery["sequence"], at=delivery["received_at"][:19]), _PLAIN)]))
    lines += [Line([("", _PLAIN)]), Line([(say("repair.how", lang), _BOLD)])]
    steps = ["repair.step_colours", "repair.step_fix", "repair.step_untouched", "repair.step_deliver"]
    lines += [Line([(say(key, lang, source=contract.source), _PLAIN)]) for key in steps]
    total = receipt.get("rows_in_file") or receipt["counts"].get("received") or rows_held
    if not is_own_file and rows_held < total:
        key = "repair.part_rejected" if receipt["verdict"] == "rejected" else "repair.part"
        lines.append(Line([(say(key, lang, held=rows_held, total=total), FAULTY_SHOWN)]))
    if receipt["counts"].get("waiting"):
        lines.append(Line([(say("receipt.waits", lang, count=receipt["counts"]["waiting"]), _PLAIN)]))
    if findings.found:
        lines += [Line([("", _PLAIN)]), *_by_rule(findings, lang), Line([("", _PLAIN)])]
        lines += _one_by_one(contract, findings, spots, lang)
    return lines
