"""A release to look at and a Superset that looks at it.

TANLIAN_TEST_RELEASE names a ministry.duckdb the pipeline made; without it the file is built from the acceptance world's
expected marts and that world's names, so that the dashboards are tested without the pipeline. The other marts, and the files of the
other readers, hold a few made-up rows of the contracts' types, each marked with whose it is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import httpx
import pytest

from dashboards import client, publication, server
from dashboards.definitions import read_definitions
from warehouse.audience import read_policy

from ..conftest import find_free_port

ROOT = Path(__file__).resolve().parents[2]
ACCEPTANCE = ROOT.parent / "shared" / "acceptance"
SUPERSET_ENVIRONMENT = ROOT / ".venv-superset"
MARTS = ("footprint__sectors_by_year", "footprint__benchmarks_by_year", "footprint__product_tiers", "ets__prices_by_day")


@dataclass(frozen=True)
class Live:
    """A running Superset with the dashboards published, and the data directory it reads."""

    server: server.Server
    data_dir: Path

    @property
    def release_file(self) -> Path:
        return self.data_dir / "releases" / "current" / "ministry.duckdb"

    def connect(self) -> client.SupersetClient:
        return client.SupersetClient(self.server.url, self.server.user, self.server.password)

    def sign_in(self, reader: str) -> client.SupersetClient:
        return client.SupersetClient(self.server.url, reader, self.password_of(reader))

    def password_of(self, reader: str) -> str:
        return (self.data_dir / "superset" / "readers" / reader).read_text(encoding="ascii")

    @contextmanager
    def browse(self, user: str, password: str) -> Iterator[httpx.Client]:
        """Signed in through the form, as a person does: what follows carries a cookie and no token."""
        with httpx.Client(base_url=self.server.url, trust_env=False, timeout=120) as browser:
            page = browser.get("/login/").text
            found = re.search(r"csrf_token[^>]*?value=.([\w.-]+)|csrf_token&#34;: &#34;([\w.-]+)", page)
            assert found, "the form has a token"
            form = {"username": user, "password": password, "csrf_token": found[1] or found[2]}
            answer = browser.post("/login/", data=form, headers={"Referer": self.server.url})
            assert answer.status_code in (200, 302)
            token = browser.get("/api/v1/security/csrf_token/").json()["result"]
            browser.headers.update({"X-CSRFToken": token, "Referer": self.server.url})
            yield browser

    def point_to(self, release: str) -> None:
        """Put another release in force, as a publication does."""
        fresh = self.data_dir / "releases" / "next"
        fresh.symlink_to(release)
        fresh.replace(self.data_dir / "releases" / "current")

    def publish(self, only: frozenset[str] = frozenset()) -> publication.Published:
        """The ministry's dashboards, and those of the readers named."""
        return publication.publish(self.server.url, self.server.user, self.server.password, self.data_dir, only=only)


@pytest.fixture(scope="session")
def release_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("TANLIAN_TEST_RELEASE")
    if given:
        return Path(given)
    if not ACCEPTANCE.exists():
        pytest.skip(f"neither TANLIAN_TEST_RELEASE nor {ACCEPTANCE} is there to make a release from")
    file = tmp_path_factory.mktemp("release") / "ministry.duckdb"
    write_release(file, "20261031T155959Z-000001")
    return file


