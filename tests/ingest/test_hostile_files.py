"""Hostile files (promises R17 and R18): each is refused with a code and a sentence in both languages, or read rightly, in bounded time
and memory, in a process that can touch nothing else. Every file is made here by code; what it tries is its name.
"""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from ingest.confinement import read_confined
from ingest.faults import FileRefused
from ingest.readers.foreign import OLE
from ingest.readers.limits import LONGEST_CELL, MOST_COLUMNS

GIB = 1 << 30
MOST_SECONDS = 60
ROW = "编号,名称,数值\n1,合成,2\n"
SHEET = "xl/worksheets/sheet1.xml"
Make = Callable[[], bytes]


def workbook(cells: int = 3) -> dict[str, bytes]:
    """The members of a good workbook."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet("data")
        for row in range(cells):
            sheet.write_row(row, 0, ["a", "b"] if row == 0 else [f"t{row}", row])
    with zipfile.ZipFile(io.BytesIO(out.getvalue())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: dict[str, bytes] | None = None, **changed: bytes) -> bytes:
    """A workbook with members added or replaced; a name is spelt with __ for /."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in ((workbook() if members is None else members) | changed).items():
            archive.writestr(name, content)
    return out.getvalue()


def with_member(name: str, content: bytes = b"x") -> bytes:
    return packed(workbook() | {name: content})


def with_sheet(change: Callable[[bytes], bytes]) -> bytes:
    members = workbook()
    return packed(members | {SHEET: change(members[SHEET])})


