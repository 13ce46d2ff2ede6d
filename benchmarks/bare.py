"""The bare script: reads the same files with pyarrow, computes the same marts in DuckDB, and does nothing else. The measure of the pipeline.

    python -m benchmarks.bare WORLD_STAGE OUT

All text to zstd Parquet (the bare read and write that landing is compared with), then `bare.sql` on two threads.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from benchmarks.stopwatch import Stopwatch

THREADS = 2
SEEDS = Path(__file__).parent.parent / "dbt_project" / "seeds" / "reference"
CODES = ("province_code", "product_code", "activity_code")  # codes of digits stay text


def read_text(path: Path) -> pa.Table:
    """A CSV file with every column as text, empty cells as null."""
    with path.open("rb") as stream:
        names = pa.csv.open_csv(stream).schema.names
    convert = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""])
    return pa.csv.read_csv(path, convert_options=convert)


def land(stage: Path, landed: Path) -> int:
    """Write every file of the inbox as Parquet; gives the number of rows."""
    count = 0
    for path in sorted((stage / "inbox").glob("*/*.csv")):
        table = read_text(path)
        (landed / path.parent.name).mkdir(parents=True, exist_ok=True)
        pa.parquet.write_table(table, landed / path.parent.name / f"{path.stem}.parquet", compression="zstd")
        count += table.num_rows
    return count


def compute(landed: Path, marts: Path) -> None:
    """Make the marts in a new DuckDB file."""
    types = pa.csv.ConvertOptions(column_types=dict.fromkeys(CODES, pa.string()))
    with duckdb.connect(str(marts), config={"threads": THREADS, "preserve_insertion_order": False}) as con:
        for name in ("unit", "activity", "product_catalogue", "province", "trading_day"):
            con.register(name, pa.csv.read_csv(SEEDS / f"{name}.csv", convert_options=types))
        con.execute("set variable landed = ?", [str(landed)])
        con.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def run(stage: Path, out: Path) -> dict[str, object]:
    """Both steps; `out` is a new folder, the marts are in `out/marts.duckdb`."""
    watch = Stopwatch()
    with watch.stage("read_and_write"):
        rows = land(stage, out / "landed")
    with watch.stage("marts"):
        compute(out / "landed", out / "marts.duckdb")
    return {"rows": rows, "stages": watch.as_dict()}


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]))))