@pytest.fixture(scope="session")
def live(release_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    if not SUPERSET_ENVIRONMENT.exists():
        pytest.fail(f"{SUPERSET_ENVIRONMENT} is not there: make install makes it")
    data_dir = tmp_path_factory.mktemp("data")
    target = data_dir / "releases" / "first" / "ministry.duckdb"
    target.parent.mkdir(parents=True)
    shutil.copy(release_file, target)
    write_readers(target.parent)
    (data_dir / "releases" / "current").symlink_to("first")
    try:
        running = server.start(data_dir, SUPERSET_ENVIRONMENT, find_free_port(), lang="en")
        yield Live(running, data_dir)
    finally:
        server.stop(data_dir)


# Readers beside the ministry: name, kind and member.
READERS = {
    "public": ("public", None),
    "bank_91110000ONE": ("bank", "91110000ONE"),
    "bank_91310000TWO": ("bank", "91310000TWO"),
    "region_130000": ("region", "130000"),
    "region_370000": ("region", "370000"),
}
ROWS_EACH = 3


def write_release(file: Path, release_id: str) -> None:
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        for mart in MARTS:
            _copy_mart(connection, mart)
        _write_release_tables(connection, release_id)
        there = {row[0] for row in connection.execute("select table_name from information_schema.tables").fetchall()}
        for table, described in read_definitions().tables.items():
            if table not in there:
                connection.execute(f'create table marts."{table}" as {_make_rows(table, described["columns"], list(READERS))}')


def write_readers(folder: Path) -> None:
    """The file of every reader beside the ministry's, with the marts that the policy gives its kind, and the manifest."""
    policy, tables = read_policy(), read_definitions().tables
    for name, (kind, _) in READERS.items():
        with duckdb.connect(str(folder / f"{name}.duckdb")) as connection:
            connection.execute("create schema marts")
            for table, described in tables.items():
                choice = policy.choice(kind, table)
                if choice is not None and choice.included:
                    connection.execute(f'create table marts."{table}" as {_make_rows(table, described["columns"], [name])}')
    entries = [{"name": name, "kind": kind, "member": member, "file": f"{name}.duckdb"} for name, (kind, member) in READERS.items()]
    (folder / "manifest.json").write_text(json.dumps({"audiences": entries}), encoding="utf-8")


def _make_rows(table: str, columns: dict[str, str], owners: list[str]) -> str:
    """A few rows per owner as SQL; every code says whose it is."""
    rows = []
    for owner in owners:
        for number in range(ROWS_EACH):
            cells = [f"cast({_make_cell(name, kind, owner, number)} as {kind}) as {name}" for name, kind in columns.items()]
            rows.append("select " + ", ".join(cells))
    return " union all ".join(rows)


def _make_cell(name: str, kind: str, owner: str, number: int) -> str:
    member = READERS[owner][1]
    if name == "bank_id":
        return f"'{member if owner.startswith('bank') else 'nobody'}'"
    if name == "province_code":
        return f"'{member if owner.startswith('region') else '990000'}'"
    if kind in ("DATE", "TIMESTAMP"):
        return f"'2026-0{number + 1}-01'"
    if kind == "VARCHAR":
        return f"'CODE-OF-{owner.upper()}-{name}-{number}'"
    return "true" if kind == "BOOLEAN" else str(2023 + number)


def _copy_mart(connection: duckdb.DuckDBPyConnection, mart: str) -> None:
    source = f"'{ACCEPTANCE}/expected/{mart}.parquet'"
    seeds = ACCEPTANCE / "world" / "seeds"
    columns = [row[0] for row in connection.execute(f"describe select * from {source}").fetchall()]
    names, joins = "", ""
    if "product_code" in columns:
        names += ", product.name_zh as product_name_zh, product.name_en as product_name_en, product.declared_unit"
        joins += f" left join '{seeds}/product_catalogue.csv' as product using (product_code)"
    if "province_code" in columns:
        names += ", province.name_zh as province_name_zh, province.name_en as province_name_en"
        joins += f" left join read_csv('{seeds}/province.csv', all_varchar = true) as province using (province_code)"
    connection.execute(f"create table marts.{mart} as select mart.*{names} from {source} as mart{joins}")


def _write_release_tables(connection: duckdb.DuckDBPyConnection, release_id: str) -> None:
    manifest = f"'{ACCEPTANCE}/world/manifest.csv'"
    connection.execute(
        f"""
        create table marts.release__summary as
        select
            ? as release_id,
            null::varchar as parent_release_id,
            timestamp '2026-10-31 15:59:59' as as_of,
            date '2026-10-31' as rule_date,
            timestamp '2026-10-31 16:10:00' as published_at,
            'acceptance world' as code_version,
            true as is_demonstration,
            count(*) as delivery_count,
            11::bigint as gate_count,
            sum(rows)::bigint as rows_examined,
        from {manifest}
        """,
        [release_id],
    )
    # Half a year as everyone's cadence makes some sources stale and some not, so that both are seen.
    connection.execute(
        f"""
        create table marts.release__sources as
        select
            source,
            '来源 ' || source as title_zh,
            replace(source, '_', ' ') as title_en,
            count(*) as delivery_count,
            0::bigint as rejected_file_count,
            sum(rows)::bigint as received_count,
            sum(rows)::bigint as accepted_count,
            0::bigint as duplicate_count,
            0::bigint as quarantined_count,
            max(received_on)::timestamp as last_received_at,
            max(received_on)::date as newest_content_on,
            180::bigint as cadence_days,
            date_diff('day', max(received_on)::date, date '2026-10-31') as days_since_received,
            date_diff('day', max(received_on)::date, date '2026-10-31') > 180 as is_stale,
        from {manifest}
        group by source
        """
    )
