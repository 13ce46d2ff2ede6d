"""Slips that people make, and the texts that would undo each: candidates only, of which `warehouse.repair.proposals` keeps those that prove right."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ingest.contract import Column, Contract, Rule
from ingest.headers import fold_header

NUMBERS = ("integer", "double", "decimal")
_FOREIGN_DAYS = (
    re.compile(r"(?P<y>(19|20|21)\d\d)[./\-年](?P<d>\d{1,2})[./\-月](?P<m>\d{1,2})日?"),  # year, day, month
    re.compile(r"(?P<d>\d{1,2})[./\-](?P<m>\d{1,2})[./\-](?P<y>(19|20|21)\d\d)"),
    re.compile(r"(?P<m>\d{1,2})[./\-](?P<d>\d{1,2})[./\-](?P<y>(19|20|21)\d\d)"),
    re.compile(r"(?P<y>(19|20|21)\d\d)[.．。](?P<m>\d{1,2})[.．。](?P<d>\d{1,2})"),
)
_CHINESE_DIGITS = str.maketrans("〇零一二三四五六七八九", "00123456789")
_LETTERS_FOR_DIGITS = str.maketrans("OoQlI|", "000111")
_MULTIPLIERS = {"万": Decimal(10_000), "亿": Decimal(100_000_000)}
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_POWERS = (10, 100, 1000, 10_000)


@dataclass(frozen=True)
class Candidate:
    """New texts for some columns of a row; `probe` marks one that must fail if the others are to be believed."""

    kind: str
    values: Mapping[str, str]
    probe: bool = False


@cache
def declared() -> dict[str, Any]:
    """`proposals.yaml`."""
    document: dict[str, Any] = yaml.load(Path(__file__).with_name("proposals.yaml").read_bytes(), Loader=yaml.CSafeLoader)
    return document


def as_number(text: str | None) -> Decimal | None:
    try:
        number = Decimal(unicodedata.normalize("NFKC", text or "").strip().replace(",", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def write_number(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _times(text: str, factor: Decimal) -> str | None:
    number = as_number(text)
    return None if number is None or not number else write_number((number * factor).normalize())


def _factors() -> Iterator[Decimal]:
    for power in _POWERS:
        yield Decimal(power)
        yield Decimal(1) / power


def _numeric(contract: Contract, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if contract.column(name).type in NUMBERS]


def scale_one(contract: Contract, rule: Rule, row: Mapping[str, str]) -> Iterator[Candidate]:
    """One figure of a rule that ties several off by a power of ten."""
    numeric = _numeric(contract, rule.columns)
    if len(numeric) < 2:
        return
    for name, factor in itertools.product(numeric, _factors()):
        text = _times(row.get(name, ""), factor)
        if text is not None:
            yield Candidate("thousandfold", {name: text})


def scale_with_peers(contract: Contract, rule: Rule, row: Mapping[str, str]) -> Iterator[Candidate]:
    """The figures far from their peers, off by a thousand: the one, or all that are stated in the same unit."""
    numeric = _numeric(contract, rule.columns)
    if len(numeric) != 1:
        return
    name = numeric[0]
    unit = contract.column(name).unit
    together = [column.name for column in contract.columns if column.type in NUMBERS and unit and column.unit == unit]
    for factor in (Decimal(1000), Decimal(1) / 1000):
        for names in {(name,), tuple(together or [name])}:
            values = {each: text for each in names if (text := _times(row.get(each, ""), factor)) is not None}
            if name in values:
                yield Candidate("thousandfold", values)


def other_units(contract: Contract, rule: Rule, row: Mapping[str, str]) -> Iterator[Candidate]:
    """The figure is right and its unit is not: any unit of the list, of which the judging keeps what fits."""
    units = {entry["unit"] for entry in declared()["units"].values()}
    for name in rule.columns:
        allowed = contract.column(name).values or tuple(sorted(units))
        if contract.column(name).type == "text" and row.get(name, "").strip() in units and (set(allowed) & units):
            for unit in allowed:
                if unit in units and unit != row[name].strip():
                    yield Candidate("other_unit", {name: unit})


def swap_columns(contract: Contract, rule: Rule, row: Mapping[str, str]) -> Iterator[Candidate]:
    """Two columns of one type written the wrong way round."""
    for left, right in itertools.combinations(rule.columns, 2):
        one, other = contract.column(left), contract.column(right)
        alike = (one.type, one.unit, one.values) == (other.type, other.unit, other.values)
        if alike and row.get(left) and row.get(right) and row[left] != row[right]:
            yield Candidate("swapped", {left: row[right], right: row[left]})


def read_percent(column: Column, text: str) -> Iterator[Candidate]:
    number = as_number(text.rstrip("%％ "))
    # Between 1 and 5 it may be 1.7 % as well as 0.17 with a slip of the finger.
    if column.share and number is not None and 5 <= number <= 100:
        yield Candidate("percent", {column.name: write_number((number / 100).normalize())})


def drop_sign(column: Column, text: str) -> Iterator[Candidate]:
    number = as_number(text)
    if column.type in NUMBERS and number is not None and number < 0 and column.minimum == 0:
        yield Candidate("sign", {column.name: write_number(-number)})
        # What the row's other figures do not hold in place might be anything.
        yield Candidate("sign", {column.name: write_number(-number * Decimal("1.5"))}, probe=True)


def read_unit(contract: Contract, column: Column, row: Mapping[str, str]) -> Iterator[Candidate]:
    text = row.get(column.name, "")
    known = {fold_header(name): entry for name, entry in declared()["units"].items()}
    known = {fold_header(entry["unit"]): {"unit": entry["unit"]} for entry in declared()["units"].values()} | known
    entry = known.get(fold_header(text))
    if entry is None:
        return
    factor = Decimal(entry.get("factor", 1))
    stated = declared()["stated_in"].get(f"{contract.source}.{column.name}", [])
    if factor != 1 and not stated:
        return
    scaled = {name: scaled for name in stated if factor != 1 and (scaled := _times(row.get(name, ""), factor)) is not None}
    yield Candidate("unit_synonym", {column.name: entry["unit"]} | scaled)


def _plain(text: str) -> str:
    return re.sub(r"[\s_\-·.]+", "", fold_header(text))


def described_values(column: Column) -> dict[str, str]:
    """What the contract itself calls a code: `listed（挂牌）` -> 挂牌 means listed."""
    found = re.findall(r"([A-Za-z0-9_\-]+)（([^（）]+)）", column.description.zh)
    return {_plain(word): code for code, word in found if code in column.values}


def _distance(left: str, right: str, most: int) -> int:
    """Restricted Damerau-Levenshtein distance, or anything above `most`."""
    if abs(len(left) - len(right)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        now = [i]
        for j, b in enumerate(right, 1):
            cost = min(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            now.append(cost)
        before, last = last, now
    return last[-1]


def read_code(column: Column, text: str, listed: frozenset[str]) -> Iterator[Candidate]:
    """The one code that differs in form only, or in a letter or two where codes are words."""
    codes = listed or frozenset(column.values)
    plain = _plain(text)
    same = {code for code in codes if _plain(code) == plain} | {code for word, code in described_values(column).items() if word == plain}
    if not same and len(plain) >= 5 and plain.isascii() and not any(character.isdigit() for character in plain):
        most = 1 if len(plain) < 8 else 2
        same = {code for code in codes if _distance(plain, _plain(code), most) <= most and not code.isdigit()}
    if len(same) == 1:
        yield Candidate("synonym", {column.name: same.pop()})


def correct_identifier(column: Column, text: str, register: frozenset[str]) -> Iterator[Candidate]:
    """One character substituted or two neighbours swapped, so that it is an identifier that is registered."""
    code = unicodedata.normalize("NFKC", text).strip().upper()
    if len(code) != 18:
        return
    near = {code[:i] + letter + code[i + 1 :] for i in range(18) for letter in _ALPHABET if letter != code[i]}
    near |= {code[:i] + code[i + 1] + code[i] + code[i + 2 :] for i in range(17)}
    for found in sorted(near & register):
        yield Candidate("check_character", {column.name: found})


def _days(text: str) -> set[date]:
    folded = unicodedata.normalize("NFKC", text).strip()
    spoken = re.fullmatch(r"([〇零一二三四五六七八九]{4})年([一二三四五六七八九十]{1,3})月([一二三四五六七八九十]{1,3})日", text.strip())
    if spoken:
        return {date(int(spoken[1].translate(_CHINESE_DIGITS)), _spoken(spoken[2]), _spoken(spoken[3]))}
    found = set()
    for form in _FOREIGN_DAYS:
        match = form.fullmatch(folded)
        if match:
            try:
                found.add(date(int(match["y"]), int(match["m"]), int(match["d"])))
            except ValueError:
                continue
    return found


def _spoken(text: str) -> int:
    tens, mark, ones = text.partition("十")
    if not mark:
        return int(text.translate(_CHINESE_DIGITS))
    return int(tens.translate(_CHINESE_DIGITS) or 1) * 10 + int(ones.translate(_CHINESE_DIGITS) or 0)


def read_day(column: Column, text: str) -> Iterator[Candidate]:
    """A date that has one reading in other forms than the contract's; 03/04/2024 has two, so none is proposed."""
    day, mark, time = text.strip().partition("T" if "T" in text else " ") if column.type == "instant" else (text, "", "")
    try:
        found = _days(day)
    except ValueError:
        return
    if len(found) == 1:
        yield Candidate("date_form", {column.name: found.pop().isoformat() + mark + time})


def read_number(column: Column, text: str) -> Iterator[Candidate]:
    """A number with spaces, a currency mark, 万 or 亿, Chinese commas, or letters for digits."""
    folded = re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).replace("，", ",").replace("'", "")
    if column.unit and column.unit.startswith("CNY"):
        folded = re.sub(r"^[¥￥]|(人民币)?元$|^(CNY|RMB)", "", folded)
    factor = _MULTIPLIERS.get(folded[-1:], Decimal(1))
    folded = folded.rstrip("万亿") if factor != 1 else folded
    if re.search(r"\d", folded) and re.fullmatch(r"-?[0-9OoQlI|.,]+", folded):
        folded = folded.translate(_LETTERS_FOR_DIGITS)
    if not re.fullmatch(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?", folded):
        return
    number = Decimal(folded.replace(",", "")) * factor
    yield Candidate("number_form", {column.name: write_number(number.normalize()) if factor != 1 else folded.replace(",", "")})
