"""Unit expressions such as `7.4tCO2e / 公吨`: a strict grammar, exact factors from the one reference list `unit`, and a refusal by name for all else.

    expression = [amount] mass gas "/" [count] unit { "·" unit }

`mass` is g, kg or t; `gas` is CO2e or CO2; a `unit` is a word of `units.yaml`. Full-width forms, subscripts and space are folded (NFKC); nothing
else is guessed. Factors are fractions, so that converting there and back gives the same number.

For layouts and other SQL: `load_expressions(con, "select cell from …")` parses the distinct texts of a query once and leaves the temp table
`unit_expressions` (expression, value, mass_unit, gas, unit, unit_count, dimension, kg_per_unit, refused, reason_zh, reason_en), to be joined by
`expression`. `value` and `kg_per_unit` are decimal texts: kilograms of the gas per one `unit` of the reference list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml

from ingest.contract import Message

WORDS = Path(__file__).with_name("units.yaml")

_EXPRESSION = re.compile(r"(?P<value>[+-]?\d{1,40}(?:\.\d{1,40})?)?\s*(?P<mass>kg|g|t)\s*(?P<gas>CO2e|CO2)\s*/\s*(?P<per>\S(?:.*\S)?)")
_PER = re.compile(r"(?P<count>\d{1,40}(?:\.\d{1,40})?)?\s*(?P<units>\S(?:.*\S)?)")
_SHOWN = Context(prec=20)
COLUMNS = (
    "expression", "value", "mass_unit", "gas", "unit", "unit_count", "dimension", "kg_per_unit", "refused", "reason_zh", "reason_en",
)  # fmt: skip


class UnitRefused(ValueError):
    """An expression or a conversion that is refused: `code` names the kind of reason, `message` says it in both languages."""

    def __init__(self, code: str, message: Message) -> None:
        super().__init__(f"{code}: {message.zh} / {message.en}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Unit:
    """A unit of the reference list: so many base units of its dimension."""

    name: str
    dimension: str
    factor: Fraction


@dataclass(frozen=True)
class UnitExpression:
    """A parsed expression: `value` (None where it gives none) of `mass_unit` of a gas per `count` of `unit`."""

    value: Decimal | None
    mass_unit: str
    gas: str
    unit: Unit
    count: Fraction
    kg_per_unit: Fraction

    @property
    def dimension(self) -> str:
        return self.unit.dimension


@dataclass(frozen=True)
class _Vocabulary:
    words: Mapping[str, str]
    refused: Mapping[str, tuple[str, Message]]
    products: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...]


@cache
def read_vocabulary(path: Path = WORDS) -> _Vocabulary:
    """The words of `units.yaml`; a word that stands for two things is an error of the file."""
    document: dict[str, Any] = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    words = [(str(word), str(unit)) for unit, listed in document["words"].items() for word in listed]
    refused = [(str(word), (code, Message(**group["reason"]))) for code, group in document["refused"].items() for word in group["words"]]
    names = [word for word, _ in words] + [word for word, _ in refused]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path.name}: words with two meanings: {', '.join(twice)}")
    products = tuple((tuple(sorted(item["dimensions"])), tuple(item["units"]), item["unit"]) for item in document["products"])
    return _Vocabulary(dict(words), dict(refused), products)


def read_units(con: duckdb.DuckDBPyConnection) -> dict[str, Unit]:
    """The units of the reference list in force, in a connection that has it in schema `reference`."""
    rows = con.execute("select unit, dimension, factor_to_base from reference.unit").fetchall()
    return {name: Unit(name, dimension, Fraction(str(factor))) for name, dimension, factor in rows}


def convert(amount: Fraction, source: Unit, target: Unit) -> Fraction:
    """An amount of one unit in another of the same dimension, exactly.

    Raises:
        UnitRefused: `dimension`: a volume, a count or money becomes no mass.
    """
    if source.dimension != target.dimension:
        raise UnitRefused(
            "dimension",
            Message(
                f"{source.name}（{source.dimension}）不能换算为 {target.name}（{target.dimension}）：量纲不同。",
                f"{source.name} ({source.dimension}) does not convert to {target.name} ({target.dimension}): they measure different things.",
            ),
        )
    return amount * source.factor / target.factor


def _unit_of(word: str, units: Mapping[str, Unit]) -> Unit:
    vocabulary = read_vocabulary()
    if word in vocabulary.refused:
        code, reason = vocabulary.refused[word]
        raise UnitRefused(code, Message(f"“{word}”：{reason.zh}。", f"{word!r}: {reason.en}."))
    name = vocabulary.words.get(word)
    if name is None or name not in units:
        raise UnitRefused(
            "unknown_word", Message(f"“{word}”不是参考表中的单位，也不猜测。", f"{word!r} is no unit of the list, and none is guessed.")
        )
    return units[name]


def _product_of(parts: Sequence[Unit], units: Mapping[str, Unit]) -> tuple[Unit, Fraction]:
    """The unit that a product of units stands for, and how many of it."""
    for dimensions, factors, name in read_vocabulary().products:
        if tuple(sorted(part.dimension for part in parts)) == dimensions and name in units and set(factors) <= set(units):
            ratio = Fraction(1)
            for part in parts:
                ratio *= part.factor
            for factor in factors:
                ratio /= units[factor].factor
            return units[name], ratio
    shown = "·".join(part.name for part in parts)
    raise UnitRefused("product", Message(f"“{shown}”这样的乘积单位不在参考表中。", f"The product {shown} is not in the list of units."))


def parse_expression(text: str, units: Mapping[str, Unit]) -> UnitExpression:
    """Parse one expression.

    Args:
        text: such as `0.7355kgCO2e / 千瓦时`; the amount may be absent.
        units: the reference list, by name.

    Raises:
        UnitRefused: with the reason; an expression is parsed whole or not at all.
    """
    match = _EXPRESSION.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if match is None:
        raise UnitRefused(
            "form",
            Message(f"“{text}”不是“数值 质量CO2e / 单位”的写法。", f"{text!r} is not of the form `amount massCO2e / unit`."),
        )
    per = _PER.fullmatch(match["per"])
    assert per is not None  # the pattern before left at least one character
    parts = [_unit_of(word.strip(), units) for word in per["units"].split("·")]
    unit, ratio = (parts[0], Fraction(1)) if len(parts) == 1 else _product_of(parts, units)
    count = Fraction(per["count"] or 1) * ratio
    if not count:
        raise UnitRefused("form", Message("分母为 0。", "The amount below the line is 0."))
    mass = convert(Fraction(1), _unit_of(match["mass"], units), _unit_of("kg", units))
    return UnitExpression(
        value=Decimal(match["value"]) if match["value"] else None,
        mass_unit=match["mass"],
        gas=match["gas"],
        unit=unit,
        count=count,
        kg_per_unit=mass / count,
    )


def decimal_text(number: Fraction) -> str:
    """A fraction as a decimal text, exactly where it has one, else to 20 digits."""
    return f"{_SHOWN.divide(Decimal(number.numerator), Decimal(number.denominator)).normalize(_SHOWN):f}"


def _row(text: str, units: Mapping[str, Unit]) -> tuple[str | None, ...]:
    try:
        found = parse_expression(text, units)
    except UnitRefused as refusal:
        return (text, *(None,) * 7, refusal.code, refusal.message.zh, refusal.message.en)
    value = None if found.value is None else f"{found.value:f}"
    unit = found.unit
    shown = (value, found.mass_unit, found.gas, unit.name, decimal_text(found.count), unit.dimension, decimal_text(found.kg_per_unit))
    return (text, *shown, None, None, None)


def split_expressions(texts: Sequence[str], units: Mapping[str, Unit]) -> pa.Table:
    """One row per distinct text: its parts, or why it is refused. All columns are text."""
    rows = [_row(text, units) for text in dict.fromkeys(texts)]
    return pa.table({name: pa.array([row[place] for row in rows], pa.string()) for place, name in enumerate(COLUMNS)})


def load_expressions(con: duckdb.DuckDBPyConnection, query: str) -> int:
    """Parse the distinct texts that a query gives into the temp table `unit_expressions`; gives their number.

    Args:
        con: connection with the reference lists in schema `reference`.
        query: SQL with one text column.
    """
    texts = [text for (text,) in con.execute(f"select distinct * from ({query})").fetchall() if text is not None]
    con.register("split_texts", split_expressions(texts, read_units(con)))
    con.execute("create or replace temp table unit_expressions as select * from split_texts")
    con.unregister("split_texts")
    return len(texts)
