"""Sound deliveries and sound marts, for the tests to plant one fault in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from expectations.gate import Candidate, Gatekeeper
from ingest.contract import Contract, read_contracts

WORLD = Path(__file__).parents[2].parent / "shared" / "acceptance"
DELIVERY = "d" * 64

# Per source, an expression per column over the row number i, counted from 0.
ROWS: dict[str, dict[str, str]] = {
    "product_footprint": {
        "disclosure_id": "'PCF-' || i", "revision": "1", "enterprise_id": "'lei:' || i % 7", "product_code": "'STEEL'",
        "product_name": "'钢材'", "declared_unit": "'kg'", "boundary": "'cradle_to_gate'", "gwp_set": "'AR5'",
        "period_start": "date '2025-01-01'", "period_end": "date '2025-12-31'", "output_quantity": "1000 + i",
        "raw_material_kg_co2e": "1 + i / 100", "production_kg_co2e": "1", "total_kg_co2e": "2 + i / 100", "primary_data_share": "0.5",
        "data_quality_rating": "2", "verifier_name": "'SGS'", "verified_on": "date '2026-01-15'", "submitted_at": "timestamp '2026-02-01'",
    },
    "footprint_activity": {
        "disclosure_id": "'PCF-' || i // 4", "revision": "1", "line_no": "i % 4 + 1", "stage": "'production'",
        "activity_code": "'electricity_grid'", "quantity": "1 + i", "unit": "'kWh'", "geography_code": "'130000'",
        "data_source": "'primary'",
    },
    "enterprise": {
        "enterprise_id": "'lei:' || i", "enterprise_name": "'企业' || i", "province_code": "'130000'", "industry_code": "'3110'",
    },
    "emission_factor": {
        "factor_id": "'EF-' || i", "edition": "'2024'", "factor_family": "'footprint'", "activity_code": "'activity_' || i",
        "activity_name": "'活动'", "geography_code": "'CN'", "unit": "'kWh'", "kg_co2e_per_unit": "0.5 + i",
        "valid_from": "date '2024-01-01'", "published_on": "date '2025-01-01'", "publisher": "'生态环境部'", "citation": "'公告'",
    },
    "market_quote": {
        "market": "'CN-ETS'", "instrument": "'CEA'", "trade_method": "'listed'",
        "trade_date": "date '2025-03-03' + (i // 5 * 7 + i % 5)::int",  # Mondays to Fridays
        "close_cny_per_t": "90 + i % 3", "volume_t": "100", "turnover_cny": "9000",
    },
}  # fmt: skip


class DeliveryMaker:
    """Writes a delivery of `count` sound rows, with `changes` to column expressions and verdicts beyond the accepted rows."""

    def __init__(self, folder: Path, contracts: Mapping[str, Contract]) -> None:
        self._folder = folder
        self._contracts = contracts
        self._made = 0

    def make(
        self,
        source: str,
        count: int = 40,
        changes: Mapping[str, str] | None = None,
        verdicts: Mapping[str, int] | None = None,
        previous: Path | None = None,
    ) -> Candidate:
        contract = self._contracts[source]
        expressions = ROWS[source] | {
            "_delivery_id": f"'{DELIVERY}'", "_row_number": "i + 1", "_source_file": "'x.csv'", "_received_at": "timestamp '2026-03-01'",
            "_sequence": "1",
        } | dict(changes or {})  # fmt: skip
        types = contract.landing_types()
        columns = ", ".join(f"cast({expressions.get(name, 'null')} as {kind}) as {name}" for name, kind in types.items())
        self._made += 1
        landing, judged = self._folder / f"{self._made}.parquet", self._folder / f"{self._made}.verdicts.parquet"
        others = dict(verdicts or {})
        labels = ["accepted"] * count + [name for name, number in others.items() for _ in range(number)]
        with duckdb.connect() as connection:
            connection.execute(f"copy (select {columns} from range({count}) as numbers (i)) to '{landing}' (format parquet)")
            listed = ", ".join(f"({place + 1}, '{label}')" for place, label in enumerate(labels)) or "(1, 'x')"
            kept = "" if labels else " where false"
            connection.execute(
                f"copy (select r::integer as _row_number, v::varchar as verdict from (values {listed}) as t (r, v){kept})"
                f" to '{judged}' (format parquet)"
            )
        waiting = others.get("waiting", 0)
        counts = {
            "received": len(labels), "accepted": count, "duplicate": others.get("duplicate", 0),
            "quarantined": others.get("quarantined", 0) + waiting, "waiting": waiting,
        }  # fmt: skip
        return Candidate(contract, DELIVERY, "x.csv", landing, judged, counts, previous)

    def rewrite(self, candidate: Candidate, query: str) -> Candidate:
        """The delivery with its landing rows replaced by `query` over `landing`."""
        target = candidate.landing.with_suffix(".changed.parquet")
        with duckdb.connect() as connection:
            connection.execute(f"create view landing as select * from read_parquet('{candidate.landing}')")
            connection.execute(f"copy ({query}) to '{target}' (format parquet)")
        return replace(candidate, landing=target)


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return read_contracts()


@pytest.fixture(scope="session")
def gatekeeper() -> Gatekeeper:
    return Gatekeeper(None)


@pytest.fixture
def deliveries(tmp_path: Path, contracts: dict[str, Contract]) -> DeliveryMaker:
    return DeliveryMaker(tmp_path, contracts)


def _fill_warehouse(path: Path) -> None:
    """A build as the warehouse makes it, from the acceptance world: landed rows and reference lists as delivered, marts as expected."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("set timezone = 'Asia/Shanghai'")
        for schema in ("marts", "landing", "reference"):
            connection.execute(f"create schema {schema}")
        for seed in sorted((WORLD / "world" / "seeds").glob("*.csv")):
            connection.execute(f"create table reference.{seed.stem} as select * from read_csv('{seed}')")
        for source in ("product_footprint", "footprint_activity", "market_quote"):
            files = WORLD / "world" / "inbox" / source / "*.csv"
            # `distinct`: what is sent twice lands once.
            connection.execute(
                f"create table landing.{source} as select distinct *, '{DELIVERY}' as _delivery_id"
                f" from read_csv('{files}', union_by_name = true)"
            )
        for mart in sorted((WORLD / "expected").glob("*.parquet")):
            if mart.stem.startswith(("footprint__", "ets__prices")):
                connection.execute(f"create table marts.{mart.stem} as select * from read_parquet('{mart}')")
        lines = "select disclosure_id, revision, count(*) as line_count from landing.footprint_activity group by all"
        connection.execute(
            "create or replace table marts.footprint__products as select products.*, coalesce(lines.line_count, 0) as line_count,"
            " coalesce(lines.line_count, 0) - (recalculation_status = 'partial')::int as priced_line_count"
            f" from marts.footprint__products as products left join ({lines}) as lines using (disclosure_id, revision)"
        )


@pytest.fixture(scope="session")
def sound_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (WORLD / "expected").is_dir():
        pytest.skip("needs ../shared/acceptance beside the checkout")
    path = tmp_path_factory.mktemp("marts") / "warehouse.duckdb"
    _fill_warehouse(path)
    return path


@pytest.fixture
def change_warehouse(sound_warehouse: Path, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Makes a copy of the sound warehouse in which the given statements were run."""
    made = []

    def change(*statements: str, name: str = "warehouse") -> Path:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        path = folder / f"{name}.duckdb"
        shutil.copyfile(sound_warehouse, path)
        with duckdb.connect(str(path)) as connection:
            for statement in statements:
                connection.execute(statement)
        made.append(path)
        return path

    yield change
    for path in made:
        path.unlink(missing_ok=True)
