"""The commands beside the rows of the ministry's tables ask for exactly their row, and obey nobody who names himself like a command."""

from __future__ import annotations

import shlex
from pathlib import Path

import duckdb
import pytest

from dashboards.assets import Reader, build_assets
from dashboards.charts import COMMAND
from dashboards.definitions import read_definitions
from dashboards.explained import name_command, write_command
from warehouse.lineage.condition import read_condition

DEFINITIONS = read_definitions()
EXPLAINED = sorted(
    {(chart["dataset"], chart["explain"]) for node in DEFINITIONS.dashboards for chart in node["charts"].values() if "explain" in chart}
)


@pytest.mark.parametrize(("mart", "column"), EXPLAINED)
def test_each_command_asks_for_the_rows_of_its_key_alone(release_file: Path, mart: str, column: str) -> None:
    with duckdb.connect(str(release_file), read_only=True) as connection:
        command = write_command(mart, DEFINITIONS.tables[mart], column)
        written = connection.execute(f"select {command}, rowid from marts.{mart} order by rowid limit 20").fetchall()
        for text, row in written:
            words = shlex.split(text)
            assert words[:5] == ["tanlian", "explain", mart, "--column", column] and words[5] == "--where" and len(words) == 7
            where = read_condition(words[6], DEFINITIONS.tables[mart]["columns"])
            alike = " and ".join(f"m.{name} is not distinct from this.{name}" for name in DEFINITIONS.tables[mart]["key"])
            wanted = f"select m.rowid from marts.{mart} as m, marts.{mart} as this where this.rowid = {row} and {alike} order by 1"
            asked = connection.execute(f"select rowid from marts.{mart} where {where} order by 1").fetchall()
            assert asked == connection.execute(wanted).fetchall() != []
        (count,) = connection.execute(f"select count(*) from marts.{mart} where {command} is null").fetchone() or (None,)
    assert count == 0


def test_a_key_that_a_shell_would_obey_has_no_command() -> None:
    table = {"columns": {"id": "VARCHAR", "figure": "DOUBLE"}, "key": ["id"]}
    with duckdb.connect() as connection:
        connection.execute("create table m (id varchar, figure double)")
        hostile = ["$(reboot)", "`reboot`", '"; reboot; "', "a\\", "a\nb", "o'neill", "a!b", "a\u202eb"]
        plain = ["企业 1（一）", "A-1", "P1|P2", "a;b", "环气候〔2024〕30号"]
        connection.executemany("insert into m values (?, 1)", [[text] for text in [*hostile, *plain]])
        found = dict(connection.execute(f"select id, {write_command('m', table, 'figure')} from m").fetchall())
    assert [found[text] for text in hostile] == [None] * len(hostile)
    assert found["A-1"] == """tanlian explain m --column figure --where "id = 'A-1'\""""
    assert [shlex.split(found[text])[-1] for text in plain] == [f"id = '{text}'" for text in plain]


def test_commands_are_the_ministrys_only() -> None:
    assert EXPLAINED
    mine = build_assets(DEFINITIONS)
    assert {name_command(column) for _, column in EXPLAINED} <= {
        column["column_name"] for path, content in mine.items() if path.startswith("datasets/") for column in content["columns"]
    }
    bank = build_assets(DEFINITIONS, Reader("bank_1", "bank", {"zh": "银行", "en": "Bank"}, None, "1"))
    assert bank
    assert not any(f'"{COMMAND}_' in str(content) or f"'{COMMAND}_" in str(content) for content in bank.values())
