"""The marts of the acceptance world against figures that a separate implementation computed."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ingest.contract import read_contracts

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


MODELS = Path(__file__).resolve().parents[2] / "dbt_project" / "models"
SENT = [source for source in read_contracts() if (ACCEPTANCE / "world" / "inbox" / source).is_dir()]


def name_staging(source: str) -> str:
    return f"stg_{source[:-1]}ies" if source.endswith("y") else f"stg_{source}s"


def find_resolved() -> dict[str, str]:
    """Restated source -> the model that gives its row in force: the one named `…_resolved` that reads its staging."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (MODELS / "intermediate").rglob("int_*_resolved.sql")}
    return {
        source: name
        for source, contract in read_contracts().items()
        for name, text in texts.items()
        if contract.history == "restated"
        and re.search(rf"^    select \* from {{{{ ref\('{name_staging(source)}'\) }}}}\n\),\n\nranked", text, re.MULTILINE)
    }


@pytest.mark.parametrize("source", SENT)
def test_staging_keeps_every_landed_row_once(world_warehouse: Path, source: str) -> None:
    with duckdb.connect(str(world_warehouse), read_only=True) as connection:
        lost, added, rows = connection.execute(
            f"select count(*) filter (s._delivery_id is null), count(*) filter (l._delivery_id is null), count(*) from landing.{source} as l"
            f" full join staging.{name_staging(source)} as s using (_delivery_id, _row_number)"
        ).fetchone() or (0, 0, 0)
    assert rows > 0
    assert (lost, added) == (0, 0)


@pytest.mark.parametrize(("source", "model"), find_resolved().items())
def test_newest_delivery_of_each_key_is_in_force(world_warehouse: Path, source: str, model: str) -> None:
    """Told by another query: of each key the greatest place in the received order."""
    assert len(find_resolved()) >= 6, "all that methods.md asks for"
    key = ", ".join(read_contracts()[source].key)
    with duckdb.connect(str(world_warehouse), read_only=True) as connection:
        newest = f"select {key}, max((_received_at, _sequence, _row_number)) as place from landing.{source} group by {key}"
        expected = connection.execute(
            f"select {key}, _delivery_id, _row_number from landing.{source} join ({newest}) using ({key})"
            f" where place = (_received_at, _sequence, _row_number) order by all"
        ).fetchall()
        told = connection.execute(f"select {key}, _delivery_id, _row_number from intermediate.{model} order by all").fetchall()
        restated = connection.execute(f"select count(*) from landing.{source}").fetchone()
    assert told == expected
    assert restated is not None and restated[0] >= len(expected) > 0
