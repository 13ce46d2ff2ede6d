"""No row vanishes: received = accepted + duplicate + quarantined, against a count that shares nothing with the engine (promise R3)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ingest.contract import Contract, read_contracts
from ingest.faults import FileRefused

CONTRACTS = read_contracts()
MakeShelf = Callable[..., Any]
FEW = settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ODD = [
    "",
    " ",
    "x",
    "-1",
    "0",
    "1e400",
    "NaN",
    "2024-02-30",
    "20240101",
    "999999999999999999999",
    "\x07",
    "'",
    '"',
    "a,b",
    "一\n二",
    "％",
    "9" * 60 + "%",
    "lei:",
    "000000",
    "true",
    "\\",
    "½",
    "😀",
]


def own_rows(contract: Contract) -> list[list[str]]:
    path = contract.folder / "fixtures" / "good" / "own_form.csv"
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def to_csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def count_records(data: bytes) -> int:
    """Line ends outside quotes, counted byte by byte; an empty line is no record."""
    inside = content = False
    count = 0
    for byte in data:
        if byte == 34:
            inside = not inside
        if byte in (10, 13) and not inside:
            count += content
            content = False
        else:
            content = True
    return count + content - 1


def check_conserved(prepared: Any, rows: int) -> None:
    counts = prepared.counts
    assert prepared.file_rows == counts["received"] == rows
    assert counts["received"] == counts["accepted"] + counts["duplicate"] + counts["quarantined"]
    assert counts["waiting"] <= counts["quarantined"]
    verdicts = pq.read_table(prepared.verdicts).to_pylist()
    assert [row["_row_number"] for row in verdicts] == list(range(1, rows + 1))
    said = Counter(row["verdict"] for row in verdicts)
    assert said["quarantined"] + said["waiting"] == counts["quarantined"]
    landed = pq.read_table(prepared.landing)["_row_number"].to_pylist()
    assert landed == [row["_row_number"] for row in verdicts if row["verdict"] == "accepted"]
    kept = pq.read_table(prepared.quarantine).to_pylist() if prepared.quarantine else []
    assert [row["_row_number"] for row in kept] == [row["_row_number"] for row in verdicts if row["verdict"] in ("quarantined", "waiting")]
    for row in kept:
        assert row["reasons"]
        assert all(reason["message_zh"] and reason["message_en"] for reason in row["reasons"])


@FEW
@given(st.data())
@pytest.mark.parametrize("source", CONTRACTS)
def test_rows_changed_doubled_and_dropped_are_all_accounted_for(make_shelf: MakeShelf, source: str, data: st.DataObject) -> None:
    header, *rows = own_rows(CONTRACTS[source])
    rows = [list(row) for row in data.draw(st.lists(st.sampled_from(rows), min_size=1, max_size=30))]
    for _ in range(data.draw(st.integers(0, 12))):
        rows[data.draw(st.integers(0, len(rows) - 1))][data.draw(st.integers(0, len(header) - 1))] = data.draw(st.sampled_from(ODD))
    shelf = make_shelf()
    content = to_csv([header, *rows])
    assert count_records(content) == len(rows)
    for part in (content, to_csv([header, *rows[::2]])):
        check_conserved(shelf.deliver(source, part), count_records(part))


@FEW
@given(st.data())
@pytest.mark.parametrize("source", CONTRACTS)
def test_a_file_with_damaged_bytes_is_refused_or_accounted_for(make_shelf: MakeShelf, source: str, data: st.DataObject) -> None:
    content = bytearray(to_csv(own_rows(CONTRACTS[source])))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b"\n", b",", b'"', b"\x00", b"\xe5", b"9", b"\r", b"\t"])
        )
    try:
        prepared = make_shelf().deliver(source, bytes(content))
    except FileRefused as refusal:
        assert refusal.message.zh and refusal.message.en
        return
    text = bytes(content).decode(prepared.notes["encoding"])  # one stray byte may make a file of plain ASCII good GB18030
    expected = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    check_conserved(prepared, len(expected) - 1)


@pytest.mark.parametrize("source", CONTRACTS)
def test_every_promise_of_every_column_is_held_on_its_own_row(make_shelf: MakeShelf, source: str) -> None:
    """One delivery per source with one broken cell per row: each is found where it is, and nowhere else."""
    contract = CONTRACTS[source]
    header, first, *_ = own_rows(contract)
    added = [name for name in contract.names if name not in header]  # an optional column that its own form leaves out
    header, first = [*header, *added], [*first, *[""] * len(added)]
    breaks = [(column.name, text, code) for column in contract.columns for text, code in broken_cells(contract, column.name)]
    rows = [list(first) for _ in breaks]
    for row, (name, text, _) in zip(rows, breaks, strict=True):
        row[header.index(name)] = text
    prepared = make_shelf().deliver(source, to_csv([header, *rows]))
    check_conserved(prepared, len(rows))
    cell_codes = {"required", "type", "enumeration", "range", "identifier_check", "control_character"}
    found = {
        row["_row_number"]: [reason for reason in row["reasons"] if reason["code"] in cell_codes]
        for row in pq.read_table(prepared.quarantine).to_pylist()
    }
    for number, (name, text, code) in enumerate(breaks, 1):
        assert [(reason["column_name"], reason["code"], reason["value"]) for reason in found[number]] == [(name, code, text)]


def broken_cells(contract: Contract, name: str) -> list[tuple[str, str]]:
    column = contract.column(name)
    cells = [("", "required")] if column.required else []
    cells += [("合成\x07", "control_character")] if column.type == "text" else [("合成", "type"), ("1_000", "type")]
    cells += [("2024-02-30", "type"), ("113/02/01", "type")] if column.type in ("date", "instant") else []
    cells += [("inf", "type"), ("nan", "type")] if column.type in ("integer", "double", "decimal") else []
    cells += [("合成未知", "enumeration")] if column.values or column.list else []
    cells += [(code, "enumeration") for code in column.not_allowed]
    cells += [("91110000MA00000000", "identifier_check")] if column.identifier else []
    cells += [("C", "type")] if column.pattern else []
    cells += [(str(int(column.minimum) - 1), "range")] if column.minimum is not None else []
    cells += [(str(int(column.maximum) + 1), "range")] if column.maximum is not None else []
    return cells
