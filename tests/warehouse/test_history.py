"""Any past state can be asked again: random histories of deliveries through the real intake, asked at random instants through the SQL that
builds use, against a model in memory that knows nothing of either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from ingest.reference import ReferenceLists
from warehouse.build import landing_relation
from warehouse.replay import ModelGraph, Replay

from .conftest import Warehouse

START = datetime(2026, 3, 1, 1, 0, 0)
TOLERANCE = 0.2
ASKED = {
    "disclosures": ("intermediate.int_footprint__disclosures_resolved", "disclosure_id, revision, declared_kg_co2e, province_code"),
    "lines": ("intermediate.int_footprint__activities_resolved", "disclosure_id || '/' || line_no, base_quantity"),
    "waited": ("staging.stg_footprint_activities", "disclosure_id || '/' || revision || '/' || line_no, base_quantity"),
    "enterprises": ("intermediate.int_footprint__enterprises_resolved", "enterprise_id, enterprise_name"),
    "standards": ("staging.stg_pcf_standards", "standard_code || '/' || standard_stage, stage_on"),
}
Row = dict[str, Any]
Answer = dict[str, tuple[Any, ...]]


@dataclass
class Memory:
    """What should be known, when: a list of (known from, row) by source, and the lines that wait. About thirty lines, no SQL."""

    rows: dict[str, list[tuple[datetime, Row]]] = field(default_factory=lambda: {source: [] for source in KEYS})
    waiting: list[Row] = field(default_factory=list)

    def receive(self, source: str, rows: list[Row], at: datetime) -> None:
        taken, bad = [], 0
        for row in rows:
            stored = [old for _, old in self.rows[source] if all(old[name] == row[name] for name in KEYS[source])]
            if row in stored:
                continue
            marks = [row.get("is_withdrawn"), *(old.get("is_withdrawn") for old in stored)]
            opposed = any(not (marks[0] or mark) for mark in marks[1:])
            if row.get("total_kg_co2e") == -1 or (opposed and source != "enterprise"):
                bad += 1
            elif source == "footprint_activity" and not self._is_known(row):
                self.waiting.append(row)
            else:
                taken.append(row)
        if bad > TOLERANCE * len(rows):
            self.waiting = [row for row in self.waiting if row not in rows]
            return
        self.rows[source] += [(at, row) for row in taken]
        for row in [row for row in self.waiting if self._is_known(row)]:
            self.waiting.remove(row)
            self.rows["footprint_activity"].append((at, row))

    def _is_known(self, line: Row) -> bool:
        known = [row for _, row in self.rows["product_footprint"]]
        return any((row["disclosure_id"], row["revision"]) == (line["disclosure_id"], line["revision"]) for row in known)

    def answer(self, at: datetime) -> dict[str, Answer]:
        now = {source: [row for known, row in rows if known <= at] for source, rows in self.rows.items()}
        enterprises = {row["enterprise_id"]: row for row in now["enterprise"]}
        newest: dict[str, int] = {}
        for row in now["product_footprint"]:
            newest[row["disclosure_id"]] = max(row["revision"], newest.get(row["disclosure_id"], 0))
        versions = [row for row in now["product_footprint"] if row["revision"] == newest[row["disclosure_id"]]]
        gone = {row["disclosure_id"] for row in versions if row["is_withdrawn"]}
        force = {row["disclosure_id"]: row for row in versions if row["disclosure_id"] not in gone}
        lines = [
            row for row in now["footprint_activity"] if row["disclosure_id"] in force and row["revision"] == newest[row["disclosure_id"]]
        ]
        return {
            "disclosures": {
                key: (row["revision"], row["total_kg_co2e"], enterprises.get(row["enterprise_id"], {}).get("province_code"))
                for key, row in force.items()
            },
            "lines": {f"{row['disclosure_id']}/{row['line_no']}": (row["quantity"],) for row in lines},
            "waited": {
                f"{row['disclosure_id']}/{row['revision']}/{row['line_no']}": (row["quantity"],) for row in now["footprint_activity"]
            },
            "enterprises": {key: (row["enterprise_name"],) for key, row in enterprises.items()},
            "standards": {f"{row['standard_code']}/{row['stage']}": (row["stage_on"],) for row in now["pcf_standard"]},
        }


KEYS = {
    "enterprise": ("enterprise_id",),
    "product_footprint": ("disclosure_id", "revision"),
    "footprint_activity": ("disclosure_id", "revision", "line_no"),
    "pcf_standard": ("standard_code", "stage"),
}


class Sender:
    """Random deliveries of few keys, so that they meet: new, again, restated, revised, withdrawn, late, wrong and put right."""

    def __init__(self, seed: int, enterprises: list[str]) -> None:
        self.random = Random(seed)
        self.enterprises = enterprises

    def deliver(self) -> tuple[str, list[Row]]:
        source = self.random.choice(list(KEYS))
        rows = {
            tuple(row[name] for name in KEYS[source]): row for row in (getattr(self, source)() for _ in range(self.random.randint(6, 14)))
        }
        return source, list(rows.values())

    def enterprise(self) -> Row:
        names = {"enterprise_id": self.random.choice(self.enterprises), "enterprise_name": f"企业{self.random.randint(1, 3)}"}
        return names | {"province_code": self.random.choice(["130000", "370000"]), "industry_code": "4411"}

    def product_footprint(self) -> Row:
        number, revision = self.random.randint(1, 12), self.random.randint(1, 4)
        # A version has one content, as a rule; now and then another one, which conflicts, or one that is wrong.
        total = self.random.choice([10.0 * number + revision] * 12 + [999.5, -1])
        return {
            "disclosure_id": f"D{number}", "revision": revision, "enterprise_id": self.enterprises[number % 5], "product_code": "STEEL-BF",
            "product_name": "钢", "declared_unit": "t", "boundary": "cradle_to_gate", "gwp_set": "AR6", "period_start": "2024-01-01",
            "period_end": "2024-12-31", "total_kg_co2e": total, "submitted_at": "2025-03-01T00:00:00Z",
            "is_withdrawn": self.random.random() < 0.08,
        }  # fmt: skip

    def footprint_activity(self) -> Row:
        number, revision, line = self.random.randint(1, 12), self.random.randint(1, 4), self.random.randint(1, 2)
        return {
            "disclosure_id": f"D{number}", "revision": revision, "line_no": line, "stage": "production", "activity_code": "electricity_grid",
            "quantity": float(number + revision + line), "unit": "MJ", "geography_code": "CN", "data_source": "primary",
        }  # fmt: skip

    def pcf_standard(self) -> Row:
        stage = self.random.choice(["planned", "drafting", "issued"])
        day = self.random.choice(["2025-01-15"] * 12 + ["2025-02-20"])
        return {
            "standard_code": f"S{self.random.randint(1, 12)}", "title": "标准", "product_code": "STEEL-BF", "level": "national",
            "jurisdiction_code": "CN", "stage": stage, "stage_on": day, "counts_to_target": "true",
        }  # fmt: skip


class Asked:
    """The warehouse, asked as a build asks it: landing as known at an instant, and the models that resolve it."""

    def __init__(self, warehouse: Warehouse, graph: ModelGraph) -> None:
        self.warehouse = warehouse
        self.con = duckdb.connect()
        self.con.execute("attach ':memory:' as warehouse; create schema warehouse.landing; set threads = 2")
        ReferenceLists().load(self.con)
        self.replay = Replay(self.con, graph)
        for name in ReferenceLists().files:
            self.replay.read[f"reference.{name}"] = f'memory.reference."{name}"'
        self.models = graph.ancestors([place for place, _ in ASKED.values()])

    def answer(self, at: datetime) -> dict[str, Answer]:
        for source in KEYS:
            relation = landing_relation(self.warehouse.intake.contracts[source], self.warehouse.settings, self.warehouse.ledger, at)
            self.con.execute(f'create or replace view warehouse.landing."{source}" as {relation}')
        self.replay.run(self.models)
        return {name: self._read(*asked) for name, asked in ASKED.items()}

    def _read(self, place: str, columns: str) -> Answer:
        rows = self.con.execute(f"select {columns} from {self.replay.table(place)}").fetchall()
        assert len({row[0] for row in rows}) == len(rows)
        return {row[0]: tuple(str(cell) if hasattr(cell, "isoformat") else cell for cell in row[1:]) for row in rows}


def count_disagreements(found: dict[str, Answer], expected: dict[str, Answer]) -> tuple[int, list[str]]:
    """How many keys were asked for, and those of which the two say something else. A key that is not in force is asked for, too."""
    keys = {
        "disclosures": [f"D{number}" for number in range(1, 13)],
        "lines": [f"D{number}/{line}" for number in range(1, 13) for line in (1, 2)],
        "waited": list(found["waited"] | expected["waited"]),
        "enterprises": list(found["enterprises"] | expected["enterprises"]),
        "standards": [f"S{number}/{stage}" for number in range(1, 13) for stage in ("planned", "drafting", "issued")],
    }
    wrong = [
        f"{name} {key}: {found[name].get(key)} for {expected[name].get(key)}"
        for name, listed in keys.items()
        for key in {*listed, *found[name], *expected[name]}
        if found[name].get(key) != expected[name].get(key)
    ]
    return sum(map(len, keys.values())), wrong


def drive(warehouse: Warehouse, graph: ModelGraph, seed: int, deliveries: int, questions: int, folder: Path) -> int:
    """Deliver and ask by turns; every past instant may be asked again at any time. Gives the number of queries."""
    enterprises = sorted(row["enterprise_id"] for row in warehouse.country.rows("enterprise"))[:5]
    sender, memory, asked = Sender(seed, enterprises), Memory(), Asked(warehouse, graph)
    random = sender.random
    moment, sent, queries = START, [], 0
    for number in range(deliveries):
        moment += timedelta(seconds=random.choice([0, 1, 3600, 86_400]))
        source, rows = random.choice(sent) if sent and random.random() < 0.15 else sender.deliver()
        sent.append((source, rows))
        receipts = warehouse.take_rows(rows, source, moment, folder / f"{number:03d}.csv")
        memory.receive(source, rows, moment)
        for _ in range(questions):
            at = random.choice([moment, moment - timedelta(microseconds=1), START + random.random() * (moment - START)])
            count, wrong = count_disagreements(asked.answer(at), memory.answer(at))
            assert not wrong, (seed, number, source, at, receipts[-1]["verdict"], wrong[:3])
            queries += count
    return queries


def test_random_histories_agree_with_a_model_in_memory(
    tmp_path: Path, open_warehouse: Callable[[Path], Warehouse], models: ModelGraph
) -> None:
    assert drive(open_warehouse(tmp_path / "data"), models, 1, 22, 6, tmp_path / "sent") >= 10_000


@pytest.mark.soak
def test_many_random_histories_agree_with_a_model_in_memory(
    tmp_path: Path, open_warehouse: Callable[[Path], Warehouse], models: ModelGraph
) -> None:
    queries = sum(drive(open_warehouse(tmp_path / str(seed)), models, seed, 25, 6, tmp_path / f"sent{seed}") for seed in range(2, 14))
    assert queries >= 100_000
