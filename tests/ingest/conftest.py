"""Deliver files to the real engine without a ledger: what landed so far is a list of Parquet files per source."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ingest.contract import Contract, read_contracts
from ingest.landing import Delivery, Prepared, prepare
from ingest.reference import ReferenceLists

RECEIVED_AT = datetime(2026, 11, 1, 4, 0, 0)
SHARED = Path(__file__).parents[2].parent / "shared"
REFERENCED: dict[Path, Path] = {}


class Shelf:
    """What has landed. `deliver` judges a file against it and puts the accepted rows on it."""

    def __init__(self, folder: Path, contracts: dict[str, Contract], reference: ReferenceLists) -> None:
        self.folder = folder
        self.contracts = contracts
        self.reference = reference
        self.landed: dict[str, list[Path]] = defaultdict(list)
        self.prepared: list[Prepared] = []
        self.attempts = 0

    def stored(self, source: str) -> Sequence[Path]:
        return list(self.landed[source])

    def deliver(self, source: str, data: bytes | Path, layout: str | None = None) -> Prepared:
        name = data.name if isinstance(data, Path) else "made.csv"
        content = data.read_bytes() if isinstance(data, Path) else data
        self.attempts += 1
        sequence = self.attempts
        work = self.folder / f"{sequence:04d}"
        work.mkdir(parents=True)
        delivery = Delivery(hashlib.sha256(content).hexdigest(), source, name, sequence, RECEIVED_AT, layout)
        prepared = prepare(content, delivery, self.contracts[source], self.contracts, self.reference, self.stored, work)
        self.prepared.append(prepared)
        if prepared.counts["accepted"]:
            self.landed[source].append(prepared.landing)
        return prepared

    def deliver_referenced(self, source: str) -> None:
        """Deliver the good form of the sources that a source's rows refer to, and of those that these refer to, so that its own rows need
        not wait; judged once a session."""
        for referenced in sorted(self.contracts[source].references() - {source}):
            path = self.contracts[referenced].folder / "fixtures" / "good" / "own_form.csv"
            if path not in REFERENCED:
                self.deliver_referenced(referenced)
                REFERENCED[path] = self.deliver(referenced, path).landing
            self.landed[referenced] = [REFERENCED[path]]


def count_rows(path: Path) -> int:
    """Data rows of a fixture, counted by Python alone: nothing of the engine's readers."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return sum(len(list(csv.reader(io.StringIO(archive.read(name).decode())))) - 1 for name in archive.namelist())
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    for encoding in ("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    if path.suffix == ".json":
        return count_documents(text)
    separator = "\t" if path.name.endswith(".tsv") else ","
    return sum(1 for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row) - 1


def count_documents(text: str) -> int:
    """Documents of one JSON value (an object, an array, `{"data": …}`), or of one object per line."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return sum(1 for line in text.splitlines() if json.loads(line))
    value = value.get("data", value) if isinstance(value, dict) else value
    return len(value) if isinstance(value, list) else 1


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return read_contracts()


@pytest.fixture(scope="session")
def reference() -> ReferenceLists:
    return ReferenceLists()


@pytest.fixture(scope="session")
def count() -> Callable[[Path], int]:
    return count_rows


@pytest.fixture
def shelf(tmp_path: Path, contracts: dict[str, Contract], reference: ReferenceLists) -> Shelf:
    return Shelf(tmp_path / "shelf", contracts, reference)


@pytest.fixture
def make_shelf(tmp_path: Path, contracts: dict[str, Contract], reference: ReferenceLists) -> Callable[..., Shelf]:
    """Several shelves in one test; optionally over other contracts."""
    made: Iterator[int] = iter(range(1_000_000))
    return lambda other=None: Shelf(tmp_path / f"shelf_{next(made)}", other or contracts, reference)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is not here: {folder}")
    return folder


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip(f"reference facts are not here: {folder}")
    return folder
