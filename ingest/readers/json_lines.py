"""JSON Lines: one flat object per line, strictly. Numbers stay the text they were written as; equal keys, NaN and nested values are refused.

A key that a line lacks is an empty cell, and so is null. The columns are the keys in the order in which they first appear.
"""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.contract import Message
from ingest.faults import FileRefused, unreadable
from ingest.readers import RawTable
from ingest.readers.limits import check_columns

_LITERALS: dict[Any, str] = {None: "", True: "true", False: "false"}


class _Refused(ValueError):
    """What is wrong with one line, in both languages; its number is added where it is known."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


def _constant(text: str) -> Any:
    raise _Refused(f"不能有 {text}（RFC 8259）", f"{text} is no JSON value (RFC 8259)")


# Objects come as tuples of pairs, so that equal keys are seen and an object is told from an array.
_DECODER = json.JSONDecoder(object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=_constant, strict=True)


class _Columns:
    """The keys seen so far and, per line, its values in their order."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.rows: list[Any] = []
        self._usual: tuple[str, ...] = ()

    def add(self, record: Any) -> None:
        """One parsed line.

        Raises:
            _Refused: it is no flat object.
            FileRefused: too many columns.
        """
        if type(record) is not tuple:
            raise _Refused("应为一个 JSON 对象", "expected one JSON object")
        keys, values = zip(*record, strict=True) if record else ((), ())
        if keys == self._usual:
            self.rows.append(values)
            return
        if len(set(keys)) != len(keys):
            repeated = next(key for key in keys if keys.count(key) > 1)
            raise _Refused(f"键“{repeated[:60]}”重复", f"the key {repeated[:60]!r} stands twice")
        for key in keys:
            self.places.setdefault(key, len(self.places))
        check_columns(len(self.places))
        if keys == tuple(self.places):
            self._usual = keys
            self.rows.append(values)
            return
        row: list[Any] = [None] * len(self.places)
        for key, value in record:
            row[self.places[key]] = value
        self.rows.append(row)


def _nested(values: tuple[Any, ...]) -> int | None:
    return next((place for place, value in enumerate(values) if type(value) in (tuple, list)), None)


def _column(key: str, values: tuple[Any, ...]) -> pa.Array:
    kinds = set(map(type, values))
    if kinds == {str}:
        return pa.array(values, pa.string())
    if kinds & {tuple, list}:
        raise unreadable(
            f"第 {(_nested(values) or 0) + 1} 条记录的“{key[:60]}”是嵌套的对象或数组，应逐列写出。",
            f"Record {(_nested(values) or 0) + 1}: {key[:60]!r} is a nested object or array; write its parts as columns of their own.",
        )
    return pa.array([value if type(value) is str else _LITERALS[value] for value in values], pa.string())


def _parse(text: str) -> tuple[_Columns, list[int]]:
    columns = _Columns()
    numbers: list[int] = []
    decode, add = _DECODER.decode, columns.add
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: U+2028 may stand within a text
        if not line or line.isspace():
            continue
        try:
            add(decode(line))
        except _Refused as error:
            raise unreadable(f"第 {number} 行：{error.zh}。", f"Line {number}: {error.en}.") from error
        except json.JSONDecodeError as error:
            raise unreadable(
                f"第 {number} 行第 {error.colno} 个字符起不是合法的 JSON（每行应为一个完整的对象）。",
                f"Line {number} is not JSON from character {error.colno} on (each line should be one whole object).",
            ) from error
        except RecursionError as error:
            raise FileRefused(
                "unsafe", Message(f"第 {number} 行的 JSON 嵌套过深。", f"Line {number}: the JSON is nested too deep.")
            ) from error
        numbers.append(number)
    return columns, numbers


def read(data: bytes) -> RawTable:
    """Read UTF-8 bytes without byte-order mark, one object per line.

    Raises:
        FileRefused: `unreadable` or `unsafe`.
    """
    columns, numbers = _parse(data.decode("utf-8"))
    if not columns.places:
        raise unreadable("文件没有任何列。", "The file has no columns.")
    cells: list[pa.ChunkedArray] = []
    try:
        for key, values in zip(columns.places, zip_longest(*columns.rows), strict=True):
            cells.append(pa.chunked_array([_column(key, values)]))
        json.dumps(list(columns.places), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise unreadable(
            "有半个代理对（如 \\ud800），不是合法文字。", "There is half of a surrogate pair (such as \\ud800): it is no text."
        ) from error
    _check_escaped(list(columns.places), cells)
    return RawTable(list(columns.places), cells, {"format": "json_lines"}, pa.array(np.asarray(numbers, dtype=np.int32)))


def _check_escaped(keys: list[str], cells: list[pa.ChunkedArray]) -> None:
    """What a text file may not hold may not come in as an escape either."""
    for mark, zh, en in (("\x00", "NUL 字符", "a NUL character"), ("\ufffd", "替换字符（U+FFFD）", "a replacement character (U+FFFD)")):
        if any(mark in key for key in keys) or any(pc.any(pc.match_substring(column, mark)).as_py() for column in cells):
            raise unreadable(f"文字中含有{zh}。", f"A text holds {en}.")
