"""Coverage-guided fuzzing of every reader: `python tests/ingest/fuzz_readers.py READER [SECONDS]` (or `make fuzz`).

A reader may refuse or read; whatever it reads must agree with an independent reader on the rows. Anything else (another exception, a
crash, a hang, too much memory) is a finding, which libFuzzer writes to the folder it is told. New inputs that reach new code are kept in
`.cache/fuzz/READER`; findings become files of `tests/ingest/hostile`, which `test_fuzz_replay` reads again in every run of the tests.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ingest.faults import FileRefused  # noqa: E402
from ingest.readers import RawTable, read  # noqa: E402
from ingest.readers.delimited import decode  # noqa: E402
from ingest.readers.strict_json import parse  # noqa: E402

SHEET, STRINGS, BOOK, STYLES = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"
_PARTS = (SHEET, STRINGS, BOOK, STYLES)
CSV = '编号,名称,数值\n1,合成,2\n2,"a,""b\n",\n'.encode()
LINES = '{"a": 1, "b": "合成", "c": null}\n{"b": "x", "a": 0.10, "d": true}\n'.encode()


def make_workbook() -> dict[str, bytes]:
    """Members of a small workbook with text, numbers, a day, a truth, an error, formulas and a merged title."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet("data")
        sheet.merge_range(0, 0, 0, 3, "标题")
        sheet.write_row(1, 0, ["编号", "名称", "数值", "日期"])
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for row in range(2, 5):
            sheet.write_row(row, 0, [f"{row:06d}", "合成", row / 7])
            sheet.write_number(row, 3, 45000 + row, day)
        sheet.write_formula(5, 2, "=1/0", None, "#DIV/0!")
        sheet.write_formula(6, 2, "=1+1", None, 2)
        sheet.write_boolean(7, 0, True)
    with zipfile.ZipFile(io.BytesIO(out.getvalue())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


WORKBOOK = make_workbook()


def pack(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def _try(data: bytes) -> RawTable | None:
    """The table, or None where the file was refused as it should be: with a code and two sentences."""
    try:
        table = read(data)
    except FileRefused as refusal:
        assert refusal.code in ("unreadable", "unsafe", "no_data_rows", "too_large"), refusal.code
        assert refusal.message.zh and refusal.message.en
        return None
    assert len(table.headers) == len(table.columns)
    assert {len(column) for column in table.columns} == {table.row_count}
    for column in table.columns:
        column.validate(full=True)
        assert column.null_count == 0 and column.type == pa.string()
    return table


def try_delimited(data: bytes) -> None:
    """As many rows, and the same header, as Python's own reader finds."""
    table = _try(data)
    if table is None or "separator" not in table.notes:
        return
    separator = "\t" if table.notes["separator"] == "tab" else ","
    text = decode(data)[0].decode()
    expected = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    assert table.headers == expected[0]
    assert table.row_count == len(expected) - 1, (table.row_count, len(expected) - 1)


def try_json_lines(data: bytes) -> None:
    """Each line gives the record that Python's own parser gives, numbers as text."""
    table = _try(data)
    if table is None or table.notes.get("format") != "json_lines":
        return
    text = decode(data)[0].decode()
    expected = [json.loads(line, parse_int=str, parse_float=str) for line in text.split("\n") if line.strip()]
    assert table.row_count == len(expected)
    for number, record in enumerate(expected):
        row = {name: column[number].as_py() for name, column in zip(table.headers, table.columns, strict=True)}
        plain = {None: "", True: "true", False: "false"}
        assert {name: text for name, text in row.items() if text} == {
            name: said for name, cell in record.items() if (said := cell if isinstance(cell, str) else plain[cell])
        }


def try_strict_json(data: bytes) -> None:
    try:
        parse(data)
    except FileRefused as refusal:
        assert refusal.message.zh and refusal.message.en


def try_parquet(data: bytes) -> None:
    table = _try(data)
    if table is not None and table.notes.get("format") == "parquet":
        assert table.row_count == pq.read_metadata(pa.BufferReader(data)).num_rows


def try_zip(data: bytes) -> None:
    _try(data)


def count_filled_rows(xml: bytes) -> int:
    """Rows of the sheet in which a cell has a value or a formula, by Python's parser: elements and numbers, no search of bytes."""
    count = 0
    for row in ElementTree.fromstring(xml).iter():
        if row.tag.endswith("}row"):
            cells = [cell for cell in row if cell.tag.endswith("}c")]
            count += any(
                part.tag.endswith("}f") or (part.tag.endswith(("}v", "}is")) and "".join(part.itertext()))
                for cell in cells
                for part in cell
            )
    return count


def try_workbook(data: bytes) -> None:
    """The first byte says which part of a good workbook the rest replaces; rows found are at least those with a number."""
    if not data:
        return
    part = _PARTS[data[0] % len(_PARTS)]
    table = _try(pack(WORKBOOK | {part: data[1:]}))
    if table is None or part != SHEET:
        return
    titles = 0 if "title" not in table.notes else table.notes["title"].count(" / ") + 1
    found = table.row_count + 1 + titles
    assert found <= count_filled_rows(data[1:]), "a row was made up"


def try_gzip(data: bytes) -> None:
    """Either the bytes are a whole gzip file as Python's own module reads it, or they are refused."""
    table = _try(data)
    if table is not None and data.startswith(b"\x1f\x8b"):
        gzip.decompress(data)


def _parquet_seeds() -> list[bytes]:
    table = pa.table({"a": ["合成", None, "x"], "b": [1, 2, None], "c": [0.5, 1.5, 2.5], "d": [True, False, None]})
    seeds = []
    for options in (
        {"compression": "none"},
        {"compression": "none", "use_dictionary": False, "data_page_version": "2.0"},
        {"compression": "zstd"},
    ):
        out = io.BytesIO()
        pq.write_table(table, out, **options)
        seeds.append(out.getvalue())
    return seeds


TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "delimited": (try_delimited, [CSV, CSV.decode().encode("gb18030"), b"\xef\xbb\xbf" + CSV, "\ufeff".encode("utf-16-le") + CSV.decode().encode("utf-16-le")]),
    "json_lines": (try_json_lines, [LINES, b"\xef\xbb\xbf" + LINES]),
    "strict_json": (try_strict_json, [LINES.split(b"\n")[0], b'[{"a": [1, -2.5e3, "\\u4e2d"]}]']),
    "gzip": (try_gzip, [gzip.compress(CSV, mtime=0), gzip.compress(CSV[:9], mtime=0) + gzip.compress(CSV[9:], mtime=0)]),
    "parquet": (try_parquet, _parquet_seeds()),
    "workbook": (try_workbook, [bytes([place]) + WORKBOOK[part] for place, part in enumerate(_PARTS)]),
    "zip": (try_zip, [pack(WORKBOOK), pack({"a.csv": CSV})]),
}  # fmt: skip


def fuzz(reader: str, seconds: int) -> None:
    """Run libFuzzer on one reader; it ends the process."""
    import atheris

    attempt, seeds = TARGETS[reader]
    corpus = ROOT / ".cache" / "fuzz" / reader
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (corpus / f"seed_{zlib.crc32(seed):08x}").write_bytes(seed)
    findings = corpus.parent / "findings"
    findings.mkdir(exist_ok=True)
    modules = [module for name, module in sys.modules.items() if name.startswith("ingest.readers")]
    for module in modules:
        for name, value in vars(module).items():
            if callable(value) and getattr(value, "__module__", "") == module.__name__ and hasattr(value, "__code__"):
                setattr(module, name, atheris.instrument_func(value))
    options = [f"-max_total_time={seconds}", "-timeout=25", "-rss_limit_mb=3000", "-max_len=65536", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={findings}/{reader}_", str(corpus)], attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    from ingest.readers import load_all

    load_all()
    fuzz(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60)
