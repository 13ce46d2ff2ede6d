"""A landing DuckDB file for tests, as docs/architecture.md ("A landed row") describes it, and `dbt build` on it as the warehouse does."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import yaml

from ingest.contract import Contract, read_contracts
from ingest.reference import ReferenceLists
from warehouse.build import lay_out_project
from warehouse.lineage.kept import keep_lineage
from warehouse.lineage.opened import Opened, read_kept

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"
ACCEPTANCE = ROOT.parent / "shared" / "acceptance"
WORLD = ACCEPTANCE / "world"
# 2026-10-31T23:59:59+08:00, the world's clock (acceptance/README.md, "How to run a world").
CLOCK = {"as_of": "2026-10-31T15:59:59", "rule_date": "2026-10-31"}


def list_identity(contract: Contract) -> tuple[str, ...]:
    """The columns by which a delivered row is the same as one before it: the key, and for a restated source the whole row, since every
    version stays as history."""
    return contract.names if contract.history == "restated" else contract.key


@dataclass(frozen=True)
class Build:
    """One finished `dbt build`."""

    warehouse: Path
    returncode: int
    output: str


def read_source_columns() -> dict[str, dict[str, str]]:
    """Source -> column -> DuckDB type, as the project's own sources YAML declares them."""
    declared = yaml.safe_load((PROJECT / "models/staging/_sources.yml").read_text(encoding="utf-8"))
    tables = next(source for source in declared["sources"] if source["name"] == "landing")["tables"]
    return {table["name"]: {column["name"]: column["data_type"] for column in table["columns"]} for table in tables}


def select_nothing(source: str, columns: dict[str, str]) -> str:
    """SQL of a view of no rows: nothing has been delivered yet."""
    nothing = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in columns.items())
    return f"create view landing.{source} as select {nothing} where false"


def create_empty_landing(warehouse: Path) -> None:
    """Every source as a view of no rows."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema landing")
        for source, columns in read_source_columns().items():
            connection.execute(select_nothing(source, columns))


def create_world_landing(warehouse: Path, world: Path, shuffled: bool = False) -> None:
    """The clean world's rows; of equal keys the first received stays, which is all that a world without faults asks for.

    `shuffled` stores the same rows in another order, as other files or more threads would.
    """
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema landing")
        connection.execute(
            "create temp table manifest as"
            " select cast(sequence as bigint) as sequence, cast(received_on as date) as received_on, source, file"
            " from read_csv(?, all_varchar = true)",
            [str(world / "manifest.csv")],
        )
        for source, columns in read_source_columns().items():
            if not (world / "inbox" / source).is_dir():
                connection.execute(select_nothing(source, columns))
                continue
            files = str(world / "inbox" / source / "*.csv")
            described = connection.execute(
                "describe select * from read_csv(?, all_varchar = true, union_by_name = true)", [files]
            ).fetchall()
            connection.execute(select_landed(source, columns, {row[0] for row in described}, shuffled), [files])


def select_landed(source: str, columns: dict[str, str], sent: set[str], shuffled: bool) -> str:
    """SQL that types one source's files; the instant of receipt is the sequence's second of the local day, in UTC.

    A column that no file holds, which only an optional one may be, is null.
    """
    lineage = {
        "_delivery_id": "received.file",
        "_row_number": "cast(received.row_number as integer)",
        "_source_file": "received.file",
        "_received_at": "cast(manifest.received_on as timestamp) - interval 8 hour + to_seconds(manifest.sequence)",
        "_sequence": "manifest.sequence",
        "_extra": "cast(null as varchar)",
    }
    cells = {name: f"received.{name}" if name in sent else "null" for name in columns} | lineage
    typed = ", ".join(f"cast({cells[name]} as {kind}) as {name}" for name, kind in columns.items())
    identity = ", ".join(cells[name] for name in list_identity(read_contracts()[source]))
    order = "hash(received.file, received.row_number)" if shuffled else "manifest.sequence, received.row_number"
    return (
        f"create table landing.{source} as"
        " with read as (select *, parse_filename(filename) as file from read_csv(?, all_varchar = true, filename = true, union_by_name = true)),"
        " received as (select *, row_number() over (partition by file) as row_number from read)"
        f" select {typed} from received inner join manifest on received.file = manifest.file and manifest.source = '{source}'"
        f" qualify row_number() over (partition by {identity}"
        f" order by manifest.sequence, received.row_number) = 1 order by {order}"
    )


def run_dbt(scratch: Path, warehouse: Path, project: Path, threads: int, *arguments: str) -> Build:
    """`dbt` as a subprocess on one warehouse file, all it writes kept below `scratch`."""
    environment = os.environ | {
        "TANLIAN_WAREHOUSE": str(warehouse),
        "TANLIAN_THREADS": str(threads),
        "TANLIAN_DBT_TARGET": str(scratch / "target"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    command = [str(Path(sys.executable).parent / "dbt"), *arguments, "--project-dir", str(project), "--profiles-dir", str(project)]
    command += ["--log-path", str(scratch / "logs"), "--vars", yaml.safe_dump(CLOCK, default_flow_style=True).strip()]
    done = subprocess.run(command, env=environment, cwd=scratch, capture_output=True, text=True, check=False, timeout=1_800)
    return Build(warehouse, done.returncode, done.stdout + done.stderr)


def build_warehouse(scratch: Path, world: Path | None, threads: int, *arguments: str, shuffled: bool = False) -> Build:
    """Landing, seeds and `dbt build` in a folder of their own."""
    warehouse = scratch / "warehouse.duckdb"
    if world is None:
        create_empty_landing(warehouse)
    else:
        create_world_landing(warehouse, world, shuffled)
    project = lay_out_project(ReferenceLists(overlay=world / "seeds" if world is not None else None), scratch / "project")
    return run_dbt(scratch, warehouse, project, threads, "build", *arguments)


@pytest.fixture(scope="session", name="run_dbt")
def give_run_dbt() -> Callable[..., Build]:
    """`run_dbt` for tests, which cannot import a conftest by name under pytest's importlib mode."""
    return run_dbt


