"""What a check is: one SQL query that says how many things it examined and how many of them are broken.

How bad a broken one is, what is said about it and where the line runs stand in `thresholds.yaml`: a number in a query would be a
judgement nobody can find. A check the thresholds do not list cannot be built, and a listed check that is not evaluated is a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from ingest.contract import Message

THRESHOLDS = Path(__file__).parent / "thresholds.yaml"

# As Great Expectations has them: what stops, what is to be known before a figure is quoted, what a gate says of its own work.
Severity = Literal["critical", "info", "warning"]

_ENTRY_KEYS = {"code", "severity", "message", "reason", "values", "compares"}


class ThresholdError(ValueError):
    """`thresholds.yaml` says something the gates cannot use; names the entry."""


@dataclass(frozen=True)
class Threshold:
    """One line of judgement: how severe, in which words, and the figures that draw the line."""

    code: str
    severity: Severity
    message: Message
    reason: Message
    values: Mapping[str, float] = field(default_factory=dict)
    compares: bool = False  # needs a predecessor to compare with


@dataclass(frozen=True)
class Check:
    """A query of one row with the columns `examined`, `broken` and `evidence`.

    `broken` is counted with `is not true`, so that a comparison with NULL is broken and never passes. `may_be_empty` is for the
    few checks whose subject may rightly not exist; every other check fails when it examined nothing.
    """

    code: str
    query: str
    may_be_empty: bool = False
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # view -> columns that an older predecessor may lack
    row_count: int | None = None  # when given, the batch must hold exactly so many rows (asked of Great Expectations itself)


class Limits:
    """The thresholds of one suite, by code."""

    def __init__(self, suite: str, entries: Iterable[Threshold]) -> None:
        self.suite = suite
        self._entries = {entry.code: entry for entry in entries}

    def of(self, code: str) -> Threshold:
        """The threshold of a code.

        Raises:
            ThresholdError: the code is not listed.
        """
        if code not in self._entries:
            raise ThresholdError(f"{self.suite}: the check {code} has no entry in {THRESHOLDS.name}")
        return self._entries[code]

    def value(self, code: str, name: str) -> float:
        """A figure of a threshold.

        Raises:
            ThresholdError: the code or the figure is not listed.
        """
        values = self.of(code).values
        if name not in values:
            raise ThresholdError(f"{self.suite}: {code} needs the value {name} in {THRESHOLDS.name}")
        return values[name]

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(self._entries)

    def comparing(self) -> frozenset[str]:
        return frozenset(code for code, entry in self._entries.items() if entry.compares)


def _read_message(item: Any, where: str) -> Message:
    if not isinstance(item, dict) or set(item) != {"zh", "en"}:
        raise ThresholdError(f"{where}: needs exactly zh and en")
    return Message(zh=str(item["zh"]), en=str(item["en"]))


def _read_entry(item: Any, suite: str) -> Threshold:
    where = f"{suite}: {item.get('code')}"
    unknown = sorted(set(item) - _ENTRY_KEYS)
    if unknown:
        raise ThresholdError(f"{where}: unknown keys {', '.join(unknown)}")
    if item.get("severity") not in get_args(Severity):
        raise ThresholdError(f"{where}: severity must be one of {', '.join(get_args(Severity))}")
    return Threshold(
        code=str(item["code"]),
        severity=item["severity"],
        message=_read_message(item.get("message"), where),
        reason=_read_message(item.get("reason"), where),
        values={name: float(value) for name, value in (item.get("values") or {}).items()},
        compares=bool(item.get("compares", False)),
    )


@cache
def read_thresholds(path: Path = THRESHOLDS) -> Mapping[str, tuple[Threshold, ...]]:
    """Every suite's thresholds by the suite's name; unknown keys and repeated codes are refused.

    Raises:
        ThresholdError: an entry is not complete in both languages, or not known.
    """
    document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    found: dict[str, tuple[Threshold, ...]] = {}
    for suite, items in document.items():
        entries = tuple(_read_entry(item, suite) for item in items or ())
        codes = [entry.code for entry in entries]
        repeated = sorted({code for code in codes if codes.count(code) > 1})
        if repeated:
            raise ThresholdError(f"{suite}: repeated codes {', '.join(repeated)}")
        found[suite] = entries
    return found


def quote_text(value: str) -> str:
    """A value as an SQL text literal."""
    return "'" + value.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def list_examples(expression: str, condition: str, limit: int = 5) -> str:
    """An aggregate that writes the first few of `expression` where `condition` holds, as evidence a person can look up."""
    return f"array_to_string(list_slice(array_agg({expression} order by {expression}) filter (where {condition}), 1, {limit}), '; ')"


def count_broken(code: str, condition: str, shown: str, source: str) -> Check:
    """A check over the rows of `source`: each is broken where the condition holds. What is shown of a row is computed once, so that
    examples are cheap."""
    return Check(
        code,
        f"select count(*) as examined, count(*) filter (where broken) as broken, {list_examples('shown', 'broken')} as evidence"
        f" from (select {condition} as broken, {shown} as shown from {source})",
    )
