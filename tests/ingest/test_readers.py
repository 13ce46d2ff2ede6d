"""Readers give every cell as text, nothing guessed, nothing dropped; what cannot be split strictly is refused."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import tracemalloc
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ingest.faults import FileRefused
from ingest.readers import read
from ingest.readers.delimited import decode

HEADERS = ["编号", "名称 name", "数值"]
CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffd"), max_size=8) | st.sampled_from(
    ["", 'a"b', '"', '""', "a,b", "a\tb", "一行\n两行", "x\r\ny", " 前后 ", "'", "NA", "null", "000123", "#", "\\", ";"]
)
TABLES = st.lists(st.tuples(CELLS, CELLS, CELLS).map(list), min_size=1, max_size=12)


def write(rows: list[list[str]], separator: str = ",", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator=end, quoting=quoting).writerows([HEADERS, *rows])
    return out.getvalue()


def cells(data: bytes) -> list[list[str]]:
    table = read(data)
    assert table.headers == HEADERS
    return [list(row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


@settings(max_examples=80, deadline=None)
@given(TABLES, st.sampled_from([",", "\t"]), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_every_cell_of_a_table_comes_back_as_it_was(rows: list[list[str]], separator: str, end: str, quoting: int) -> None:
    if end == "\r":  # Python leaves a line feed bare there, which makes another table
        quoting = csv.QUOTE_ALL
    assert cells(write(rows, separator, end, quoting).encode()) == rows


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_every_encoding_gives_the_same_cells(rows: list[list[str]]) -> None:
    text = write(rows)
    encoded = {
        "utf-8": codecs.BOM_UTF8 + text.encode(),
        "utf-16-le": codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        "utf-16-be": codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        "gb18030": text.encode("gb18030"),
    }
    for encoding, data in encoded.items():
        assert decode(data)[1] == encoding
        assert cells(data) == rows
        assert cells(gzip.compress(data)) == rows


@settings(max_examples=60, deadline=None)
@given(TABLES, st.data())
def test_a_damaged_file_is_refused_or_read_as_python_reads_it(rows: list[list[str]], data: st.DataObject) -> None:
    """One byte changed, dropped or doubled: never a row fewer than an independent reader finds."""
    whole = bytearray(write(rows).encode())
    place = data.draw(st.integers(0, len(whole) - 1))
    change = data.draw(st.sampled_from(["drop", "double", "set"]))
    if change == "drop":
        del whole[place]
    elif change == "double":
        whole.insert(place, whole[place])
    else:
        whole[place] = data.draw(st.sampled_from(list(b'",\n\r\t;x\xff')))
    damaged = bytes(whole)
    try:
        table = read(damaged)
    except FileRefused as refusal:
        assert refusal.message.zh and refusal.message.en
        return
    text = decode(damaged)[0].decode()
    separator = "\t" if table.notes["separator"] == "tab" else ","
    expected = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    assert table.row_count == len(expected) - 1
    assert table.headers == expected[0]


def test_blank_lines_are_no_rows() -> None:
    assert cells(b"\n\n" + write([["1", "a", "2"]]).encode() + b"\n\r\n\n") == [["1", "a", "2"]]


def test_an_empty_row_of_one_column_is_a_row() -> None:
    table = read(b'a\n1\n""\n2\n')
    assert table.columns[0].to_pylist() == ["1", "", "2"]


BODY = write([["1", "合成", "2"], ["2", "示范", "3"]])
REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "blank lines only": b"\n\r\n\n",
    "NUL": BODY.encode() + b"3,\x00,4\n",
    "UTF-16 without byte-order mark": BODY.encode("utf-16-le"),
    "UTF-16 with half a character": codecs.BOM_UTF16_LE + BODY.encode("utf-16-le")[:-1],
    "UTF-8 marked and not": codecs.BOM_UTF8 + BODY.encode("gb18030"),
    "mixture": BODY.encode() + "3,混用,4\n".encode("gb18030"),
    "mixture the other way": BODY.encode("gb18030") + "3,混用编码,4\n".encode(),
    "neither": b"a,b\n\xff\xfe\xfd\x81,1\n",
    "U+FFFD": BODY.encode() + "3,\ufffd,4\n".encode(),
    "row too short": BODY.encode() + b"3,4\n",
    "row too long": BODY.encode() + b"3,4,5,6\n",
    "open quote": BODY.encode() + b'3,"4,5\n6,7,8\n',
    "separator changes": BODY.encode() + b"3;4;5\n6;7;8\n",
    "workbook": b"PK\x03\x04rest",
    "old workbook": b"\xd0\xcf\x11\xe0rest",
    "broken gzip": b"\x1f\x8brubbish",
    "cut gzip": gzip.compress(BODY.encode())[:-9],
    "broken Parquet": b"PAR1rubbish",
}


@pytest.mark.parametrize("case", REFUSED)
def test_unreadable_is_refused_in_one_sentence_of_each_language(case: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read(REFUSED[case])
    assert refused.value.code == "unreadable"
    assert any("\u4e00" <= character <= "\u9fff" for character in refused.value.message.zh)
    assert refused.value.message.en.isprintable() and refused.value.message.en


def test_a_header_alone_is_no_delivery() -> None:
    header = ",".join(HEADERS).encode()
    for data in (header, header + b"\n\n", header + b"\r\n", parquet(pa.table({"a": pa.array([], pa.string())}))):
        with pytest.raises(FileRefused) as refused:
            read(data)
        assert refused.value.code == "no_data_rows"


def test_a_separator_that_changes_half_way_loses_no_row_quietly() -> None:
    """An engine's sniffer returned 12 of 24 rows of such a file as success."""
    data = "a,b\n" + "1,2\n" * 12 + "1;2\n" * 12
    with pytest.raises(FileRefused):
        read(data.encode())


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory() -> None:
    inner = gzip.compress(b"0" * (64 << 20))
    bomb = gzip.compress(inner)
    assert len(inner) < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(FileRefused) as refused:
            read(inner)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.code == "unsafe"
    assert peak < 40 << 20
    with pytest.raises(FileRefused):
        read(bomb)


