"""Who gets which marts: the public gets nothing about one enterprise (methods.md M14)."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import yaml

from warehouse.audience import AudienceError, read_audiences, write_audience_file
from warehouse.build import PROJECT

# Columns that say whose a row is.
IDENTIFYING = {"enterprise_id", "disclosure_id", "facility_id", "borrower_id", "loan_id", "bank_id", "project_id", "eia_id", "owner_id"}


@pytest.fixture(scope="module")
def columns() -> dict[str, set[str]]:
    """The columns of each mart, as its enforced contract declares them."""
    models = [
        model for path in (PROJECT / "models/marts").rglob("_*.yml") for model in yaml.safe_load(path.read_text("utf-8")).get("models", [])
    ]
    return {model["name"]: {column["name"] for column in model["columns"]} for model in models}


def test_public_gets_no_row_about_one_enterprise(columns: dict[str, set[str]]) -> None:
    (public,) = [audience for audience in read_audiences() if audience.name == "public"]
    assert not public.takes_all
    assert "footprint__sectors_by_year_public" in public.marts
    assert "footprint__sectors_by_year" not in public.marts
    assert not {mart: found for mart in public.marts if (found := IDENTIFYING & columns[mart])}
    assert sum(bool(IDENTIFYING & names) for names in columns.values()) >= 8, "the names are those that the marts use"


def test_public_file_holds_the_declared_marts_and_nothing_else(tmp_path: Path) -> None:
    (public,) = [audience for audience in read_audiences() if audience.name == "public"]
    build = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(build)) as connection:
        connection.execute("create schema marts; create schema intermediate; create table intermediate.int_secret as select 1 as x")
        for mart in (*public.marts, "footprint__products", "footprint__sectors_by_year"):
            connection.execute(f"create table marts.{mart} as select '{mart}' as name")
    target = tmp_path / public.file_name
    write_audience_file(public, build, {"release__summary": "select 1 as release_id"}, target)
    with duckdb.connect(str(target), read_only=True) as connection:
        found = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
    assert {name for (name,) in found} == {f"marts.{mart}" for mart in (*public.marts, "release__summary")}


def test_mart_that_is_not_there_is_no_empty_file(tmp_path: Path) -> None:
    (public,) = [audience for audience in read_audiences() if audience.name == "public"]
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema marts")
    with pytest.raises(AudienceError, match="footprint__sectors_by_year_public"):
        write_audience_file(public, tmp_path / "warehouse.duckdb", {}, tmp_path / "public.duckdb")
