"""No model is computed by trying every pair of rows where a key would do: what is quick on a small world would stand still on a country."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

# Joins of a row to a span of days: a jurisdiction's documents and months, tens of rows of a seed on one side.
SHORT_SIDES = {"int_policy__indicators_valued", "int_policy__origins_counted"}
EVERY_PAIR = {"BLOCKWISE_NL_JOIN", "NESTED_LOOP_JOIN"}
# A column equal to a column, not to a text or number.
KEY = re.compile(r"\b[a-z]\w* = [a-z]\w*\b")


def list_operators(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("children", []):
        yield from list_operators(child)


def list_keys_tried_in_pairs(plan: list[dict[str, Any]]) -> list[str]:
    found = []
    for root in plan:
        for operator in list_operators(root):
            condition = str(operator["extra_info"].get("Condition") or operator["extra_info"].get("Conditions") or "")
            if operator["name"] in EVERY_PAIR and KEY.search(condition):
                found.append(condition)
    return found


def explain(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    row = connection.execute(f"explain (format json) {sql}").fetchall()[0]
    plan: list[dict[str, Any]] = json.loads(row[1])
    return plan


def test_a_condition_beside_the_key_of_an_outer_join_is_found() -> None:
    """What the next test looks for is what this version of the engine really does."""
    with duckdb.connect() as connection:
        connection.execute("create table l as select range as id, 'a' as kind from range(9)")
        connection.execute("create table r as select range as id from range(9)")
        assert list_keys_tried_in_pairs(explain(connection, "select * from l left join r on l.id = r.id")) == []
        assert list_keys_tried_in_pairs(explain(connection, "select * from l left join r on l.id = r.id and l.kind = 'a'"))


def test_no_model_tries_every_pair_where_a_key_would_do(world_warehouse: Path) -> None:
    compiled = [path for path in (world_warehouse.parent / "target" / "compiled").rglob("models/**/*.sql") if path.is_file()]
    assert len(compiled) > 100
    found = {}
    with duckdb.connect(str(world_warehouse), read_only=True) as connection:
        for path in compiled:
            if path.stem not in SHORT_SIDES and (keys := list_keys_tried_in_pairs(explain(connection, path.read_text(encoding="utf-8")))):
                found[path.stem] = keys
    assert found == {}
