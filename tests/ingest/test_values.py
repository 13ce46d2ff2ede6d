"""One strict parser per type: what is folded to the contract's form, what is refused, and that nothing else happens to a value."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.contract import Column, Contract, Message, Type
from ingest.reference import ReferenceLists
from ingest.values import type_rows, uscc_is_valid

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
NAME = Message("值", "value")

Judge = Callable[..., list[tuple[Any, str | None]]]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    lists = tmp_path_factory.mktemp("lists")
    (lists / "colour.csv").write_text("colour_code\nred\nblue\n", encoding="utf-8")
    with duckdb.connect() as con:
        ReferenceLists(overlay=lists).load(con)
        yield con


@pytest.fixture(scope="module")
def judge(connection: duckdb.DuckDBPyConnection) -> Judge:
    """Type texts as one column; gives (value, None) or (None, fault code) for each."""

    def typed(kind: Type, texts: list[str], **promises: Any) -> list[tuple[Any, str | None]]:
        column = Column("x", kind, NAME, NAME, **promises)
        contract = Contract("made", "1.0.0", Path(), NAME, NAME, "append", 0.2, 1, ("x",), (column,), ())
        rows = type_rows(connection, contract, {"x": pa.chunked_array([texts], pa.string())}, len(texts))
        codes = dict(zip(rows.faults["_record"].to_pylist(), rows.faults["code"].to_pylist(), strict=True))
        values = rows.table["x"].to_pylist()
        for number, code in codes.items():
            assert values[number - 1] is None, f"{texts[number - 1]!r} has the fault {code} and yet a value"
        return [(value, codes.get(number)) for number, value in enumerate(values, 1)]

    return typed


def check(judge: Judge, kind: Type, pairs: dict[str, Any], **promises: Any) -> None:
    found = judge(kind, list(pairs), **promises)
    wrong = {text: got for (text, expected), got in zip(pairs.items(), found, strict=True) if got != (expected, None)}
    assert not wrong


def check_refused(judge: Judge, kind: Type, texts: list[str], code: str = "type", **promises: Any) -> None:
    found = judge(kind, texts, **promises)
    wrong = {text: got for text, got in zip(texts, found, strict=True) if got != (None, code)}
    assert not wrong


def test_text_keeps_what_engines_guess_away(judge: Judge) -> None:
    check(
        judge,
        "text",
        {
            "000123": "000123", "NA": "NA", "null": "null", "914112810713741814": "914112810713741814", "1e5": "1e5", "true": "true",
            "2024-03-05": "2024-03-05", "=1+1": "=1+1", "": None, "  ": None, "　合成 ": "合成", "Ａ１": "A1", "a\tb": "a\tb",
            "一行\n两行": "一行\n两行", "'; drop table x; --": "'; drop table x; --", "{{ 7*7 }}": "{{ 7*7 }}",
            "合成，示范": "合成，示范",
        },
    )  # fmt: skip


def test_text_refuses_control_characters_but_not_tabs_and_line_breaks(judge: Judge) -> None:
    check_refused(judge, "text", ["a\x01b", "\x07", "x\x1b[31m", "a\x7f", "a\x0bb"], "control_character")


NOT_NUMBERS = [
    "1_000", "1_0", "inf", "-inf", "Infinity", "nan", "NaN", "NA", "n/a", "-", "--1", "1-", "+-1", "0x10", "1e", "e5", "1,00", "10,00,000", "1,0000",
    ",100", "1 000", "1.2.3", "1.5t", "￥5", "五", "½", "٣", "1e999", "true", "95%",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["integer", "double", "decimal"])
def test_numbers_refuse_what_python_or_an_engine_would_take(judge: Judge, kind: Type) -> None:
    check_refused(judge, kind, NOT_NUMBERS)


def test_integer_forms(judge: Judge) -> None:
    check(
        judge,
        "integer",
        {
            "7": 7,
            "-7": -7,
            "+7": 7,
            "007": 7,
            "7.0": 7,
            "7.000": 7,
            "１２": 12,
            " 12　": 12,
            "1,234,567": 1234567,
            "－5": -5,
            "": None,
            "9" * 18: int("9" * 18),
        },
    )
    check_refused(judge, "integer", ["1.5", "1e3", "7.", "9" * 19, "1,5"])


def test_double_forms(judge: Judge) -> None:
    check(
        judge,
        "double",
        {
            "0.1": 0.1,
            "-4.5": -4.5,
            ".5": 0.5,
            "5.": 5.0,
            "1e-05": 1e-05,
            "1.2E+08": 1.2e8,
            "1,234.5": 1234.5,
            "１．５": 1.5,
            "　2 ": 2.0,
            "0": 0.0,
            "": None,
        },
    )


def test_a_number_is_judged_alone_as_among_others(judge: Judge) -> None:
    """Plain numbers take a quicker way together: what it takes and the other way refuses, or the reverse, would show here."""
    texts = ["0.1", "+1", "5.", ".5", "1e-05", "1e0005", "1e-400", "-0", "", *NOT_NUMBERS]
    together = judge("double", texts)
    assert [judge("double", [text])[0] for text in texts] == together
    assert judge("double", ["2", "nan", "1"], minimum=0)[1][1] == "type"
    assert [code for _, code in judge("double", ["2", "-1"], minimum=0)] == [None, "range"]
    assert [code for _, code in judge("double", ["2", "11"], maximum=10)] == [None, "range"]


def test_a_share_may_be_written_in_percent_and_nothing_else_may(judge: Judge) -> None:
    check(
        judge,
        "double",
        {"95%": 0.95, "９５％": 0.95, "95 %": 0.95, "0.95": 0.95, "100%": 1.0, "0%": 0.0, "1": 1.0, "33.3%": 0.333},
        share=True,
        minimum=0,
        maximum=1,
    )
    check_refused(judge, "double", ["95", "101%", "-1%"], "range", share=True, minimum=0, maximum=1)
    check_refused(judge, "double", ["95%%", "%", "95%x", "9" * 30 + "%"], "type", share=True, minimum=0, maximum=1)


def test_decimal_forms(judge: Judge) -> None:
    check(
        judge,
        "decimal",
        {
            "0.1": Decimal("0.1"), "123456789012345678.12345678": Decimal("123456789012345678.12345678"), "1.10000000000": Decimal("1.1"),
            "2.0E+03": Decimal(2000), "1,000.5": Decimal("1000.5"), "-0.00000001": Decimal("-0.00000001"), "１００": Decimal(100), "": None, "1E-8": Decimal("1E-8"),
        },
    )  # fmt: skip
    check_refused(judge, "decimal", ["0.000000001", "1.123456789", "1e-9", "123456789012345678901"])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.decimals(min_value=-(10**18), max_value=10**18, places=8, allow_nan=False, allow_infinity=False), min_size=1, max_size=40)
)
def test_decimal_is_exact(judge: Judge, numbers: list[Decimal]) -> None:
    texts = [f"{number:f}" for number in numbers] + [f"{number:,f}" for number in numbers]
    found = judge("decimal", texts)
    assert found == [(number, None) for number in numbers + numbers]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_double_is_the_nearest_to_its_text(judge: Judge, numbers: list[float]) -> None:
    found = judge("double", [repr(number) for number in numbers])
    assert [code for _, code in found] == [None] * len(numbers)
    assert all(
        value == number and math.copysign(1, value) == math.copysign(1, number) for (value, _), number in zip(found, numbers, strict=True)
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12), min_size=1, max_size=30))
@pytest.mark.parametrize("kind", ["integer", "double", "decimal", "date", "instant", "boolean"])
def test_a_cell_is_typed_or_a_fault_and_never_silently_null(judge: Judge, kind: Type, texts: list[str]) -> None:
    blank = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u00a0\u3000\ufeff\u200b"
    for text, (value, code) in zip(texts, judge(kind, texts), strict=True):
        if value is None and code is None:
            assert not text.strip(blank).strip(), f"{text!r} became null"


def test_date_forms(judge: Judge) -> None:
    day = date(2024, 3, 5)
    forms = ["2024-03-05", "2024/3/5", "2024/03/05", "20240305", "2024年3月5日", "2024年03月05日", "45356", "45356.0", "２０２４／３／５"]
    forms += [" 2024-3-5 ", "2024-03-05 00:00:00", "2024-03-05T00:00", "2024/3/5 0:00"]
    check(judge, "date", dict.fromkeys(forms, day) | {"2024-02-29": date(2024, 2, 29), "": None})


def test_date_refusals(judge: Judge) -> None:
    check_refused(
        judge,
        "date",
        [
            "2024-02-30", "2月30日", "2024年2月30日", "20240230", "2023-02-29", "2024-13-01", "2024-00-10", "113/02/01", "民國113年2月1日", "24-03-05", "24/3/5",
            "05/03/2024", "03-05-2024", "2024-03", "2024", "2024-03-05 10:00:00", "0000-00-00", "1e4", "1800-01-01", "NaT", "today", "infinity", "99999", "2024-3-5-1",
            "19000", "2024.3.5x",
        ],
    )  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.lists(st.dates(date(1954, 10, 4), date(2109, 5, 14)), min_size=1, max_size=40))
def test_every_form_of_a_day_is_that_day(judge: Judge, days: list[date]) -> None:
    serial = [(day - date(1899, 12, 30)).days for day in days]
    for texts in (
        [day.isoformat() for day in days],
        [f"{day.year}/{day.month}/{day.day}" for day in days],
        [f"{day:%Y%m%d}" for day in days],
        [f"{day.year}年{day.month}月{day.day}日" for day in days],
        [str(number) for number in serial if 20000 <= number < 80000] or [days[0].isoformat()],
    ):
        assert judge("date", texts) == [(day, None) for day in days[: len(texts)]]


def test_instants_are_stored_in_utc_and_are_of_shanghai_unless_they_say_otherwise(judge: Judge) -> None:
    two = datetime(2025, 3, 1, 2, 0)
    forms = [
        "2025-03-01T10:00:00+08:00", "2025-03-01T10:00:00", "2025-03-01 10:00", "2025-03-01T02:00:00Z", "2025-03-01T02:00Z", "2025-02-28T21:00:00-05:00",
        "2025/3/1 10:00", "2025年3月1日 10:00:00", "20250301 10:00:00", "2025-03-01T10:00:00+0800", "2025-03-01T02:00:00.000000Z", "２０２５-03-01 10：00",
    ]  # fmt: skip
    check(judge, "instant", dict.fromkeys(forms, two) | {"2025-03-01": datetime(2025, 2, 28, 16), "": None})
    check(judge, "instant", {"2025/6/1 8:00": datetime(2025, 6, 1), "2025-06-01T8:05:00Z": datetime(2025, 6, 1, 8, 5)})
    check_refused(
        judge, "instant", ["2025-02-30T10:00:00", "2025-03-01T25:00:00", "2025-03-01T10:60:00", "10:00", "113/03/01 10:00", "now"]
    )
    check_refused(judge, "instant", ["2025-03-01T10:00:00 CST", "2025-03-01T10:00:00+99:00"])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1)), st.integers(-14 * 4, 14 * 4)), min_size=1, max_size=40))
def test_an_offset_moves_an_instant_to_utc(judge: Judge, moments: list[tuple[datetime, int]]) -> None:
    zoned = [moment.replace(tzinfo=timezone(timedelta(minutes=15 * quarter))) for moment, quarter in moments]
    assert judge("instant", [moment.isoformat() for moment in zoned]) == [
        (moment.astimezone(UTC).replace(tzinfo=None), None) for moment in zoned
    ]


def test_boolean_forms(judge: Judge) -> None:
    check(judge, "boolean", {"true": True, "FALSE": False, " True ": True, "": None})
    check_refused(judge, "boolean", ["1", "0", "yes", "是", "t"])


def test_promises_of_a_column_each_have_their_code(judge: Judge) -> None:
    check_refused(judge, "text", ["", "  ", "　"], "required", required=True)
    check_refused(judge, "text", ["C312", "3"], "type", pattern="[0-9]{2,4}")
    check(judge, "text", {"31": "31"}, pattern="[0-9]{2,4}")
    check_refused(judge, "text", ["Listed", "挂牌"], "enumeration", values=("listed", "block"))
    check_refused(judge, "text", ["green", "GREY"], "enumeration", list="colour.colour_code", also_allowed=("grey",))
    check(judge, "text", {"red": "red", "grey": "grey"}, list="colour.colour_code", also_allowed=("grey",))
    check_refused(judge, "text", ["red"], "enumeration", list="colour.colour_code", not_allowed=("red",))
    check_refused(judge, "double", ["-0.1", "1.1"], "range", minimum=0, maximum=1)
    check_refused(judge, "integer", ["0"], "range", minimum=1)
    check_refused(judge, "decimal", ["-0.00000001"], "range", minimum=0)


def make_uscc(first: str) -> str:
    """GB 32100-2015: weights 3^i mod 31, check character 31 - sum mod 31. Written apart from the engine's."""
    total = sum(ALPHABET.index(character) * pow(3, place, 31) for place, character in enumerate(first))
    return first + ALPHABET[-total % 31]


