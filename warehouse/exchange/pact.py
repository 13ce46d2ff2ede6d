"""PACT footprints that may be shared: those under a label in force, in the very words of their sender.

A document is passed on as it was delivered, where it holds every field that its version requires; a footprint that nobody stated as PACT is
not made into one, since fields such as the fossil carbon content would have to be made up: what is missing is listed instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingest.documents.pact import KIND
from ingest.documents.record import find

Document = dict[str, Any]
SOURCE = "footprint__labelled_products"
_QUERY = (
    f'select exchange_document, document_kind, disclosure_id from marts."{SOURCE}" where is_label_valid and document_kind like $1 '
    "qualify row_number() over (partition by disclosure_id order by certificate_no) = 1 order by disclosure_id"
)
_YEARS_VALID = 3  # PACT 3: without a validity period a footprint holds for three years from the end of its reference period


class FilterError(ValueError):
    """A filter that cannot be understood."""


def read_shared(read: Callable[[str, list[Any]], list[dict[str, Any]]], version: int) -> list[Document]:
    """The documents of a major version that the reader's file may share, in the order of their disclosures."""
    found = []
    for row in read(_QUERY, [f"pact {version}.%"]):
        document = json.loads(row["exchange_document"])
        if not missing_fields(document, row["document_kind"].removeprefix("pact ")):
            found.append(document)
    return found


def missing_fields(document: Mapping[str, Any], version: str) -> list[str]:
    """Required fields of the version that the document lacks."""
    return [path for path in KIND.required(version) if find(document, path) is None]


def parse_moment(text: str) -> datetime:
    """An RFC 3339 instant; without a zone it is UTC.

    Raises:
        FilterError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign of a query string that was not escaped
    except ValueError as error:
        raise FilterError(f"not a date-time: {text[:40]}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def validity_of(document: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Start and end of a footprint's validity."""
    end = parse_moment(str(find(document, "pcf.referencePeriodEnd")))
    start = find(document, "validityPeriodStart")
    until = find(document, "validityPeriodEnd")
    first = parse_moment(str(start)) if start else end
    if until:
        return first, parse_moment(str(until))
    leap = end.month == 2 and end.day == 29
    return first, end.replace(year=end.year + _YEARS_VALID, day=28 if leap else end.day)


@dataclass(frozen=True)
class Asked:
    """The filters of PACT 3: within one, values are alternatives; all of them must hold."""

    product_ids: Sequence[str] = ()
    company_ids: Sequence[str] = ()
    geographies: Sequence[str] = ()
    classifications: Sequence[str] = ()
    valid_on: datetime | None = None
    valid_after: datetime | None = None
    valid_before: datetime | None = None
    status: str | None = None

    def admits(self, document: Document) -> bool:
        lists = (
            (self.product_ids, document.get("productIds")),
            (self.company_ids, document.get("companyIds")),
            (self.classifications, document.get("productClassifications")),
            (
                self.geographies,
                [find(document, f"pcf.geography{name}") for name in ("RegionOrSubregion", "Country", "CountrySubdivision")],
            ),
        )
        if not all(_meets(wanted, held) for wanted, held in lists):
            return False
        if self.status is not None and str(document.get("status", "")).lower() != self.status.lower():
            return False
        if self.valid_on is None and self.valid_after is None and self.valid_before is None:
            return True
        start, end = validity_of(document)
        return (
            (self.valid_on is None or start <= self.valid_on <= end)
            and (self.valid_after is None or start > self.valid_after)
            and (self.valid_before is None or end < self.valid_before)
        )


def _meets(wanted: Sequence[str], held: Any) -> bool:
    if not wanted:
        return True
    there = {str(value).lower() for value in (held or []) if value is not None}
    return any(value.lower() in there for value in wanted)


_COMPARISON = re.compile(r"^([A-Za-z][\w/]*)\s+(eq|ne|lt|le|gt|ge)\s+'((?:[^']|'')*)'$")
_ANY = re.compile(r"^(productIds|companyIds)/any\(\s*(\w+)\s*:\s*\(?\s*(\w+)\s+eq\s+'((?:[^']|'')*)'\s*\)?\s*\)$")
_AND = re.compile(r"\s+and\s+(?=(?:[^']*'[^']*')*[^']*$)")
_DATED = frozenset({"created", "updated", "pcf/referencePeriodStart", "pcf/referencePeriodEnd"})
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "lt": lambda a, b: bool(a < b),
    "le": lambda a, b: bool(a <= b),
    "gt": lambda a, b: bool(a > b),
    "ge": lambda a, b: bool(a >= b),
}


def parse_filter(text: str) -> Callable[[Document], bool]:
    """The part of OData 4 that PACT 2 names: comparisons of fields and `any` over identifiers, joined by `and`.

    Raises:
        FilterError: anything else.
    """
    tests = [_parse_term(_unwrap(term.strip())) for term in _AND.split(text.strip())]
    return lambda document: all(test(document) for test in tests)


def _unwrap(term: str) -> str:
    return term[1:-1].strip() if term.startswith("(") and term.endswith(")") else term


def _parse_term(term: str) -> Callable[[Document], bool]:
    if match := _ANY.match(term):
        field, name, used, value = match.group(1), match.group(2), match.group(3), match.group(4).replace("''", "'")
        if name == used:
            return lambda document: value in (document.get(field) or [])
    if match := _COMPARISON.match(term):
        path, operator, value = match.group(1), match.group(2), match.group(3).replace("''", "'")
        test = _TESTS[operator]
        if path in _DATED:
            moment = parse_moment(value)
            return lambda document: _compare_moment(find(document, path.replace("/", ".")), test, moment)
        return lambda document: isinstance(held := find(document, path.replace("/", ".")), str) and test(held, value)
    raise FilterError(f"not understood: {term[:80]}")


def _compare_moment(held: Any, test: Callable[[Any, Any], bool], moment: datetime) -> bool:
    return isinstance(held, str) and test(parse_moment(held), moment)