def sheet_of(rows: bytes) -> bytes:
    start = (
        b'<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    )
    return packed(workbook() | {SHEET: start + rows + b"</sheetData></worksheet>"})


def patch_directory(data: bytes, offset: int, value: bytes) -> bytes:
    """The same zip with a field of every entry of its directory overwritten."""
    changed = bytearray(data)
    place = changed.find(b"PK\x01\x02")
    while place >= 0:
        changed[place + offset : place + offset + len(value)] = value
        place = changed.find(b"PK\x01\x02", place + 46)
    return bytes(changed)


def repeated_member() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        for name, content in workbook().items():
            archive.writestr(name, content)
        archive.writestr(SHEET, b"<worksheet/>")
    return out.getvalue()


def linked_member() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in workbook().items():
            archive.writestr(name, content)
        link = zipfile.ZipInfo("xl/media/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return out.getvalue()


def entity_bomb() -> bytes:
    """The billion laughs, in the shared strings."""
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    strings = f'<?xml version="1.0"?><!DOCTYPE sst [<!ENTITY l0 "lol">{levels}]><sst><si><t>&l9;</t></si></sst>'
    return with_member("xl/sharedStrings.xml", strings.encode())


def far_cell() -> bytes:
    return with_sheet(lambda xml: xml.replace(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'))


def far_cells_in_one_row() -> bytes:
    """Rows say 1, cells say otherwise, and no column has three letters: found only when memory runs out."""
    return with_sheet(lambda xml: xml.replace(b"</row>", b'<c r="ZZ1048576"><v>1</v></c></row>', 1))


def string_bomb() -> bytes:
    """One long shared text in forty thousand cells: a sixth of a megabyte that becomes more than a gigabyte."""
    long = b"<sst xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><si><t>" + b"x" * 32_000 + b"</t></si></sst>"
    rows = b"".join(b'<row r="%d"><c r="A%d" t="s"><v>0</v></c></row>' % (n, n) for n in range(1, 40_001))
    members = workbook() | {"xl/sharedStrings.xml": long}
    start = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    return packed(members | {SHEET: start + rows + b"</sheetData></worksheet>"})


def slow_workbook() -> bytes:
    """Some 20 MB of equal rows in a fraction of a megabyte: honest, if slow."""
    return sheet_of(b"".join(b'<row r="%d"><c><v>1</v></c><c><v>2</v></c><c><v>3</v></c></row>' % n for n in range(1, 300_001)))


def sheet_outside() -> bytes:
    """A relationship that says the sheet lies beyond the zip."""
    name = "xl/_rels/workbook.xml.rels"
    return packed(workbook() | {name: workbook()[name].replace(b"worksheets/sheet1.xml", b"../../etc/passwd")})


def expanding_workbook() -> bytes:
    return with_member("xl/media/image1.png", bytes(70 << 20))


def truncated_stream() -> bytes:
    """A sheet whose compressed bytes end early, with a right directory."""
    data = packed()
    return data[: len(data) // 3] + data[len(data) // 3 + 40 :]


def parquet(table: pa.Table, **options: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def dictionary_bomb() -> bytes:
    """One long text for two million rows, stored once: a few kilobytes that become two gigabytes."""
    indices = pa.array(np.zeros(2_000_000, dtype=np.int32))
    return parquet(pa.table({"x": pa.DictionaryArray.from_arrays(indices, pa.array(["y" * 1000]))}))


def lying_footer() -> bytes:
    """A Parquet file that claims three thousand times its rows in one varint of the footer."""
    data = bytearray(parquet(pa.table({"x": [1, 2, 3]}), compression="none", write_statistics=False))
    length = struct.unpack("<I", data[-8:-4])[0]
    footer = bytes(data[-8 - length : -8])
    place = footer.index(b"\x16\x06")  # i64 field, zigzag of 3: num_rows
    changed = footer[:place] + b"\x16\xfe\x7f" + footer[place + 2 :]
    return bytes(data[: -8 - length]) + changed + struct.pack("<I", len(changed)) + b"PAR1"


def many_members() -> bytes:
    """A hundred thousand empty gzip members before the data."""
    return gzip.compress(b"") * 100_000 + gzip.compress(ROW.encode())


def nest(depth: int) -> bytes:
    return b'{"a": ' + b"[" * depth + b"]" * depth + b"}"


READ = "read"
CASES: dict[str, tuple[Make, str]] = {
    # Text
    "text: a cell of two megabytes": (f"a,b\n1,{'x' * (2 << 20)}\n".encode, "unsafe"),
    "text: a quoted cell of twenty megabytes": (lambda: b'a,b\n1,"' + b"x\n" * (10 << 20) + b'"\n', "unsafe unreadable"),
    "text: a cell at the limit": (f"a,b\n1,{'x' * LONGEST_CELL}\n".encode, READ),
    "text: a hundred thousand columns": (lambda: b",".join(b"c%d" % n for n in range(100_000)) + b"\n" + b"," * 99_999 + b"\n", "unsafe"),
    "text: columns at the limit": (lambda: b",".join(b"c%d" % n for n in range(MOST_COLUMNS)) + b"\n" + b"," * (MOST_COLUMNS - 1) + b"\n", READ),
    "text: one endless line": (lambda: b"x" * (30 << 20), "no_data_rows unsafe unreadable"),
    "text: ten million quotes": (lambda: b'a,b\n1,"' + b'"' * 10_000_000, "unsafe unreadable"),
    "text: ten million line ends": (lambda: b"a,b\n1,2\n" + b"\n" * 10_000_000, READ),
    "text: NUL": (lambda: ROW.encode() + b"2,\x00,3\n", "unreadable"),
    "text: NUL at the end": (lambda: ROW.encode() + bytes(512), "unreadable"),
    "text: two encodings": (lambda: ROW.encode() + "2,混用编码,3\n".encode("gb18030"), "unreadable"),
    "text: cut within a character": (lambda: (ROW * 3).encode()[: -len("成,2\n".encode()) + 1], "unreadable"),
    "text: UTF-32": (lambda: codecs.BOM_UTF32_LE + ROW.encode("utf-32-le"), "unreadable"),
    "text: UTF-32, big end first": (lambda: codecs.BOM_UTF32_BE + ROW.encode("utf-32-be"), "unreadable"),
    "text: UTF-7 stays the characters it is": (lambda: b"a,b\n+ADw-script+AD4-,1\n", READ),
    "text: lone surrogates in UTF-8": (lambda: b"a,b\n\xed\xa0\x80\xed\xa0\x80,1\n", "unreadable"),
    "text: lone surrogates in UTF-16": (lambda: codecs.BOM_UTF16_LE + "a,b\n".encode("utf-16-le") + b"\x00\xd8,\x001\x00\n\x00", "unreadable"),
    "text: overlong UTF-8 is GB18030, not a slash": (lambda: b"a,b\n\xc0\xaf,1\n", READ),
    "text: line ends of other scripts within cells": ("a,b\n一\u2028二,x\u0085y\u2029z\x0b\x0c\n".encode, READ),
    "text: marks that turn the direction": ("a,b\n\u202egnp.exe,1\n".encode, READ),
    "text: line ends by CR alone": (lambda: b"a,b\r1,2\r3,4\r", READ),
    "text: an open quote": (lambda: ROW.encode() + b'2,"x,3\n' + ROW.encode() * 1000, "unreadable"),
    "text: formulas, SQL, Jinja and HTML stay text": (lambda: b"a,b\n=cmd|' /C calc'!A0,'; drop table x; --\n{{ 7*7 }},<script>alert(1)</script>\n", READ),
    "text: escape sequences of a terminal stay text": (lambda: b"a,b\n\x1b[2J\x1b]0;x\x07,1\n", READ),
    # gzip
    "gzip: bomb": (lambda: gzip.compress(bytes(1 << 26)), "unsafe"),
    "gzip: within gzip": (lambda: gzip.compress(gzip.compress(ROW.encode())), "unsafe"),
    "gzip: cut short": (lambda: gzip.compress(ROW.encode() * 100)[:-9], "unreadable"),
    "gzip: other bytes behind": (lambda: gzip.compress(ROW.encode()) + b"rubbish", "unreadable"),
    "gzip: wrong checksum": (lambda: gzip.compress(ROW.encode())[:-8] + bytes(4) + struct.pack("<I", len(ROW.encode())), "unreadable"),
    "gzip: of nothing": (lambda: gzip.compress(b""), "unreadable"),
    "gzip: a hundred thousand members": (many_members, READ),
    "gzip: a zlib stream is none": (lambda: zlib.compress(ROW.encode()), "unreadable"),
    # JSON Lines
    "json: a key twice": (lambda: b'{"a": 1, "a": 2}\n', "unreadable"),
    "json: a key twice by an escape": (lambda: b'{"a": 1, "\\u0061": 2}\n', "unreadable"),
    "json: NaN": (lambda: b'{"a": NaN}\n', "unreadable"),
    "json: Infinity": (lambda: b'{"a": -Infinity}\n', "unreadable"),
    "json: nested": (lambda: b'{"a": {"b": 1}}\n', "unreadable"),
    "json: nested a hundred thousand deep": (lambda: nest(100_000), "unsafe unreadable"),
    "json: nested a thousand deep, a thousand times": (lambda: b"\n".join([nest(900)] * 1000), "unsafe unreadable"),
    "json: a number of a million digits": (lambda: b'{"a": ' + b"9" * 1_000_000 + b"}\n", "unsafe"),
    "json: a hundred thousand keys": (lambda: b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}\n", "unsafe"),
    "json: other keys in every line": (lambda: b"\n".join(b'{"k%d":1}' % n for n in range(100_000)), "unsafe"),
    "json: half a surrogate pair": (lambda: b'{"a": "\\ud800"}\n', "unreadable"),
    "json: half a surrogate pair in a key": (lambda: b'{"\\udfff": 1}\n', "unreadable"),
    "json: NUL by an escape": (lambda: b'{"a": "\\u0000"}\n', "unreadable"),
    "json: a line break within a text": (lambda: b'{"a": "x\ny"}\n', "unreadable"),
    "json: two objects in a line": (lambda: b'{"a": 1} {"a": 2}\n', "unreadable"),
    "json: a comma at the end": (lambda: b'{"a": 1,}\n', "unreadable"),
    "json: cut short": (lambda: b'{"a": 1}\n{"a": ', "unreadable"),
    "json: an array": (lambda: b'[{"a": 1}]\n', "unreadable"),
    "json: a number among the lines": (lambda: b'{"a": 1}\n2\n', "unreadable"),
    "json: UTF-16": (lambda: codecs.BOM_UTF16_LE + '{"a": 1}\n'.encode("utf-16-le"), "unreadable"),
    "json: empty objects": (lambda: b"{}\n{}\n", "unreadable"),
    "json: line ends of other scripts within texts": ('{"a": "一\u2028二\u0085"}\n'.encode, READ),
    "json: numbers as written": (lambda: b'{"a": 911010812345678912345, "b": 0.10, "c": -0, "d": 1E400, "e": true, "f": null}\n', READ),
    # Parquet
    "parquet: a long text for two million rows": (dictionary_bomb, "unsafe"),
    "parquet: a footer that lies": (lying_footer, "unreadable"),
    "parquet: cut short": (lambda: parquet(pa.table({"x": list(range(1000))}))[:-200], "unreadable"),
    "parquet: only its magic bytes": (lambda: b"PAR1PAR1", "unreadable"),
    "parquet: a footer longer than the file": (lambda: b"PAR1" + bytes(20) + struct.pack("<I", 0x7FFFFFFF) + b"PAR1", "unreadable"),
    "parquet: nested": (lambda: parquet(pa.table({"x": [[1, 2]]})), "unreadable"),
    "parquet: decimals of 76 digits": (lambda: parquet(pa.table({"x": pa.array([None], pa.decimal256(76, 38))})), READ),
    "parquet: a column name twice": (lambda: parquet(pa.Table.from_arrays([pa.array(["1"]), pa.array(["2"])], names=["x", "x"])), READ),
    "parquet: no columns": (lambda: parquet(pa.table({})), "unreadable no_data_rows"),
    "parquet: two thousand columns": (lambda: parquet(pa.table({f"c{n}": ["x"] for n in range(2_000)})), "unsafe"),
    "parquet: encrypted": (lambda: b"PARE" + bytes(100) + b"PARE", "unreadable"),
    # Workbooks
    "workbook: an old one": (lambda: OLE + "Workbook".encode("utf-16-le").rjust(600, b"\x00"), "unreadable"),
    "workbook: with a password": (lambda: OLE + "EncryptedPackage".encode("utf-16-le").rjust(600, b"\x00"), "unreadable"),
    "workbook: OpenDocument": (lambda: packed({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"}), "unreadable"),
    "workbook: binary": (lambda: with_member("xl/workbook.bin"), "unreadable"),
    "workbook: macros": (lambda: with_member("xl/vbaProject.bin"), "unsafe"),
    "workbook: macros of 1992": (lambda: with_member("xl/macrosheets/sheet1.xml", b"<x/>"), "unsafe"),
    "workbook: external links": (lambda: with_member("xl/externalLinks/externalLink1.xml", b"<x/>"), "unsafe"),
    "workbook: entities": (entity_bomb, "unsafe"),
    "workbook: a DTD from elsewhere": (lambda: with_sheet(lambda xml: b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + xml), "unsafe"),
    "workbook: XML in UTF-16": (lambda: with_sheet(lambda xml: codecs.BOM_UTF16_LE + xml.decode().encode("utf-16-le")), "unreadable"),
    "workbook: a name that leaves the zip": (lambda: with_member("../../etc/cron.d/x"), "unsafe"),
    "workbook: an absolute name": (lambda: with_member("/etc/passwd"), "unsafe"),
    "workbook: a member twice": (repeated_member, "unsafe"),
    "workbook: a symbolic link": (linked_member, "unsafe"),
    "workbook: an encrypted member": (lambda: patch_directory(packed(), 8, b"\x01\x00"), "unreadable"),
    "workbook: five thousand members": (lambda: packed(workbook() | {f"m{n}": b"" for n in range(5000)}), "unsafe"),
    "workbook: sizes that lie": (lambda: patch_directory(packed(workbook(2000)), 24, struct.pack("<I", 64)), "unreadable unsafe"),
    "workbook: sizes that lie by gigabytes": (lambda: patch_directory(packed(), 24, struct.pack("<I", 0xFFFFFFF0)), "unsafe"),
    "workbook: expands a thousandfold": (expanding_workbook, "unsafe"),
    "workbook: cut short": (lambda: packed()[:-100], "unreadable"),
    "workbook: bytes missing within": (truncated_stream, "unreadable"),
    "workbook: a sheet cut short": (lambda: with_sheet(lambda xml: xml[: len(xml) // 2]), "unreadable"),
    "workbook: one far cell": (far_cell, "unsafe"),
    "workbook: far cells that hide": (far_cells_in_one_row, "unsafe"),
    "workbook: a dimension beyond reason": (
        lambda: with_sheet(lambda xml: xml.replace(b'<dimension ref="A1:B3"/>', b'<dimension ref="A1:XFD1048576"/>')), READ),
    "workbook: one long text in every cell": (string_bomb, "unsafe"),
    "workbook: twenty megabytes of equal rows": (slow_workbook, READ),
    "workbook: a cell beyond the last column": (lambda: with_sheet(lambda xml: xml.replace(b'r="A2"', b'r="ZZZZ2"')), "unreadable unsafe"),
    "workbook: row zero": (lambda: with_sheet(lambda xml: xml.replace(b'r="A2"', b'r="A0"')), "unreadable"),
    "workbook: a text that is not there": (lambda: with_sheet(lambda xml: xml.replace(b"<v>2</v>", b"<v>999999999</v>")), "unreadable"),
    "workbook: sheets outside the zip": (sheet_outside, "unreadable"),
    "workbook: deep XML": (lambda: with_member("xl/workbook.xml", b"<x>" * 200_000 + b"</x>" * 200_000), "unreadable"),
    "workbook: a plain zip of a zip": (lambda: packed({"a.zip": packed()}), "unreadable"),
    # Other formats
    "other: PDF": (lambda: b"%PDF-1.7\n", "unreadable"),
    "other: a web page named .xls": (lambda: b"<html><table><tr><td>1</td></tr></table></html>", "unreadable"),
    "other: XML of Excel 2003": (lambda: b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>', "unreadable"),
    "other: nothing": (lambda: b"", "unreadable"),
}  # fmt: skip


@pytest.fixture
def reading(caplog: pytest.LogCaptureFixture) -> Callable[[], dict[str, float]]:
    """What the last reading took, as the process that read it was charged."""
    caplog.set_level(logging.DEBUG, logger="ingest.confinement.client")

    def last() -> dict[str, float]:
        found: dict[str, float] = next(record.reading for record in reversed(caplog.records) if hasattr(record, "reading"))
        return found

    return last


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_file_is_refused_or_read_within_bounds(case: str, tmp_path: Path, reading: Callable[[], dict[str, float]]) -> None:
    make, expected = CASES[case]
    data = make()
    try:
        table = read_confined(data, work=tmp_path)
    except FileRefused as refusal:
        assert refusal.code in expected.split(), (refusal.code, refusal.message.en)
        assert any("\u4e00" <= character <= "\u9fff" for character in refusal.message.zh)
        for sentence in (refusal.message.zh, refusal.message.en):
            assert sentence.isprintable() and 5 < len(sentence) < 400
    else:
        assert expected == READ, f"read as {table.headers[:5]}, {table.row_count} rows"
        assert table.row_count > 0
    taken = reading()
    assert taken is not None, "the reading process itself was lost"
    assert taken["peak_bytes"] < GIB
    assert taken["cpu_seconds"] < MOST_SECONDS  # not those of the clock, which are the machine's affair
    assert list(tmp_path.iterdir()) == []


def test_what_is_read_is_what_was_written() -> None:
    """The cases that may be read, cell by cell."""
    found = {
        name: read_confined(make()) for name, (make, expected) in CASES.items() if expected == READ and name.startswith(("text", "json"))
    }

    def column(name: str, number: int = 0) -> list[str]:
        cells: list[str] = found[name].columns[number].to_pylist()
        return cells

    assert column("text: UTF-7 stays the characters it is") == ["+ADw-script+AD4-"]
    assert column("text: line ends of other scripts within cells", 1) == ["x\u0085y\u2029z\x0b\x0c"]
    assert column("text: line ends by CR alone") == ["1", "3"]
    assert column("text: ten million line ends") == ["1"]
    assert column("text: formulas, SQL, Jinja and HTML stay text") == ["=cmd|' /C calc'!A0", "{{ 7*7 }}"]
    numbers = found["json: numbers as written"]
    assert [cells.to_pylist()[0] for cells in numbers.columns] == ["911010812345678912345", "0.10", "-0", "1E400", "true", ""]
