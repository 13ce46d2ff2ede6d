"""How much reading a workbook costs against the bare cell reader on the same file, by processor time, each in a process of its own.

    python -m benchmarks.workbook [ROWS]

Bare: `python_calamine` to lists of Python values. Ours: the whole reader as it runs in the reading process, to text columns, with the zip
looked through, errors and formulas found, and rows counted a second time. Prints one line of JSON; the middle of five, taken in turns.
"""

from __future__ import annotations

import gc
import io
import json
import os
import statistics
import sys
from collections.abc import Callable
from datetime import date, timedelta
from random import Random

import python_calamine
import xlsxwriter

from ingest.readers import load_all, read

ROWS, TIMES, AIM = 100_000, 5, 1.5
HEADERS = [
    "disclosure_id",
    "revision",
    "line_no",
    "stage",
    "activity_code",
    "quantity",
    "unit",
    "geography_code",
    "supplier",
    "read_on",
    "note",
]


def make_workbook(rows: int) -> bytes:
    """A sheet of text, codes of digits, numbers, days and empty cells, the same every time."""
    chance = Random(20261031)
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("data")
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, HEADERS)
        for row in range(1, rows + 1):
            texts = (f"SYN-{row:08d}", 1, row % 20, chance.choice(("raw_material", "production")), f"{row % 500:06d}")
            sheet.write_row(row, 0, [*texts, round(chance.random() * 100, 6), "kg", "CN"])
            if row % 3 == 0:
                sheet.write_string(row, 8, f"SYN-{row // 2:08d}")
            sheet.write_datetime(row, 9, date(2024, 1, 1) + timedelta(days=row % 300), day)
            sheet.write_string(row, 10, f"合成示范 {row}")
    return out.getvalue()


def read_bare(data: bytes) -> None:
    with python_calamine.load_workbook(io.BytesIO(data)) as book:
        book.get_sheet_by_index(0).to_python()


def read_ours(data: bytes) -> None:
    gc.disable()  # as in the reading process
    read(data)


def measure_cpu(act: Callable[[bytes], None], data: bytes) -> float:
    """Processor seconds of one reading in a forked child."""
    child = os.fork()
    if child == 0:
        try:
            act(data)
        finally:
            os._exit(0)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"the reading ended with {status}")
    return usage.ru_utime + usage.ru_stime


def measure(rows: int, times: int) -> dict[str, float]:
    """Both sides in turns; the middle of each, and their ratio."""
    data = make_workbook(rows)
    load_all()
    read(make_workbook(10))
    taken: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(times):
        taken["bare"].append(measure_cpu(read_bare, data))
        taken["ours"].append(measure_cpu(read_ours, data))
    bare, ours = statistics.median(taken["bare"]), statistics.median(taken["ours"])
    return {"rows": rows, "file_bytes": len(data), "bare_cpu_seconds": round(bare, 3), "ours_cpu_seconds": round(ours, 3),
            "ratio": round(ours / bare, 3), "aim": AIM}  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS, TIMES)))
