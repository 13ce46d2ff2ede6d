"""The forms that the contract lets be folded: SQL that brings a text to the plain form of its type, and counts what it folded by kind."""

from __future__ import annotations

from collections.abc import Callable

from ingest.contract import DECIMAL_SCALE, Column

_FULL = "０１２３４５６７８９ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ"
_HALF = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FULL_MARKS, _HALF_MARKS = "．，－＋％／：　", ".,-+%/: "
_SPACE = r"[\s\x{00a0}\x{3000}\x{feff}\x{200b}]"
_EXCEL_EPOCH = "date '1899-12-30'"  # so that every serial after the 29 February 1900 that never was comes out right
_SERIAL = r"[2-7]\d{4}(\.\d+)?"  # 1954 to 2119

KINDS = (
    "full_width",
    "white_space",
    "thousands_separator",
    "percent_share",
    "lower_case_code",
    "date_form",
    "excel_serial_date",
    "number_form",
)


class Folding:
    """A chain of SQL steps over a text column `v` of table `d`; each step may be of a kind that is counted."""

    def __init__(self) -> None:
        self._steps = ["s0 as (select v, v as t0 from d)"]
        self._flags: dict[str, list[str]] = {}

    def then(self, kind: str, expression: Callable[[str], str]) -> None:
        """Add a step: SQL of the folded text, given the name of the text so far."""
        place = len(self._steps)
        self._steps.append(f"s{place} as (select *, {expression(f't{place - 1}')} as t{place} from s{place - 1})")
        self._flags.setdefault(kind, []).append(f"t{place} <> t{place - 1}")

    @property
    def kinds(self) -> list[str]:
        return list(self._flags)

    def query(self) -> str:
        """CTEs ending in `folded`: `v`, the plain text `t`, and a flag per kind."""
        last = len(self._steps) - 1
        flags = "".join(f", ({' or '.join(tests)}) as {kind}" for kind, tests in self._flags.items())
        return ", ".join([*self._steps, f"folded as (select v, t{last} as t{flags} from s{last})"])


def _replace_when(test: str, replacement: str) -> Callable[[str], str]:
    return lambda text: f"case when {test.replace('§', text)} then {replacement.replace('§', text)} else {text} end"


def _fold_numbers(folding: Folding, column: Column) -> None:
    folding.then("thousands_separator", _replace_when(r"regexp_full_match(§, '[+-]?\d{1,3}(,\d{3})+(\.\d+)?%?')", "replace(§, ',', '')"))
    if column.share:
        percent = r"regexp_full_match(§, '[+-]?(\d+\.?\d*|\.\d+)\s*%')"
        # Times 0.01, since a decimal divided becomes a double: 33.3 / 100 is not 0.333. What is too long to hold stays, as a fault.
        hundredth = "coalesce(cast(cast(try_cast(rtrim(rtrim(§, '%')) as decimal(28,10)) * 0.01 as double) as varchar), §)"
        folding.then("percent_share", _replace_when(percent, hundredth))
    elif column.type == "integer":
        folding.then("number_form", _replace_when(r"regexp_full_match(§, '[+-]?\d{1,18}\.0+')", "split_part(§, '.', 1)"))
    elif column.type == "decimal":
        # 1.2E+08, and zeros beyond the scale, are the same number written otherwise; other digits beyond it are not.
        exact = f"cast(try_cast(§ as decimal(38,18)) as decimal(28,{DECIMAL_SCALE})) = try_cast(§ as decimal(38,18))"
        forms = rf"(regexp_full_match(§, '[+-]?(\d{{1,20}}\.?\d*|\.\d+)[eE][+-]?\d{{1,2}}') or regexp_full_match(§, '[+-]?\d{{1,20}}\.\d{{{DECIMAL_SCALE + 1},18}}'))"
        folding.then("number_form", _replace_when(f"{forms} and {exact}", f"cast(try_cast(§ as decimal(28,{DECIMAL_SCALE})) as varchar)"))


def _fold_days(text: str) -> str:
    """SQL: 2024/3/5, 2024年3月5日 and 20240305, alone or before a time, as 2024-03-05."""
    padded = r"regexp_replace(regexp_replace({text}, '^(\d{{4}})[/年-](\d{{1,2}})[/月-](\d{{1,2}})日?', '\1-0\2-0\3'), '^(\d{{4}})-0?(\d\d)-0?(\d\d)', '\1-\2-\3')"
    return (
        rf"case when regexp_matches({text}, '^\d{{4}}([/-]\d{{1,2}}[/-]\d{{1,2}}|年\d{{1,2}}月\d{{1,2}}日)([T ]|$)') then {padded.format(text=text)} "
        rf"when regexp_matches({text}, '^\d{{8}}([T ]|$)') then regexp_replace({text}, '^(\d{{4}})(\d{{2}})(\d{{2}})', '\1-\2-\3') else {text} end"
    )


def _fold_dates(folding: Folding, column: Column) -> None:
    folding.then("date_form", _fold_days)
    # 8:00 as Excel writes it into a CSV
    folding.then("date_form", _replace_when(r"regexp_matches(§, '^.{10}[T ]\d:')", r"regexp_replace(§, '^(.{10}[T ])(\d:)', '\10\2')"))
    if column.type == "date":
        whole = r"regexp_full_match(§, '[2-7]\d{4}(\.0+)?')"
        folding.then("excel_serial_date", _replace_when(whole, f"cast({_EXCEL_EPOCH} + cast(cast(§ as double) as integer) as varchar)"))
        folding.then("date_form", _replace_when(r"regexp_full_match(§, '.{10}[T ]00:00(:00(\.0+)?)?')", "left(§, 10)"))
    else:
        seconds = "cast(round(cast(§ as double) * 86400) as bigint)"
        moment = f"strftime(cast({_EXCEL_EPOCH} as timestamp) + to_seconds({seconds}), '%Y-%m-%d %H:%M:%S')"
        folding.then("excel_serial_date", _replace_when(f"regexp_full_match(§, '{_SERIAL}')", moment))
        folding.then("date_form", _replace_when(r"regexp_full_match(§, '\d{4}-\d\d-\d\d')", "concat(§, ' 00:00:00')"))


def fold(column: Column) -> Folding:
    """The steps for one column, in the order they are tried."""
    full, half = (_FULL, _HALF) if column.type == "text" else (_FULL + _FULL_MARKS, _HALF + _HALF_MARKS)
    folding = Folding()
    folding.then("full_width", lambda text: f"translate({text}, '{full}', '{half}')")
    folding.then("white_space", lambda text: rf"regexp_replace(regexp_replace({text}, '^{_SPACE}+', ''), '{_SPACE}+$', '')")
    if column.type in ("integer", "double", "decimal"):
        _fold_numbers(folding, column)
    elif column.type in ("date", "instant"):
        _fold_dates(folding, column)
    elif column.type == "boolean":
        folding.then("number_form", lambda text: f"lower({text})")
    elif column.identifier:
        folding.then("lower_case_code", _replace_when("strpos(§, ':') = 0", "upper(§)"))
    return folding
