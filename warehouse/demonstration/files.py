"""Files as a sender would leave them, and the manifest that says in which order they were received."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

Row = dict[str, str | None]


@dataclass(frozen=True)
class Fault:
    """A row that breaks one rule: `rule` is `<source>.<class>` without the source."""

    rule: str
    row: Row


@dataclass
class Stage:
    """One folder of deliveries: `inbox/<source>/<file>` and `manifest.csv`."""

    folder: Path
    manifest: list[dict[str, str | int]] = field(default_factory=list)

    def receive(self, received_on: str, source: str, file: str, rows: int) -> Path:
        """Enter a file into the manifest; returns where to write it."""
        path = self.folder / "inbox" / source / file
        path.parent.mkdir(parents=True, exist_ok=True)
        entry: dict[str, str | int] = {
            "sequence": len(self.manifest) + 1,
            "received_on": received_on,
            "source": source,
            "file": file,
            "rows": rows,
        }
        self.manifest.append(entry)
        return path

    def write_manifest(self) -> None:
        with (self.folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["sequence", "received_on", "source", "file", "rows"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.manifest)


def write_table(table: pa.Table, path: Path, file_format: str) -> None:
    if file_format == "parquet":
        pyarrow.parquet.write_table(table, path, compression="zstd")
    else:
        pyarrow.csv.write_csv(table, path)


def read_as_text(table: pa.Table) -> list[Row]:
    """The rows exactly as their CSV would spell them, null where the cell is empty."""
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer)
    options = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in table.column_names}, strings_can_be_null=True, null_values=[""]
    )
    rows: list[Row] = pyarrow.csv.read_csv(io.BytesIO(buffer.getvalue()), convert_options=options).to_pylist()
    return rows


def write_rows(rows: list[Row], columns: list[str], path: Path, encoding: str = "utf-8", header: list[str] | None = None) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header or columns)
    writer.writerows([["" if row[name] is None else row[name] for name in columns] for row in rows])
    path.write_bytes(text.getvalue().encode(encoding))


def mix_faults(clean: list[Row], faults: list[Fault]) -> tuple[list[Row], dict[int, str]]:
    """Clean and faulty rows interleaved evenly, and the rule by row number (1 = first data row)."""
    total = len(clean) + len(faults)
    places = np.unique(np.linspace(0, total - 1, len(faults)).astype(int)).tolist()
    if len(places) != len(faults):
        raise ValueError(f"{len(faults)} faults do not fit into {total} rows")
    by_place = dict(zip(places, faults, strict=True))
    good = iter(clean)
    rows = [by_place[place].row if place in by_place else next(good) for place in range(total)]
    return rows, {place + 1: fault.rule for place, fault in by_place.items()}


def count_padding(clean: int, faults: int, bad_share: float) -> int:
    """How many good rows are missing for the faults to stay below the share."""
    return max(0, int(faults / bad_share) + 1 - faults - clean)


def fold_cells(rows: list[Row], cells: dict[int, tuple[str, Callable[[str], str]]]) -> None:
    """Spell some cells differently without changing what they mean; `cells` by row index."""
    for index, (column, spell) in cells.items():
        value = rows[index][column]
        if value is not None:
            rows[index] = rows[index] | {column: spell(value)}
