"""Delimited text (CSV, TSV): decoded strictly, split by a reader that refuses ragged rows, counted a second time by another way.

Engine sniffers lose rows without an error, so nothing here is sniffed: the separator is the one the header line uses, every
column is text, and the number of rows must agree with an independent count of the line ends outside quotes.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from ingest.faults import FileRefused, unreadable
from ingest.readers import RawTable
from ingest.readers.limits import check_columns

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CJK = re.compile("[\u4e00-\u9fff]{2}")
_COUNT_CHUNK = 1 << 24
_RAGGED = re.compile(r"CSV parse error: Expected (\d+) columns, got (\d+): (.*)")


def _is_mixture(data: bytes) -> bool:
    """Whether some lines are Chinese in UTF-8 while others are not UTF-8 at all: two encodings in one file."""
    for line in data.splitlines():
        if line.isascii():
            continue
        try:
            if _CJK.search(line.decode("utf-8")):
                return True
        except UnicodeDecodeError:
            continue
    return False


def _check_utf8(data: bytes) -> None:
    """Raise pa.ArrowInvalid where bytes are not UTF-8; no copy of them is made."""
    offsets = pa.array([0, len(data)], pa.int64()).buffers()[1]
    pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(data)]).cast(pa.large_string())


def decode(data: bytes) -> tuple[bytes, str]:
    """Bytes of a text file as UTF-8 without byte-order mark, and the name of the encoding found.

    Tried in order: byte-order mark, UTF-8, GB18030. Never ignores or replaces a byte.

    Raises:
        FileRefused: NUL bytes, a mixture of encodings, replacement characters, or no known encoding.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            try:
                text = data[len(bom) :].decode(encoding)
            except UnicodeDecodeError as error:
                raise unreadable(
                    f"文件声明为 {encoding}，但第 {error.start} 字节起不是。", f"Marked as {encoding}, but not from byte {error.start} on."
                ) from error
            found, name = text.encode("utf-8"), encoding
            break
    else:
        try:
            _check_utf8(data)
            found, name = data, "utf-8"
        except pa.ArrowInvalid as error:
            if _is_mixture(data):
                raise unreadable(
                    "文件混用了两种编码（UTF-8 与 GB18030），请统一后重报。",
                    "The file mixes two encodings (UTF-8 and GB18030): use one and deliver again.",
                ) from error
            try:
                found, name = data.decode("gb18030").encode("utf-8"), "gb18030"
            except UnicodeDecodeError:
                raise unreadable("既不是 UTF-8 也不是 GB18030 文本。", "Neither UTF-8 nor GB18030 text.") from error
    if b"\x00" in found:
        raise unreadable("文件含有 NUL 字节，不是文本文件。", "The file holds NUL bytes: it is not text.")
    if b"\xef\xbf\xbd" in found:
        raise unreadable(
            "文件含有替换字符（U+FFFD）：此前的转码已丢失文字。",
            "The file holds replacement characters (U+FFFD): an earlier conversion lost text.",
        )
    return found, name


def _count_plain_lines(data: bytes) -> int:
    """Lines by their line ends alone, quotes and blank lines not looked at; -1 where line ends are mixed or are single returns."""
    whole = np.frombuffer(data, dtype=np.uint8)
    line_ends = sum(int(np.count_nonzero(whole[start : start + _COUNT_CHUNK] == 10)) for start in range(0, len(data), _COUNT_CHUNK))
    returns = data.count(b"\r")
    if returns and (returns != line_ends or data.count(b"\r\n") != line_ends):
        return -1
    return line_ends + (not data.endswith(b"\n"))


def _count_lines(data: bytes) -> int:
    """Lines that are not empty, by line ends outside quotes; -1 where a quote stays open. Independent of the parser."""
    inside = np.uint8(0)
    count = 0
    content = False  # whether the current line has any byte
    for start in range(0, len(data), _COUNT_CHUNK):
        block = np.frombuffer(data, dtype=np.uint8, count=min(_COUNT_CHUNK, len(data) - start), offset=start)
        parity = np.bitwise_xor.accumulate((block == 34).astype(np.uint8)) ^ inside
        inside = parity[-1]
        ends = np.flatnonzero(((block == 10) | (block == 13)) & (parity == 0))
        if ends.size:
            gaps = np.diff(ends, prepend=-1) > 1
            gaps[0] = gaps[0] or (content and ends[0] == 0) or (content and not gaps[0])
            count += int(gaps.sum())
            content = bool(ends[-1] < block.size - 1)
        else:
            content = content or bool(block.size)
    if inside:
        return -1
    return count + int(content)


