"""Columns of words beside the columns of codes and of JSON, worked out where a table is read.

The marts keep codes, which programs compare; a reader is shown names. Flags are codes of two values, a rule is shown as the sentence that its
sender was told, what a finding rests on part by part.
"""

from __future__ import annotations

from functools import cache

from dashboards.charts import Node
from dashboards.definitions import LANGUAGES
from dashboards.names import read_names
from dashboards.reports.evidence import list_faults
from dashboards.reports.figures import head_column, name_code
from dashboards.reports.numbers import ABSENT

_FLAG = {"true": {"zh": "是", "en": "Yes"}, "false": {"zh": "否", "en": "No"}}
# What findings rest on, in the order in which it is read; codes among it with their lists.
EVIDENCE = (
    "matched_by",
    "first_covered_year",
    "project_id",
    "methodology_code",
    "registered_on",
    "cancelled_on",
    "usable_until",
    "overlap_start",
    "overlap_end",
    "overlap_days",
    "monitoring_days",
    "issued_t_co2e",
    "cancelled_t_co2e",
    "surrendered_offset_t_co2e",
    "offset_cap_t_co2e",
)
_EVIDENCE_CODES = {"matched_by": ("facility", "owner")}
_BETWEEN = {"zh": "；", "en": "; "}


def name_columns(columns: Node) -> dict[str, str]:
    """Column of words -> SQL that works it out, for every column of codes, flags, days, rules and JSON of a table.

    A column of names that the mart has itself stays as it is.
    """
    named = read_names()
    found: dict[str, str] = {}
    for column, kind in columns.items():
        codes = _FLAG if kind == "BOOLEAN" else named.get(column)
        for lang in LANGUAGES:
            name = f"{column.removesuffix('_code')}_name_{lang}"
            if codes and name not in columns:
                found[name] = _write_case(column, {code: text[lang] for code, text in codes.items()})
            elif kind == "DATE":
                # As text a day can be chosen from a list.
                found[name] = f"cast({column} as varchar)"
            elif column == "evidence":
                found[name] = _tell_evidence(column, lang)
            elif column == "path":
                joined = f"coalesce(nullif(array_to_string(json_extract_string({column}, '$[*]'), ' → '), ''), '{ABSENT}')"
                found[name] = _only_json(column, joined)
            elif column == "rule" and "source" in columns:
                found[name] = _tell_fault(lang)
    return found


def _write_case(column: str, texts: dict[str, str]) -> str:
    """A code without a name is shown as it is."""
    code = f"cast({column} as varchar)"
    cases = " ".join(f"when {_quote(value)} then {_quote(text)}" for value, text in texts.items() if value)
    named = f"case {code} {cases} else {code} end"
    return f"coalesce({named}, {_quote(texts[''])})" if "" in texts else named


@cache
def _tell_fault(lang: str) -> str:
    """A rule's code means what its source's contract says."""
    cases = [
        f"when source = {_quote(source)} and rule = {_quote(rule)} then {_quote(getattr(text, lang))}"
        for source, faults in list_faults().items()
        for rule, text in faults.items()
    ]
    return f"case {' '.join(cases)} else rule end"


def _tell_evidence(column: str, lang: str) -> str:
    """Each part that is there, by its column's name; what is no part that is known stays as it stands."""
    parts = []
    for part in EVIDENCE:
        value = f"json_extract_string({column}, '$.{part}')"
        parts.append(f"{_quote(getattr(head_column(part), lang) + ' ')} || {_tell_part(part, value, lang)}")
    return _only_json(column, f"coalesce(nullif(concat_ws({_quote(_BETWEEN[lang])}, {', '.join(parts)}), ''), {column})")


def _only_json(column: str, told: str) -> str:
    """A text that is no JSON is shown as it is, instead of ending the question for every row."""
    return f"case when {column} is null or json_valid({column}) then {told} else {column} end"


def _tell_part(part: str, value: str, lang: str) -> str:
    if part in _EVIDENCE_CODES:
        return _write_case(value, {code: getattr(name_code(part, code), lang) for code in _EVIDENCE_CODES[part]})
    if part in read_names():
        return _write_case(value, {code: text[lang] for code, text in read_names()[part].items()})
    if part.endswith("_t_co2e"):
        return f"coalesce(format('{{:,.0f}}', try_cast({value} as double)), {value})"
    return value


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
