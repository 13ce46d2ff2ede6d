"""What landing a large file costs: activity lines as CSV against a bare read and write, and with one line in a hundred refused against none.

    python -m benchmarks.landing [ROWS]

Bare: pyarrow reads the file as text and writes zstd Parquet. Ours: the whole judging of a delivery, confined reading, folding, typing, all
rules, verdicts and refused rows included, the gate not. Each run is a process of its own, warmed on a small file. Prints one line of JSON; the
middle of three, taken in turns.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.bare import read_text
from ingest.contract import read_contracts
from ingest.landing import Delivery, prepare
from ingest.reference import ReferenceLists

ROWS, TIMES, AIM, AIM_REFUSED, WARM_ROWS = 1_000_000, 3, 2.5, 1.1, 20_000
SOURCE, REFERRED = "footprint_activity", "product_footprint"
LINES_PER_DISCLOSURE = 5
CASES = ("bare", "none", "hundredth")


def name_disclosures(numbers: np.ndarray) -> np.ndarray:
    return np.char.add("SYN-2025-", np.char.zfill(numbers.astype(str), 8))


def make_lines(rows: int, is_refused: bool, path: Path) -> None:
    """Synthetic lines of known disclosures, the same every time; with `is_refused` every hundredth has a negative quantity."""
    chance = np.random.default_rng(20261031)
    place = np.arange(rows)
    activities = ReferenceLists().files["activity"].read_text(encoding="utf-8").splitlines()[1:]
    by_mass = np.array([line.split(",")[0] for line in activities if ",mass," in line])
    quantity = np.round(chance.random(rows) * 10, 6).astype(str)
    if is_refused:
        quantity[::100] = "-1"
    columns = {
        "disclosure_id": name_disclosures(place // LINES_PER_DISCLOSURE),
        "revision": np.ones(rows, int),
        "line_no": place % LINES_PER_DISCLOSURE + 1,
        "stage": np.where(place % 2, "production", "raw_material"),
        "activity_code": by_mass[chance.integers(0, len(by_mass), rows)],
        "quantity": quantity,
        "unit": np.full(rows, "kg"),
        "geography_code": np.full(rows, "CN"),
        "supplier_disclosure_id": np.full(rows, ""),
        "data_source": np.where(place % 3, "primary", "secondary"),
    }
    pa.csv.write_csv(pa.table(columns), path)


def make_known(rows: int, path: Path) -> None:
    """The disclosures of the lines, as landed."""
    numbers = np.arange(-(-rows // LINES_PER_DISCLOSURE))
    pq.write_table(pa.table({"disclosure_id": name_disclosures(numbers), "revision": np.ones(len(numbers), int)}), path)


def make_files(rows: int, folder: Path) -> None:
    for size, prefix in ((WARM_ROWS, "warm_"), (rows, "")):
        make_lines(size, False, folder / f"{prefix}none.csv")
        make_lines(size, True, folder / f"{prefix}hundredth.csv")
    make_known(max(rows, WARM_ROWS), folder / "known.parquet")


def land_bare(path: Path, work: Path) -> None:
    pq.write_table(read_text(path), work / "bare.parquet", compression="zstd")


def land_ours(path: Path, work: Path) -> None:
    contracts = read_contracts()
    delivery = Delivery("0" * 64, SOURCE, path.name, 1, datetime(2026, 11, 1))
    known = [path.parent / "known.parquet"]
    stored = {REFERRED: known}
    prepare(path.read_bytes(), delivery, contracts[SOURCE], contracts, ReferenceLists(), lambda source: stored.get(source, []), work)


def measure_here(case: str, folder: Path) -> float:
    """Seconds of one case in this process."""
    act: Callable[[Path, Path], None] = land_bare if case == "bare" else land_ours
    name = "none.csv" if case == "bare" else f"{case}.csv"
    with tempfile.TemporaryDirectory() as work:
        act(folder / f"warm_{name}", Path(work))
    with tempfile.TemporaryDirectory() as work:
        begun = time.perf_counter()
        act(folder / name, Path(work))
        return time.perf_counter() - begun


def measure(rows: int, times: int) -> dict[str, object]:
    """All cases in turns; the middle of each, and the ratios."""
    taken: dict[str, list[float]] = {case: [] for case in CASES}
    with tempfile.TemporaryDirectory() as folder:
        make_files(rows, Path(folder))
        for _ in range(times):
            for case in CASES:
                command = [sys.executable, "-m", "benchmarks.landing", "--one", case, folder]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                taken[case].append(json.loads(said))
    middle = {case: statistics.median(runs) for case, runs in taken.items()}
    return {
        "rows": rows,
        "wall_seconds": {case: round(seconds, 2) for case, seconds in middle.items()},
        "ratio_to_bare": round(middle["none"] / middle["bare"], 2),
        "aim": AIM,
        "ratio_refused_to_none": round(middle["hundredth"] / middle["none"], 3),
        "aim_refused": AIM_REFUSED,
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure_here(sys.argv[2], Path(sys.argv[3]))))
    else:
        print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS, TIMES)))
