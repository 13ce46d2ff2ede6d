"""Typed cells of a workbook as the text that says the same: a number by its digits, a day in ISO form, text as it stands."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Excel keeps 15 significant digits ("Excel specifications and limits", Microsoft): a whole number beyond is no longer what was typed,
# and the digits of 0.30000000000000004 beyond them are noise of binary arithmetic which no screen shows.
_DIGITS_KEPT = 15
_LONGEST_WHOLE = 10.0**_DIGITS_KEPT
_NOISE = 3  # zeros that 15 digits must end in before the rest is taken for noise
_NO_NUMBER = "#NUM!"


def _may_be_noisy(doubles: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Numbers that lie next to one of few digits; most of these are that one."""
    with np.errstate(all="ignore"):
        scale = 10.0 ** (_DIGITS_KEPT - _NOISE - np.floor(np.log10(np.abs(doubles))) - 1)
        near: np.ndarray[Any, np.dtype[np.bool_]] = np.abs(doubles - np.rint(doubles * scale) / scale) <= 1e-15 * np.abs(doubles)
    return near


def _shorten(value: float) -> str:
    """A number without binary noise; every digit stays where there is none."""
    exact, short = repr(value), f"{value:.{_DIGITS_KEPT}g}"
    return short if len(exact) - len(short) > _NOISE else exact


def _write_unusual(value: float) -> str:
    """A number too large for its digits to be sure of, as Excel shows it: 1.23456789012346E+17."""
    if not np.isfinite(value):
        return _NO_NUMBER
    return np.format_float_scientific(value, trim="-", exp_digits=2).upper()


def _numbers(values: pa.Array) -> pa.Array:
    """Doubles as text; whole numbers without a fraction."""
    doubles = values.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        ordinary = np.abs(doubles) < _LONGEST_WHOLE
        whole = ordinary & (doubles == np.floor(doubles))
    whole_text = pa.array(np.where(whole, doubles, 0).astype(np.int64)).cast(pa.string())
    if whole.all():
        return whole_text
    text = pc.if_else(pa.array(whole), whole_text, values.cast(pa.string()))
    long = pc.greater(pc.utf8_length(text), _DIGITS_KEPT).to_numpy(zero_copy_only=False)
    noisy = long & ordinary & ~whole & _may_be_noisy(doubles)
    text = _replace(text, pa.array(noisy), [_shorten(value) for value in doubles[noisy].tolist()])
    unusual = ~ordinary
    return _replace(text, pa.array(unusual), [_write_unusual(value) for value in doubles[unusual].tolist()])


def _replace(text: pa.Array, mask: pa.Array, texts: list[str]) -> pa.Array:
    return pc.replace_with_mask(text, mask, pa.array(texts, pa.string())) if texts else text


def _instant(value: datetime) -> str:
    return value.isoformat(" ", "milliseconds" if value.microsecond else "seconds")


def _elapsed(value: timedelta) -> str:
    seconds = round(value.total_seconds())
    return f"{'-' if seconds < 0 else ''}{abs(seconds) // 3600}:{abs(seconds) // 60 % 60:02d}:{abs(seconds) % 60:02d}"


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: str,
    bool: lambda value: "true" if value else "false",
    datetime: _instant,
    date: date.isoformat,
    time: lambda value: value.isoformat("seconds"),
    timedelta: _elapsed,
}


def write_cell(value: Any) -> str:
    """One cell as text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(_numbers(pa.array([float(value)]))[0].as_py())
    return _WRITERS[type(value)](value)


def write_column(values: Sequence[Any]) -> pa.Array:
    """A column's cells as text, all numbers of it in one go.

    Raises:
        UnicodeEncodeError: a text that is none, with half of a surrogate pair.
    """
    if type(values[0]) is str:
        with contextlib.suppress(pa.ArrowTypeError):  # most columns are text throughout
            return pa.array(values, pa.string())
    kinds = set(map(type, values))
    if kinds == {date}:
        return pa.array(values, pa.date32()).cast(pa.string())
    if kinds <= {float, int}:
        return _numbers(pa.array(values, pa.float64()))
    numbers = kinds & {float, int}
    others = kinds - numbers
    if others <= {str}:
        texts = [value if type(value) is str else None for value in values]
    else:
        texts = [_WRITERS[type(value)](value) if type(value) not in (float, int) else None for value in values]
    written = pa.array(texts, pa.string())
    if not numbers:
        return written
    doubles = pa.array([value for value in values if type(value) in (float, int)], pa.float64())
    return pc.replace_with_mask(written, pc.is_null(written), _numbers(doubles))
