"""Rows of whole runs against a counter of bytes that shares nothing with the engine: what a receipt says was received was received, and all
of it is somewhere (promise R3). Files are damaged at random; a refused one lands nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest

from ingest.contract import read_contracts

from .conftest import Warehouse

pytestmark = pytest.mark.xdist_group("survival")


def count_records(content: bytes) -> int:
    """Records of a CSV below its header, by its bytes alone: a line break outside quotation marks ends one, an empty line is none."""
    records, quoted, filled = 0, False, False
    for byte in content.replace(b"\r\n", b"\n"):
        if byte == 0x22:
            quoted, filled = not quoted, True
        elif byte in b"\n\r" and not quoted:
            records, filled = records + filled, False
        else:
            filled = True
    return records + filled - 1


def swap_lines(lines: list[bytes], draw: random.Random) -> None:
    one, other = draw.randrange(1, len(lines)), draw.randrange(1, len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def flip_letter(lines: list[bytes], draw: random.Random) -> None:
    row = draw.randrange(1, len(lines))
    line = bytearray(lines[row])
    if line:
        line[draw.randrange(len(line))] = draw.choice(b"0123456789ABCx -.;")
    lines[row] = bytes(line)


def cut_line(lines: list[bytes], draw: random.Random) -> None:
    row = draw.randrange(1, len(lines))
    lines[row] = lines[row][: draw.randrange(len(lines[row]) + 1)]


DAMAGE: list[Callable[[list[bytes], random.Random], object]] = [
    lambda lines, draw: lines.pop(draw.randrange(1, len(lines))),
    lambda lines, draw: lines.insert(draw.randrange(1, len(lines)), lines[draw.randrange(1, len(lines))]),
    lambda lines, draw: lines.insert(draw.randrange(1, len(lines)), b""),
    lambda lines, draw: lines.insert(1, lines[-1].replace(b",", b",,", 1)),
    swap_lines,
    flip_letter,
    flip_letter,
    cut_line,
]


def test_counter_counts_by_bytes() -> None:
    assert count_records(b'a,b\n1,"x\ny"\n\n2,"q""r"\r\n3,') == 3
    assert count_records(b"a\n") == 0 and count_records(b"a\r1\r2") == 2


@pytest.mark.parametrize("files", [6, pytest.param(300, marks=pytest.mark.soak)])
def test_every_row_of_a_damaged_file_is_accounted_for(files: int, warehouse: Warehouse, request: pytest.FixtureRequest) -> None:
    draw = random.Random(files)
    contracts = sorted(read_contracts().values(), key=lambda contract: contract.source)
    examined = refused = unexplained = 0
    for number in range(files):
        contract = contracts[number % len(contracts)]
        lines = (contract.folder / "fixtures/good/own_form.csv").read_bytes().rstrip(b"\n").split(b"\n")
        for _ in range(draw.randint(1, 4)):
            draw.choice(DAMAGE)(lines, draw)
        path = warehouse.settings.inbox / contract.source / f"damaged_{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = b"\n".join(lines) + b"\n"
        path.write_bytes(content)
        got = warehouse.intake.receive(path, contract.source, None)
        (receipt,) = [got] if isinstance(got, dict) else [told for told in warehouse.intake.land_pending() if told["file"] == path.name]
        counts = receipt["counts"]
        if receipt["verdict"] == "rejected":
            refused += 1
            continue
        examined += count_records(content)
        unexplained += abs(count_records(content) - counts["received"])
        unexplained += abs(counts["received"] - counts["accepted"] - counts["duplicate"] - counts["quarantined"])
    rows = warehouse.ledger.deliveries()
    landed = sum(
        pq.read_metadata(warehouse.data / row["path"]).num_rows
        for contract in contracts
        for row in warehouse.ledger.landing_files(contract.source)
    )
    # A row that waited is kept where it was when it lands; beside it stands that it has.
    settled = sum(pq.read_metadata(path).num_rows for path in warehouse.data.glob("quarantine/*/*.settled_*.parquet"))
    kept = sum(entry["row_count"] for entry in warehouse.ledger.quarantine_files() if entry["status"] != "rejected") - settled
    unexplained += abs(sum(row["accepted"] for row in rows) - landed)
    unexplained += abs(sum(row["quarantined"] for row in rows if row["status"] == "landed") - kept)
    assert unexplained == 0
    assert examined > 0
    request.node.user_properties.append(("figures", {"files": files, "refused": refused, "rows": examined, "unexplained": unexplained}))