def test_gzip_members_one_after_the_other_are_one_file() -> None:
    first, second = BODY.encode()[:20], BODY.encode()[20:]
    assert cells(gzip.compress(first) + gzip.compress(second)) == cells(BODY.encode())


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def parquet_cells(kind: pa.DataType, values: list[Any]) -> list[str]:
    texts: list[str] = read(parquet(pa.table({"x": pa.array(values, kind)}))).columns[0].to_pylist()
    return texts


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1),
    st.lists(st.decimals(-(10**15), 10**15, places=8, allow_nan=False), min_size=1),
    st.lists(st.dates(), min_size=1),
    st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), min_size=1),
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), min_size=1),
)
def test_typed_parquet_becomes_text_that_says_the_same(
    integers: list[int], doubles: list[float], decimals: list[Decimal], days: list[date], moments: list[datetime], texts: list[str]
) -> None:
    assert [int(text) for text in parquet_cells(pa.int64(), integers)] == integers
    assert [float(text) for text in parquet_cells(pa.float64(), doubles)] == doubles
    assert [Decimal(text) for text in parquet_cells(pa.decimal128(28, 8), decimals)] == decimals
    assert [date.fromisoformat(text) for text in parquet_cells(pa.date32(), days)] == days
    assert [datetime.fromisoformat(text) for text in parquet_cells(pa.timestamp("us"), moments)] == moments
    assert parquet_cells(pa.string(), texts) == texts
    assert parquet_cells(pa.dictionary(pa.int32(), pa.string()), texts) == texts


def test_parquet_nulls_are_empty_and_an_instant_keeps_its_zone() -> None:
    assert parquet_cells(pa.int64(), [1, None]) == ["1", ""]
    assert parquet_cells(pa.bool_(), [True, False, None]) == ["true", "false", ""]
    (text,) = parquet_cells(pa.timestamp("us", tz="Asia/Shanghai"), [datetime(2025, 3, 1, 2)])
    assert datetime.fromisoformat(text).timestamp() == datetime.fromisoformat("2025-03-01T02:00+00:00").timestamp()


def test_parquet_that_is_no_table_of_cells_is_refused() -> None:
    for array in (pa.array([[1, 2]]), pa.array([{"a": 1}]), pa.array([b"\xff\xfe"], pa.binary()), pa.array(["a\x00b"])):
        with pytest.raises(FileRefused) as refused:
            read(parquet(pa.table({"x": array})))
        assert refused.value.code == "unreadable"


def test_what_python_cannot_tell_apart_is_assumed_to_be_utf8() -> None:
    """A GB18030 text that is UTF-8 as well is read as UTF-8; Chinese headers never are, which is why they decide in practice."""
    assert all(not _is_utf8(header.encode("gb18030")) for header in ("统一社会信用代码", "披露编号", "因子编号", "市场", "交易日期"))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=3))
def test_rubbish_never_breaks_the_reader(parts: list[bytes]) -> None:
    data = b"\n".join(parts)
    assume(data)
    for content in (data, gzip.compress(data), b"PAR1" + data, b"\x1f\x8b" + data, codecs.BOM_UTF16_LE + data):
        try:
            read(content)
        except FileRefused as refusal:
            assert refusal.message.zh and refusal.message.en


@pytest.mark.parametrize(("row", "cells"), [("3,4,5", 3), ("3", 1)])
def test_ragged_row_is_told_in_both_languages(row: str, cells: int) -> None:
    with pytest.raises(FileRefused) as caught:
        read(f"a,b\n1,2\n{row}\n".encode())
    assert caught.value.message.zh == f"各行的列数应一致（表头有 2 列，而有一行是 {cells} 列：{row}）。"
    assert f"the header has 2, and a row has {cells}: {row}" in caught.value.message.en
