"""JSON read strictly (RFC 8259): what other readers let pass in silence is refused here, and a number stays the text it was written as.

Python's own parser keeps the last of two equal keys, takes `NaN` and `Infinity`, turns 0.1 into a binary float and spends quadratic time
on a very long integer. Here equal keys refuse the file, constants that are not JSON refuse it, and numbers become `Number`, which is text.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from ingest.contract import Message
from ingest.faults import FileRefused, unreadable

DEEPEST = 64
LONGEST_TEXT = 1 << 20
MOST_VALUES = 5_000_000  # about half a GiB of Python objects, whatever the file's size

_BOM = b"\xef\xbb\xbf"
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
# What may hide in an escape: half of a surrogate pair, NUL, the replacement character.
_DOUBTFUL = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000|[fF]{3}[dD])|\xef\xbf\xbd")


class Number(str):
    """A JSON number as it is written. It is text, so that neither 0.1 nor a long integer changes on the way through."""

    __slots__ = ()


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise unreadable(
            "JSON 应为 UTF-8 编码（RFC 8259），此文件是 UTF-16。", "JSON is UTF-8 (RFC 8259); this file is UTF-16: save it as UTF-8."
        )
    if b"\x00" in data:
        raise unreadable("文件含有 NUL 字节，不是 JSON 文本。", "The file holds NUL bytes: it is not JSON text.")
    try:
        return data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise unreadable(
            f"JSON 应为 UTF-8 编码（RFC 8259），第 {error.start + 1} 个字节起不是。",
            f"JSON is UTF-8 (RFC 8259), and this file is not from byte {error.start + 1} on.",
        ) from error


def _check_shape(data: bytes) -> None:
    """Refuse what is nested or split beyond reason before anything is built from it."""
    brackets = data.count(b"[") + data.count(b"{")
    if brackets <= DEEPEST and len(data) <= MOST_VALUES:
        return
    bare = np.frombuffer(_STRING.sub(b"", data), dtype=np.uint8)
    opened = (bare == 91) | (bare == 123)
    closed = (bare == 93) | (bare == 125)
    values = int(opened.sum()) + int((bare == 44).sum())
    if values > MOST_VALUES:
        raise FileRefused(
            "too_large",
            Message(
                f"JSON 中的值超过 {MOST_VALUES:,} 个，请分成几个文件。", f"The JSON holds more than {MOST_VALUES:,} values: split the file."
            ),
        )
    if bare.size and int(np.cumsum(opened.astype(np.int32) - closed.astype(np.int32)).max()) > DEEPEST:
        raise FileRefused("unsafe", Message(f"JSON 嵌套超过 {DEEPEST} 层。", f"The JSON is nested deeper than {DEEPEST} levels."))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise unreadable(
            f"JSON 中同一对象两次写了键“{repeated[:60]}”，不知以何为准。",
            f"One object of the JSON gives the key {repeated[:60]!r} twice: which of them holds is not known.",
        )
    return found


def _constant(text: str) -> Any:
    raise unreadable(f"JSON 中不能有 {text}（RFC 8259）。", f"{text} is no JSON value (RFC 8259).")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=Number, parse_float=Number, parse_constant=_constant, strict=True)


def _texts(value: Any) -> list[str]:
    """Every key and text below a value."""
    found, rest = [], [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            found += item
            rest += item.values()
        elif isinstance(item, list):
            rest += item
    return found


def _check_texts(value: Any) -> None:
    for text in _texts(value):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise unreadable("JSON 中有半个代理对，不是合法文字。", "A text of the JSON holds half of a surrogate pair: it is no text.")
        if "\x00" in text:
            raise unreadable("JSON 的文字中含有 NUL 字符。", "A text of the JSON holds a NUL character.")
        if "\ufffd" in text:
            raise unreadable(
                "文件含有替换字符（U+FFFD）：此前的转码已丢失文字。",
                "The file holds replacement characters (U+FFFD): an earlier conversion lost text.",
            )


def parse(data: bytes) -> Any:
    """One JSON value of UTF-8 bytes, with or without byte-order mark: dict, list, str, `Number`, bool or None.

    Raises:
        FileRefused: `unreadable` (no JSON, another encoding, a key given twice, NaN or Infinity, half a surrogate pair), `unsafe`
            (nested deeper than DEEPEST) or `too_large` (more than MOST_VALUES values, or a text longer than LONGEST_TEXT).
    """
    text = _decoded(data)
    _check_shape(data)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise unreadable(
            f"第 {error.lineno} 行第 {error.colno} 个字符起不是合法的 JSON。",
            f"Not JSON from line {error.lineno}, character {error.colno} on ({error.msg}).",
        ) from error
    if len(data) > LONGEST_TEXT and any(len(found) > LONGEST_TEXT for found in _texts(value)):
        raise FileRefused(
            "too_large",
            Message(
                f"JSON 中有一段文字或数字超过 {LONGEST_TEXT:,} 个字符。",
                f"A text or number of the JSON is longer than {LONGEST_TEXT:,} characters.",
            ),
        )
    if _DOUBTFUL.search(data):
        _check_texts(value)
    return value


def write(value: Any) -> str:
    """A value of `parse` as JSON text again, each number as it was written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write(str(key))}: {write(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(write(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