@pytest.fixture(scope="session")
def empty_build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Everything, unit tests included, on a landing without rows."""
    return build_warehouse(tmp_path_factory.mktemp("empty"), None, 2)


@pytest.fixture(scope="session")
def world_builds(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Build]:
    """The acceptance world built once per number of threads and order of rows, without the unit tests, as production does."""
    if not WORLD.is_dir():
        pytest.skip(f"the acceptance world is not here: {WORLD}")

    @functools.cache
    def build(threads: int, shuffled: bool = False) -> Build:
        scratch = tmp_path_factory.mktemp(f"world_{threads}_{shuffled}")
        done = build_warehouse(scratch, WORLD, threads, "--exclude-resource-type", "unit_test", shuffled=shuffled)
        assert done.returncode == 0, done.output
        return done

    return build


@pytest.fixture(scope="session")
def world_warehouse(world_builds: Callable[..., Build]) -> Path:
    """The acceptance world's warehouse file."""
    return world_builds(2).warehouse


KEPT = {"release_id": "20261031-0001", "as_of": "2026-10-31T15:59:59Z", "rule_date": "2026-10-31", "code_version": "0"}


@pytest.fixture(scope="session")
def opened(world_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The world's build as a kept release."""
    folder = tmp_path_factory.mktemp("release") / KEPT["release_id"]
    folder.mkdir()
    assert keep_lineage(world_warehouse.parent, folder)["sha256"]
    with duckdb.connect(str(folder / "ministry.duckdb")) as con:
        con.execute(f"attach '{world_warehouse}' as built (read_only)")
        con.execute("create schema marts")
        for (name,) in con.execute(
            "select table_name from duckdb_tables() where database_name = 'built' and schema_name = 'marts'"
        ).fetchall():
            con.execute(f'create table marts."{name}" as select * from built.marts."{name}"')
    with duckdb.connect(str(folder / "rows.duckdb")) as con:
        con.execute(f"attach '{world_warehouse}' as warehouse (read_only)")
        sources = [
            name
            for (name,) in con.execute(
                "select table_name from information_schema.tables where table_catalog = 'warehouse' and table_schema = 'landing'"
            ).fetchall()
        ]
        yield read_kept(con, folder, dict(KEPT), {f"landing.{name}": f"warehouse.landing.{name}" for name in sources})
