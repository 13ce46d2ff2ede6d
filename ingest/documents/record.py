"""One record of a JSON document on its way to a row: cells as text, and what the row is told apart and looked up by.

Nothing is typed here: a value that cannot be brought to the contract's form is handed on as a text that the typing refuses and shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

from stdnum import lei
from stdnum.cn import uscc

from ingest.contract import Message
from ingest.faults import FileRefused, unreadable
from ingest.readers.strict_json import Number, write

Document = dict[str, Any]

_DECIMAL = re.compile(r"[+-]?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,3})?")
_EXACT = Context(prec=2500)
_UUID = re.compile(r"(?:urn:uuid:)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")
_LEI = re.compile(r"(?:^|:)lei:([0-9A-Za-z]{20})$", re.IGNORECASE)
_DUNS = re.compile(r"(?:^|:)duns:(\d{2}-?\d{3}-?\d{4})$", re.IGNORECASE)
_MICROSECONDS = re.compile(r"(\.\d{6})\d+")


@dataclass(frozen=True)
class Record:
    """What one document says.

    Attributes:
        cells: contract column -> text.
        document_id: by which other documents name this one; preceding: the ids it names, or None where the kind numbers its own revisions.
        products: identifiers of the product, to be looked up in the reference list, the most specific first.
        faults: (code, column, value) of what no single cell shows.
    """

    cells: dict[str, str]
    document_id: str = ""
    preceding: tuple[str, ...] | None = None
    products: tuple[str, ...] = ()
    version: str = ""
    faults: tuple[tuple[str, str, str], ...] = field(default=())


@dataclass(frozen=True)
class Kind:
    """A kind of document: how it is recognised, how it is read, and the published requirements it is held against.

    `paths`: where a contract column stands in a document of some version, for the sender of a document in which it is missing.
    `required`: paths that the published schema of a version requires.
    """

    name: str
    title: Message
    recognises: Callable[[Document], bool]
    read: Callable[[Document], Record]
    paths: Callable[[str], Mapping[str, str]]
    required: Callable[[str], tuple[str, ...]]


def unknown_version(kind: Message, found: Any, known: str) -> FileRefused:
    """A version that nobody has mapped is refused whole: half of it might be read as something else."""
    shown = text_of(found)[:60] or "-"
    return unreadable(
        f"不认识此版本的{kind.zh}（{shown}；可读：{known}），整个文件未读。",
        f"This version of {kind.en} is not known ({shown}; readable: {known}): nothing of the file was read.",
    )


def text_of(value: Any) -> str:
    """A JSON value as a cell: absent and null are the empty text, a text is itself, all else its JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else write(value)


def find(document: Any, path: str) -> Any:
    """The value at a dotted path; None where any step is missing."""
    for step in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(step)
    return document


def texts(value: Any) -> Iterator[str]:
    """The texts of a list, each plain or the only value of an object (some versions wrap identifiers); a lone text counts as a list of one."""
    for item in value if isinstance(value, list) else [value]:
        inner = next(iter(item.values())) if isinstance(item, dict) and len(item) == 1 else item
        if isinstance(inner, str) and not isinstance(inner, Number) and inner.strip():
            yield inner.strip()


def scaled(value: Any, times: Decimal, negate: bool = False) -> str:
    """A decimal times a power of ten or another factor, exactly. What is no plain decimal keeps its text, marked so that no typing takes it for scaled."""
    text = text_of(value)
    if not text:
        return ""
    if not _DECIMAL.fullmatch(text):
        return f"{'-' if negate else ''}{times:f} × {text}" if negate or times != 1 else text
    if times == 1 and not negate:
        return text
    product = _EXACT.multiply(Decimal(text), times)
    product = product.copy_negate() if negate and product else product
    return f"{product:f}"


def decimal_of(value: Any) -> Decimal | None:
    """A decimal written as a JSON text or number; None where it is neither."""
    text = text_of(value)
    return Decimal(text) if _DECIMAL.fullmatch(text) else None


def mean_of(values: list[Any]) -> str:
    """The mean of decimals; empty unless every one of them is given."""
    given = [text_of(value) for value in values]
    if not all(given):
        return ""
    if not all(_DECIMAL.fullmatch(text) for text in given):
        return " + ".join(given)
    return f"{sum((Decimal(text) for text in given), Decimal()) / len(given):f}"


def instant(value: Any) -> str:
    """An instant with at most microseconds: what some systems write beyond them changes nothing."""
    return _MICROSECONDS.sub(r"\1", text_of(value))


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(instant(value))
    except ValueError:
        return None


def first_day(value: Any) -> str:
    """The day of an instant where it was written down: a calendar year stated in another zone stays a calendar year."""
    moment = _moment(value)
    return moment.date().isoformat() if moment else text_of(value)


def last_day(value: Any) -> str:
    """The last day of a period by its end, which is exclusive: midnight of a day ends the day before."""
    moment = _moment(value)
    if moment is None or moment.year < 2:
        text = text_of(value)
        return f"< {text}" if text else ""
    return (moment - timedelta(microseconds=1)).date().isoformat()


def milliseconds(value: Any) -> str:
    """An instant given as milliseconds since 1970."""
    text = text_of(value)
    if not re.fullmatch(r"\d{1,14}", text):
        return text
    return datetime.fromtimestamp(int(text) // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def uuid_of(value: Any) -> str:
    """An identifier; one that is a UUID in its plain lower-case form, so that spellings of one id meet."""
    text = text_of(value).strip()
    match = _UUID.fullmatch(text)
    return match.group(1).lower() if match else text


def enterprise_of(identifiers: Any, name: Any) -> str:
    """The enterprise: the first identifier that carries a valid Unified Social Credit Code, else a valid LEI or a DUNS number, else its name."""
    given = list(texts(identifiers))
    for identifier in given:
        for part in re.split(r"[:/#]", identifier.upper()):
            if len(part) == 18 and uscc.is_valid(part):
                return part
    for identifier in given:
        if (match := _LEI.search(identifier)) and lei.is_valid(match.group(1)):
            return f"lei:{match.group(1).upper()}"
        if match := _DUNS.search(identifier):
            return f"duns:{match.group(1).replace('-', '')}"
    called = text_of(name).strip()
    return f"name:{called}" if called else ""
