"""The marts of the acceptance world against figures that a separate implementation computed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

ACCEPTANCE = Path(__file__).resolve().parents[3] / "shared" / "acceptance"


def list_marts(warehouse: Path) -> list[str]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute("select table_name from duckdb_tables() where schema_name = 'marts' order by all").fetchall()
    return [row[0] for row in rows]


def test_every_mart_equals_the_expected_one(world_warehouse: Path) -> None:
    command = [sys.executable, str(ACCEPTANCE / "compare.py"), "--warehouse", str(world_warehouse), "--rtol", "1e-9"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("values equal") == len(list((ACCEPTANCE / "expected").glob("*.parquet"))) == 18


def test_content_is_the_same_for_other_threads_and_another_order_of_rows(world_builds: Callable[..., object]) -> None:
    one, two = world_builds(1, shuffled=True).warehouse, world_builds(2).warehouse  # type: ignore[attr-defined]
    marts = list_marts(two)
    assert len(marts) >= 18
    assert marts == list_marts(one)
    for mart in marts:
        contents = []
        for warehouse in (one, two):
            with duckdb.connect(str(warehouse), read_only=True) as connection:
                contents.append(connection.execute(f"select * from marts.{mart} order by all").fetchall())
        assert contents[0], mart
        assert contents[0] == contents[1], mart
