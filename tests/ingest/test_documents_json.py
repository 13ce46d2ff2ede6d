"""Strict JSON: what other parsers let pass in silence is refused, and nothing that passes is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.contract import SOURCES
from ingest.documents import read_documents
from ingest.faults import FileRefused
from ingest.readers.strict_json import DEEPEST, LONGEST_TEXT, MOST_VALUES, Number, parse, write

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufffd"))
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUE = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5), max_leaves=30)


def as_texts(value: Any) -> Any:
    """A value of Python's parser in the form of the strict one: numbers as their text."""
    if isinstance(value, dict):
        return {key: as_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_texts(item) for item in value]
    return Number(json.dumps(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


@settings(max_examples=200, deadline=None)
@given(value=VALUE, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]), mark=st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_what_is_json_is_read_as_written_and_written_as_read(value: Any, ascii_only: bool, indent: int | None, mark: bytes) -> None:
    found = parse(mark + json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode())
    assert found == as_texts(value)
    assert parse(write(found).encode()) == found
    assert json.loads(write(found)) == value


@pytest.mark.parametrize("text", ["0.1", "1.10", "12345678901234567890123456789", "1E+2", "-0", "0.30000000000000004", "1" * 5000])
def test_a_number_keeps_its_text(text: str) -> None:
    found = parse(f'{{"a": {text}}}'.encode())["a"]
    assert isinstance(found, Number) and found == text
    assert write({"a": found}) == f'{{"a": {text}}}'


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a": 1, "a": 1}', "unreadable"),
        (b'[{"b": {"a": 1, "c": 2, "a": null}}]', "unreadable"),
        (b"[NaN]", "unreadable"), (b"[Infinity]", "unreadable"), (b"[-Infinity]", "unreadable"), (b"[nan]", "unreadable"),
        (b"", "unreadable"), (b"[1,]", "unreadable"), (b'{"a": 1', "unreadable"), (b"[1] 2", "unreadable"), (b"[01]", "unreadable"),
        (b"[.5]", "unreadable"), (b"[+1]", "unreadable"), (b"['a']", "unreadable"), (b'["a\nb"]', "unreadable"), (b"// x\n[]", "unreadable"),
        (b'["\\ud800"]', "unreadable"), (b'["\\udc00 \\ud800"]', "unreadable"), (b'["\\u0000"]', "unreadable"), (b'["a\x00"]', "unreadable"),
        (b'["\xff"]', "unreadable"), (b'["\xd6\xd0"]', "unreadable"), ("[1]".encode("utf-16"), "unreadable"), (b"\xef\xbb\xbf\xef\xbb\xbf[1]", "unreadable"),
        ('["\ufffd"]'.encode(), "unreadable"), (b'["\\ufffd"]', "unreadable"),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "unsafe"), (b'{"a":' * 100_000, "unsafe"), (b"[" * 2_000_000, "unsafe"),
        (b'["' + b"a" * (LONGEST_TEXT + 1) + b'"]', "too_large"), (b"[" + b"1" * (LONGEST_TEXT + 1) + b"]", "too_large"),
        (b"[" + b"[]," * (MOST_VALUES // 2 + 1) + b"1]", "too_large"),
    ],
    ids=lambda value: repr(value[:16]) if isinstance(value, bytes) else value,
)  # fmt: skip
def test_what_others_let_pass_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(FileRefused) as refused:
        parse(data)
    assert refused.value.code == code
    assert refused.value.message.zh != refused.value.message.en


def test_brackets_and_marks_inside_texts_are_text() -> None:
    text = "[" * 500 + '"\\' + "{" * 500
    assert parse(json.dumps([text] * 3).encode()) == [text] * 3
    assert parse(b'["\\ud83d\\ude00"]') == ["😀"]
    deep = b"[" * DEEPEST + b"]" * DEEPEST
    assert write(parse(deep)).encode() == deep


@settings(max_examples=300, deadline=None)
@given(
    value=VALUE
    | st.lists(st.fixed_dictionaries({"specVersion": SCALAR, "pcf": VALUE, "precedingPfIds": VALUE, "companyIds": VALUE, "id": VALUE}))
)
def test_any_json_is_read_refused_or_no_document_and_nothing_else_happens(value: Any) -> None:
    """Whatever stands in the places that a document has, the outcome is a table or a refusal in two languages."""
    try:
        found = read_documents(json.dumps(value).encode(), ("pact", "catena_x_pcf", "ilcd_epd"))
    except FileRefused as refusal:
        assert refusal.message.zh and refusal.message.en
    else:
        assert found is None or found.row_count >= 1


VERSIONS = st.sampled_from(["2.0.0", "2.3.0", "3.0.1", "2.0.1-20230314", "1.0.0", "urn:io.catenax.pcf:datamodel:version:7.0.0"])
FIELD = st.sampled_from(
    [
        "declaredUnit", "declaredUnitOfMeasurement", "pcfExcludingBiogenicUptake", "biogenicCO2Uptake", "pCfExcludingBiogenic",
        "pcfExcludingBiogenic", "primaryDataShare", "ipccCharacterizationFactors", "characterizationFactors", "referencePeriodStart",
        "referencePeriodEnd", "reportingPeriodStart", "dqi", "verification", "assurance",
    ]
)  # fmt: skip
HOSTILE = VALUE | st.sampled_from(
    ["0001-01-01", "9999-12-31T23:59:60Z", "1e999", "-1e-999", "AR999999999999", "megajoule", " 1", "−1", "１"]
)
FOOTPRINT = st.fixed_dictionaries(
    {"specVersion": VERSIONS, "pcf": st.dictionaries(FIELD, HOSTILE), "precedingPfIds": HOSTILE | st.lists(TEXT), "companyIds": HOSTILE},
    optional={
        "partialFullPcf": HOSTILE,
        "extWBCSD_pfStatus": HOSTILE,
        "status": HOSTILE,
        "created": HOSTILE,
        "updated": HOSTILE,
        "id": HOSTILE,
        "productIds": HOSTILE,
    },
)


@settings(max_examples=300, deadline=None)
@given(documents=st.lists(FOOTPRINT, min_size=1, max_size=4))
def test_a_footprint_with_anything_in_its_fields_gives_one_row_or_a_refusal(documents: list[dict[str, Any]]) -> None:
    try:
        found = read_documents(json.dumps({"data": documents}).encode(), ("pact", "catena_x_pcf"))
    except FileRefused as refusal:
        assert refusal.code == "unreadable"
    else:
        assert found is not None
        assert found.row_count == len(documents)
        assert [json.loads(text) for text in found.columns[found.headers.index("document")].to_pylist()] == documents


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place below a value."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(item, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], by)
    return copy


FIXTURES = (SOURCES / "product_footprint" / "fixtures" / "good").glob("*.json")
WHOLE = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in FIXTURES if path.stem != "pact_one_per_line"}


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_sound_document_with_anything_in_one_place_gives_a_row_or_a_refusal(data: st.DataObject) -> None:
    whole = WHOLE[data.draw(st.sampled_from(sorted(WHOLE)))]
    path = data.draw(st.sampled_from(list(places(whole))))
    try:
        found = read_documents(json.dumps(replaced(whole, path, data.draw(HOSTILE))).encode(), ("pact", "catena_x_pcf", "ilcd_epd"))
    except FileRefused as refusal:
        assert refusal.code in ("unreadable", "no_data_rows")
    else:
        assert found is None or found.row_count >= 1