def _count_records(data: bytes, separator: str) -> int:
    """The same count by Python's own CSV reader: slower, but it understands a quote in the middle of a cell."""
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=separator)
    return sum(1 for record in reader if record)


def _header(data: bytes) -> tuple[list[str], str]:
    first_line = re.split(rb"\r\n|\n|\r", data[: 1 << 20].lstrip(b"\r\n"), maxsplit=1)[0]
    separator = "\t" if first_line.count(b"\t") > first_line.count(b",") else ","
    text = data[: 1 << 20].decode("utf-8", errors="ignore")
    records = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    return next((record for record in islice(records, 1000) if record), []), separator


def _parse(data: bytes, columns: int, separator: str, breaks_in_cells: bool) -> pa.Table:
    """Split by pyarrow's strict parser; the header line is row 0.

    Raises:
        pa.ArrowInvalid: ragged rows, or a quote that crosses the parser's blocks.
    """
    return pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=pa_csv.ReadOptions(autogenerate_column_names=True, block_size=1 << 23 if breaks_in_cells else 1 << 21),
        parse_options=pa_csv.ParseOptions(delimiter=separator, newlines_in_values=breaks_in_cells),
        convert_options=pa_csv.ConvertOptions(
            column_types={f"f{i}": pa.string() for i in range(columns)},
            null_values=[],
            strings_can_be_null=False,
            quoted_strings_can_be_null=False,
        ),
    )


def _ragged(reason: str) -> FileRefused:
    """Rows of other lengths, as the parser tells it; in both languages where its sentence is known."""
    found = _RAGGED.fullmatch(reason)
    zh = f"表头有 {found[1]} 列，而有一行是 {found[2]} 列：{found[3]}" if found else reason
    en = f"the header has {found[1]}, and a row has {found[2]}: {found[3]}" if found else reason
    return unreadable(f"各行的列数应一致（{zh}）。", f"Every row should have as many cells as the header ({en}).")


def _split(data: bytes, columns: int, separator: str) -> pa.Table:
    """Rows of all-text cells, counted independently of the parser.

    Most files have as many line ends as rows, so that no cell holds a line break and no line is blank: the parser works in parallel
    and the line ends are the second count. Anything else is parsed again with quotes followed throughout.
    """
    plain_lines = _count_plain_lines(data)
    if plain_lines > 0:
        try:
            table = _parse(data, columns, separator, breaks_in_cells=False)
            if table.num_rows == plain_lines:
                return table
        except (pa.ArrowInvalid, pa.ArrowKeyError):
            pass  # said below, of the slower way, if it still holds
    try:
        table = _parse(data, columns, separator, breaks_in_cells=True)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise _ragged(str(error).splitlines()[0][:200]) from error
    lines = _count_lines(data)
    if lines != table.num_rows and _count_records(data, separator) != table.num_rows:
        raise unreadable(
            f"两种方式数出的行数不一致（{table.num_rows} 与 {lines}）：可能有未闭合的引号。",
            f"Two ways of counting disagree on the rows ({table.num_rows} and {lines}): a quote may be left open.",
        )
    return table


def read(data: bytes, encoding: str) -> RawTable:
    """Split delimited text into all-text columns.

    Args:
        data: UTF-8 without byte-order mark, as `decode` gives it.
        encoding: what it was before, for the receipt.

    Raises:
        FileRefused: `unreadable` (ragged rows, open quotes, counts that disagree), `unsafe` (too many columns) or `no_data_rows`.
    """
    headers, separator = _header(data)
    check_columns(len(headers))
    if not headers:
        raise unreadable("文件只有空行。", "The file has only blank lines.")
    if b"\n" not in data and b"\r" not in data:  # the parser takes a line without an end for an empty file
        raise no_data_rows()
    table = _split(data, len(headers), separator)
    if table.num_rows <= 1:
        raise no_data_rows()
    body = table.slice(1)
    return RawTable(headers, list(body.columns), {"encoding": encoding, "separator": "tab" if separator == "\t" else "comma"})


def no_data_rows() -> FileRefused:
    from ingest.contract import Message

    return FileRefused("no_data_rows", Message("文件只有表头，没有数据行。", "The file has a header but no data rows."))
