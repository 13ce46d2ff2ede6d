"""What a rule is and what a finding rests on, said in words: the marts keep codes and JSON, which programs compare."""

from __future__ import annotations

import json
from functools import cache

from dashboards.reports.figures import head_column, name_code, write_figure
from dashboards.reports.wording import Text, load_wording, same, say
from ingest.contract import read_contracts


@cache
def list_faults() -> dict[str, dict[str, Text]]:
    """Source -> rule -> its sentence: the contract's own rules, and what every source asks of a cell, which has one wording for all."""
    common = {code.removeprefix("fault_"): text for code, text in load_wording().items() if code.startswith("fault_")}
    return {
        source: common | {rule.code: Text(rule.message.zh, rule.message.en) for rule in contract.rules}
        for source, contract in read_contracts().items()
    }


def name_fault(source: str, rule: str) -> Text:
    """The sentence of a row rule as `list_faults` has it; the code where there is none."""
    return list_faults().get(source, {}).get(rule, same(rule))


def tell_evidence(evidence: str | None) -> Text:
    """The parts of a finding's evidence, each by its column's name; figures as everywhere else, codes in words."""
    try:
        parts = json.loads(evidence or "{}")
    except json.JSONDecodeError:
        return same(evidence)
    if not isinstance(parts, dict) or not parts:
        return same(evidence or "—")
    told = [say("evidence_part", name=head_column(name), value=_tell(name, value)) for name, value in parts.items()]
    return Text("；".join(text.zh for text in told), "; ".join(text.en for text in told))


def name_subject(subject: str) -> Text:
    """A subject that is several codes: each by itself."""
    return same(" · ".join(subject.split("|")))


def _tell(column: str, value: object) -> Text:
    if isinstance(value, bool):
        return say("flag_yes" if value else "flag_no")
    return name_code(column, value) if isinstance(value, str) else same(write_figure(column, value))