def read_vectors(folder: Path) -> list[str]:
    with (folder / "uscc-vectors" / "valid_uscc.csv").open(encoding="utf-8", newline="") as file:
        return [row["uscc"] for row in csv.DictReader(file)]


def test_codes_found_in_the_wild_are_valid(judge: Judge, shared_data: Path) -> None:
    codes = read_vectors(shared_data)
    assert len(codes) == 100
    assert [make_uscc(code[:17]) for code in codes] == codes
    check(judge, "text", dict(zip(codes, codes, strict=True)), identifier=True)
    check(judge, "text", {code.lower(): code for code in codes if code.lower() != code}, identifier=True)


def test_one_wrong_character_is_always_found(judge: Judge, shared_data: Path) -> None:
    """Every single substitution: weights are units modulo the prime 31, so none can go unseen."""
    mutations = [
        code[:place] + other + code[place + 1 :]
        for code in read_vectors(shared_data)[::9]
        for place in range(18)
        for other in ALPHABET
        if other != code[place]
    ]
    check_refused(judge, "text", mutations, "identifier_check", identifier=True)


def test_companies_abroad_carry_a_scheme(judge: Judge) -> None:
    abroad = ["lei:5493001KJTIIGC8Y1R12", "duns:150483782", "eutl:AT-1", "name:Glas GmbH & Co. KG"]
    check(judge, "text", {text: text for text in abroad}, identifier=True)
    check_refused(
        judge, "text", ["lei:", "lei: ", "LEI 5493", "150483782", ":x", "1a:x", "91110000MA000000IO"], "identifier_check", identifier=True
    )


def test_the_sql_check_character_agrees_with_the_standard(connection: duckdb.DuckDBPyConnection) -> None:
    made = [make_uscc(f"91{place:06d}MA{number:07d}") for place, number in zip(range(110000, 110200), range(200), strict=True)]
    connection.register("codes", pa.table({"code": made}))
    assert connection.execute(f"select bool_and({uscc_is_valid('code')}) from codes").fetchone() == (True,)
