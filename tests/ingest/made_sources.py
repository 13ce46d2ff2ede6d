"""Sources made for the tests of the rules, and what they are filled and read with."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, settings

from ingest.contract import Column, Contract, History, Message, Rule, Type
from ingest.landing import Prepared

TEXT = Message("示范", "made")
NEGATIVE = Rule("negative", "predicate", ("weight",), {"violated": "r.weight < 0"}, TEXT, TEXT)
# Each example is a delivery or two: few of them, large ones, and none spent on making a failing one smaller.
SLOW = settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

Shelf = Any
MakeShelf = Callable[..., Shelf]


def make_contract(
    source: str, columns: dict[str, Type], key: int, history: History, *rules: Rule, required: tuple[str, ...] = ()
) -> Contract:
    """A source made for a test; its first `key` columns are its key."""
    made = tuple(
        Column(name, kind, TEXT, TEXT, required=place < key or name in required) for place, (name, kind) in enumerate(columns.items())
    )
    return Contract(source, "1.0.0", Path(), TEXT, TEXT, history, 0.2, 1, tuple(columns)[:key], made, rules)


def to_csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    return out.getvalue().encode()


def faulty_rows(prepared: Prepared, code: str) -> set[int]:
    """Numbers of all rows with a fault, read from the quarantine file: the receipt shows only the first ones."""
    if prepared.quarantine is None:
        return set()
    rows = pq.read_table(prepared.quarantine).to_pylist()
    assert all(reason["message_zh"] and reason["message_en"] for row in rows for reason in row["reasons"])
    return {row["_row_number"] for row in rows if code in [reason["code"] for reason in row["reasons"]]}
