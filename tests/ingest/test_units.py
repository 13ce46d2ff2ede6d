"""Units: conversions from one table, exact there and back; expressions parsed by a strict grammar or refused by name."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import product
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.reference import ReferenceLists
from ingest.units import COLUMNS, Unit, UnitRefused, convert, load_expressions, parse_expression, read_units, read_vocabulary

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        ReferenceLists().load(connection)
        yield connection


@pytest.fixture(scope="module")
def units(con: duckdb.DuckDBPyConnection) -> dict[str, Unit]:
    return read_units(con)


AMOUNT = st.fractions(max_denominator=10**12)


@settings(max_examples=30, deadline=None)
@given(amount=AMOUNT)
def test_every_pair_of_units_converts_exactly_there_and_back_or_is_refused(units: dict[str, Unit], amount: Fraction) -> None:
    accepted = 0
    for source, target in product(units.values(), repeat=2):
        if source.dimension == target.dimension:
            assert convert(convert(amount, source, target), target, source) == amount
            accepted += 1
        else:
            with pytest.raises(UnitRefused) as refused:
                convert(amount, source, target)
            assert refused.value.code == "dimension"
    dimensions = [unit.dimension for unit in units.values()]
    assert accepted == sum(dimensions.count(dimension) ** 2 for dimension in set(dimensions)) < len(units) ** 2


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_an_expression_says_what_its_parts_say(units: dict[str, Unit], data: st.DataObject) -> None:
    """The figure that comes out equals amount × mass / (count × unit), each taken from the table by hand."""
    words = {word: name for word, name in read_vocabulary().words.items() if name in units}
    word = data.draw(st.sampled_from(sorted(words)))
    mass, kilograms = data.draw(st.sampled_from([("g", Fraction(1, 1000)), ("kg", Fraction(1)), ("t", Fraction(1000))]))
    amount = data.draw(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9))
    count = data.draw(st.sampled_from(["", "1000", "0.5 "]))
    space = data.draw(st.sampled_from(["", " ", "　"]))
    found = parse_expression(f"{amount:f}{space}{mass}CO2e{space}/{space}{count}{word}", units)
    assert found.value == amount and isinstance(found.value, Decimal)
    assert found.unit == units[words[word]]
    assert found.kg_per_unit == kilograms / Fraction(count.strip() or 1)


def test_a_product_of_units_takes_its_factors_from_the_table(units: dict[str, Unit]) -> None:
    assert parse_expression("gCO2e / 公吨·公里", units).kg_per_unit == Fraction(1, 1000)
    assert parse_expression("kgCO2e/km·t", units).unit == units["tkm"]
    assert parse_expression("kgCO2e / 千克·米", units).kg_per_unit == 10**6
    with pytest.raises(UnitRefused, match="product"):
        parse_expression("kgCO2e / 立方米·千米", units)


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "kgCO2e", "7.4", "7.4t / 公吨", "7.4tCO2e 公吨", "7.4tCO2e / ", "7.4tCO2e / 公 吨", "7,4tCO2e / 公吨", "7.4TCO2E / 公吨",
        "tCO2e / 公吨公里", "tCO2e / 公吨·", "1e3tCO2e / 公吨", "tCO2e / 0公吨", "tCO2e / 公吨 / 年", "约7.4tCO2e / 公吨", "tCO2e / KG", "tC / 公吨",
        "kgCO2e / kgCO2e", "tCO2e / 度",
    ],
)  # fmt: skip
def test_what_the_grammar_does_not_know_is_refused_with_a_reason(units: dict[str, Unit], text: str) -> None:
    with pytest.raises(UnitRefused) as refused:
        parse_expression(text, units)
    assert CHINESE.search(refused.value.message.zh)
    assert refused.value.message.en.strip()


def test_a_unit_that_the_list_in_force_lacks_is_not_known(units: dict[str, Unit]) -> None:
    """A deployment's own list replaces the project's: what is not in it is refused, whatever the words say."""
    fewer = {name: unit for name, unit in units.items() if name not in ("ha", "tkm", "g")}
    for text in ("kgCO2e / 公顷", "gCO2e / 千克"):
        with pytest.raises(UnitRefused, match="unknown_word"):
            parse_expression(text, fewer)
    with pytest.raises(UnitRefused, match="product"):
        parse_expression("kgCO2e / 公吨·公里", fewer)


# The real expressions that are refused, by the kind of reason. What is neither here nor parsed fails the test.
REFUSED = {
    "no_dimension": "人·千米 房·晚 公顷·年 头·年 小时 人·次 人·月 吉字节 公吨·时 个·年 天 晚 人·年 平方米·年 千乏 个·月 人 月",
    "container": "瓶 包 杯 双 套 桶 份 盘 盒 卷 箱 罐 袋",
    "money": "万元人民币",
    "unknown_word": "年（四舍五入）",
    "ambiguous": "千卡",
    "product": "立方米·千米 吉焦·千米 件·千米",
    "greenhouse_gas": "kgCO2e",
}


def _order(row: dict[str, str]) -> tuple[str, ...]:
    return row["refused"] or "", row["dimension"] or "", row["expression"]


def _told(row: dict[str, str], count: int) -> str:
    figure = f"{row['kg_per_unit']} kg per {row['unit']} ({row['dimension']})"
    refusal = f"refused: {row['refused']}: {row['reason_en']}"
    return f"  {count:5d} × {row['expression']}  →  {refusal if row['refused'] else figure}\n"


def test_every_real_expression_parses_to_a_dimension_or_is_refused_by_name(
    con: duckdb.DuckDBPyConnection, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (shared_data / "chinese-pcf-unit-expressions" / "unit_expressions.csv").open(encoding="utf-8", newline="") as file:
        occurrences = {row["unit_expression"]: int(row["occurrences"]) for row in csv.DictReader(file)}
    assert len(occurrences) == 113
    listed = ", ".join("('" + text + "')" for text in occurrences)
    assert load_expressions(con, f"select text from (values {listed}) as given(text)") == 113
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in con.execute("from unit_expressions").fetchall()]
    assert {row["expression"] for row in rows} == set(occurrences)
    parsed = sum(occurrences[row["expression"]] for row in rows if not row["refused"])
    with capsys.disabled():
        sys.stdout.writelines(["\n", *(_told(row, occurrences[row["expression"]]) for row in sorted(rows, key=_order))])
        sys.stdout.write(
            f"  {sum(not row['refused'] for row in rows)} of 113 expressions parse, {parsed} of {sum(occurrences.values())} occurrences\n"
        )
    expected = {(code, word) for code, words in REFUSED.items() for word in words.split()}
    found = {(row["refused"], row["expression"].partition(" / ")[2]) for row in rows if row["refused"]}
    assert found == expected
    assert all(row["dimension"] and row["kg_per_unit"] and row["unit"] for row in rows if not row["refused"])
    assert all(row["reason_zh"] and row["reason_en"] for row in rows if row["refused"])
