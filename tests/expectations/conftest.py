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
from warehouse.disclosure.publication import TOTALS, suppress_cells

from .instrument_marts import add_instrument_marts

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
    "market_trade": {
        "market": "'CN-ETS'", "trade_id": "'T' || lpad((i)::varchar, 4, '0')", "instrument": "'CEA'", "trade_method": "'listed'",
        "traded_at": "timestamp '2025-03-03 02:00:00' + to_minutes((i * 5)::bigint)",  # 10:00 in Beijing and on
        "price_cny_per_t": "90 + i % 3", "volume_t": "100", "turnover_cny": "(90 + i % 3) * 100", "buyer_account": "'A' || i",
        "seller_account": "'B' || i",
    },
    "ets_facility_year": {
        "market": "'CN-ETS'", "enterprise_id": "'lei:' || i", "facility_id": "'F' || i", "compliance_year": "2024", "sector": "'power'",
        "benchmark_category": "'power_gas'", "output_quantity": "1000 + i", "output_unit": "'MWh'", "verified_t_co2e": "800 + i",
        "allocated_t_co2e": "790 + i",
    },
    "ets_surrender": {
        "surrender_id": "'S' || i", "market": "'CN-ETS'", "enterprise_id": "'lei:' || i % 7", "compliance_year": "2024",
        "instrument_kind": "case when i % 20 = 0 then 'offset' else 'allowance' end", "quantity_t_co2e": "500 + i",
        "surrendered_on": "date '2025-12-01' + i::int",
    },
    "ccer_project": {
        "project_id": "'P' || i", "project_name": "'减排项目' || i", "owner_id": "'lei:' || i", "methodology_code": "'CM-001-V02'",
        "province_code": "'130000'", "registered_on": "date '2024-05-01'", "crediting_start": "date '2024-01-01'",
        "crediting_end": "date '2033-12-31'", "estimated_annual_t_co2e": "10000 + i",
    },
    "ccer_issuance": {
        "issuance_id": "'I' || i", "project_id": "'P' || i // 4", "monitoring_start": "date '2020-01-01' + (365 * (i % 4))::int",
        "monitoring_end": "date '2020-01-01' + (365 * (i % 4) + 364)::int", "quantity_t_co2e": "10000 + i", "issued_on": "date '2025-05-01'",
    },
    "ccer_cancellation": {
        "cancellation_id": "'C' || i", "issuance_id": "'I' || i", "quantity_t_co2e": "100 + i", "cancelled_on": "date '2025-11-01'",
        "purpose": "case when i % 2 = 0 then 'ets_offset' else 'voluntary' end",
        "beneficiary_id": "case when i % 2 = 0 then 'lei:' || i end", "compliance_year": "case when i % 2 = 0 then 2024 end",
    },
    "green_certificate": {
        "batch_id": "'G' || i", "generation_start": "date '2025-01-01'", "generation_end": "date '2025-01-31'", "energy_mwh": "1000 + i",
        "issued_on": "date '2025-02-15'", "purchaser_id": "case when i % 2 = 0 then 'lei:' || i end",
    },
    "eia_project": {
        "eia_id": "'E' || i", "enterprise_id": "'lei:' || i", "project_name": "'建设项目' || i", "province_code": "'130000'",
        "industry_code": "'3110'", "product_code": "'PRODUCT' || i % 8", "construction_kind": "'new'", "annual_capacity": "1000",
        "capacity_unit": "'t'", "direct_t_co2e": "500 + i % 8", "energy_indirect_t_co2e": "500", "intensity_kg_co2e_per_unit": "1000 + i % 8",
        "approval_level": "'provincial'", "approved_on": "date '2025-06-01' + i::int",
        "operational_on": "case when i % 2 = 0 then date '2026-01-01' end",
    },
    "pcf_standard": {
        "standard_code": "'STD' || i // 4", "title": "'标准'", "product_code": "'STEEL'", "level": "'national'", "jurisdiction_code": "'CN'",
        "stage": "['planned', 'drafting', 'consultation', 'issued'][(i % 4 + 1)::int]", "stage_on": "date '2025-01-01' + (i % 4 * 60)::int",
        "counts_to_target": "true", "supersedes_standard_code": "case when i % 4 = 3 then 'OLD' || i end",
    },
    "label_certificate": {
        "certificate_no": "'L' || i", "state": "'valid'", "state_on": "date '2025-03-01'", "disclosure_id": "'PCF-' || i",
        "enterprise_id": "'lei:' || i", "product_code": "'STEEL'", "certifier": "'认证机构'", "scheme": "'产品碳标识'",
        "pilot_region_code": "'130000'", "issued_on": "date '2025-03-01'", "expires_on": "date '2028-02-29'",
    },
    "loan": {
        "bank_id": "'lei:bank'", "loan_id": "'LN' || i", "as_of": "date '2025-12-31'", "borrower_id": "'lei:' || i",
        "outstanding_cny": "1000000 + i", "borrower_total_value_cny": "9000000 + i", "catalogue_code": "case when i % 3 = 0 then '1.1' end",
        "use_of_proceeds": "'general'", "eia_id": "case when i % 3 = 0 then 'E' || i end",
    },
    "meter_reading": {
        "meter_id": "'M' || i % 8", "enterprise_id": "'lei:' || i % 8", "activity_code": "'electricity_grid'",
        "read_at": "timestamp '2026-01-01' + to_days((i // 8)::int)", "quantity": "1000 + i", "unit": "'kWh'",
    },
    "policy_task": {"task_no": "i % 22 + 1", "as_of": "last_day(date '2025-06-01' + to_months((i // 22 * 6)::int))", "status": "'in_progress'", "note": "'按计划'"},
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
        }  # fmt: skip
        # A change may name the sound expression as `{}`.
        expressions |= {name: text.replace("{}", expressions[name]) if "{}" in text else text for name, text in (changes or {}).items()}
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


# The sources that the marts' checks look back to.
LANDED = (
    "product_footprint", "footprint_activity", "market_quote", "ets_surrender", "ccer_issuance", "ccer_cancellation", "eia_project", "loan",
    "pcf_standard", "policy_task", "label_certificate",
)  # fmt: skip
OWN_LISTS = ("plan_task",)  # lists that a world does not bring are the project's


_CELL = "product_code, boundary, gwp_set, reporting_year"
_IS_WEIGHED = "product.recalculation_status = 'complete' and product.output_quantity is not null"
# Marts that the world's expected figures leave out, each sound in itself: two paths a footprint, one edition that raised all by a tenth.
MADE_MARTS = {
    "footprint__contributions": "select disclosure_id, rank as contribution_rank, kind as contribution_kind,"
    " recalculated_kg_co2e * share as contribution_kg_co2e, share as contribution_share from marts.footprint__products,"
    " (values (1, 'factor', 0.75::double), (2, 'other', 0.25::double)) as parts (rank, kind, share) where recalculated_kg_co2e > 0",
    "footprint__factor_impacts": "select 'F' as factor_id, '2' as edition, disclosure_id, 'complete' as old_recalculation_status,"
    " 'complete' as new_recalculation_status, recalculated_kg_co2e / 1.1 as old_kg_co2e, recalculated_kg_co2e as new_kg_co2e"
    " from marts.footprint__products where recalculation_status = 'complete' and recalculated_kg_co2e > 0",
    "footprint__product_impacts_by_year": f"select factor_id, edition, {_CELL}, count(*) as changed_disclosure_count,"
    f" sum(old_kg_co2e * output_quantity) filter (where {_IS_WEIGHED}) / sum(output_quantity) filter (where {_IS_WEIGHED})"
    " as old_weighted_mean_kg_co2e,"
    f" sum(new_kg_co2e * output_quantity) filter (where {_IS_WEIGHED}) / sum(output_quantity) filter (where {_IS_WEIGHED})"
    " as new_weighted_mean_kg_co2e, new_weighted_mean_kg_co2e - old_weighted_mean_kg_co2e as weighted_mean_change_kg_co2e,"
    f" coalesce(sum((new_kg_co2e - old_kg_co2e) * output_quantity) filter (where {_IS_WEIGHED}), 0) / 1000 as total_change_t_co2e"
    " from marts.footprint__factor_impacts join marts.footprint__products as product using (disclosure_id) group by all",
    "footprint__factor_gaps_by_year": "select 'electricity_grid' as activity_code, '130000' as geography_code, reporting_year,"
    " sum(line_count - priced_line_count) as unpriced_line_count, 0.5::double as unpriced_share from marts.footprint__products"
    " group by reporting_year having sum(line_count - priced_line_count) > 0",
    "footprint__suppressions_by_year": "select boundary, gwp_set, reporting_year, count(*) as cell_count,"
    " count(suppression_reason) as suppressed_cell_count, count(*) filter (where suppression_reason like 'primary%') as primary_cell_count,"
    " count(*) filter (where suppression_reason = 'complementary') as complementary_cell_count"
    " from marts.footprint__sectors_by_year_public group by all",
    "footprint__supplies": "select disclosure_id, 'S' as supplier_disclosure_id, linked_line_count from marts.footprint__products"
    " where linked_line_count > 0",
    "footprint__labelled_products": "select certificate_no, state, state = 'valid' as is_label_valid, 1.0::double as declared_kg_co2e,"
    " 0.0::double as removals_kg_co2e from landing.label_certificate"
    " qualify row_number() over (partition by certificate_no order by state_on desc, state) = 1",
    "policy__tasks": "select task_no, status as task_status, status = 'done' as is_done, as_of as reported_on from landing.policy_task"
    " qualify row_number() over (partition by task_no order by as_of desc, status) = 1",
    "policy__forecast_backtests_by_month": "select date '2024-01-01' + to_months(i::int) as month, document, indicator, jurisdiction_code,"
    " target_year, i % 5 > 0 as is_in_interval, (i % 3) / 10::double as brier_score from reference.policy_target, range(20) as months (i)"
    " where indicator = 'pcf_standards'",
    "policy__forecast_backtests": "select document, indicator, jurisdiction_code, target_year, count(*) as origin_count,"
    " 'scored' as backtest_status, avg(is_in_interval::int) as interval_hit_share, avg(brier_score) as brier_score"
    " from marts.policy__forecast_backtests_by_month group by all",
}


def _fill_warehouse(path: Path) -> None:
    """A build as the warehouse makes it, from the acceptance world: landed rows and reference lists as delivered, marts as expected."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("set timezone = 'Asia/Shanghai'")
        for schema in ("marts", "landing", "reference"):
            connection.execute(f"create schema {schema}")
        connection.execute("create schema intermediate")
        for seed in sorted((WORLD / "world" / "seeds").glob("*.csv")):
            connection.execute(f"create table reference.{seed.stem} as select * from read_csv('{seed}')")
        for name in OWN_LISTS:
            own = next((Path(__file__).parents[2] / "dbt_project" / "seeds").rglob(f"{name}.csv"))
            connection.execute(f"create table reference.{name} as select * from read_csv('{own}')")
        for source in LANDED:
            files = WORLD / "world" / "inbox" / source / "*.csv"
            # `distinct`: what is sent twice lands once.
            connection.execute(
                f"create table landing.{source} as select distinct *, '{DELIVERY}' as _delivery_id"
                f" from read_csv('{files}', union_by_name = true)"
            )
        for mart in sorted((WORLD / "expected").glob("*.parquet")):
            connection.execute(f"create table marts.{mart.stem} as select * from read_parquet('{mart}')")
        lines = "select disclosure_id, revision, count(*) as line_count from landing.footprint_activity group by all"
        connection.execute(
            "create or replace table marts.footprint__products as select products.*, coalesce(lines.line_count, 0) as line_count,"
            " coalesce(lines.line_count, 0) - (recalculation_status = 'partial')::int as priced_line_count,"
            " (coalesce(lines.line_count, 0) > 0)::bigint as linked_line_count"
            f" from marts.footprint__products as products left join ({lines}) as lines using (disclosure_id, revision)"
        )
        _add_public_table(connection)
        add_instrument_marts(connection)
        for mart, query in MADE_MARTS.items():
            connection.execute(f"create table marts.{mart} as {query}")


def _add_public_table(connection: duckdb.DuckDBPyConnection) -> None:
    """The public table and what it follows from, as the build makes them; no earlier release."""
    key = "product_code, boundary, gwp_set, reporting_year"
    connection.execute(
        f"create table intermediate.int_footprint__contributions_ranked as with placed as ("
        f" select {key}, coalesce(province_code, 'unplaced') as province_code, enterprise_id, declared_kg_co2e * output_quantity as kg"
        f" from marts.footprint__products union all select {key}, '000000', enterprise_id, declared_kg_co2e * output_quantity"
        f" from marts.footprint__products),"
        f" contributions as (select {key}, province_code, enterprise_id, coalesce(sum(kg), 0) / 1000 as t from placed group by all)"
        f" select {key}, province_code, count(*) as enterprise_count, sum(t) as total_t_co2e, max(t) as largest_t_co2e,"
        " coalesce(list_reverse_sort(list(t))[2], 0) as second_t_co2e, 3 as minimum_enterprise_count, 0.1::double as p_share,"
        " 0.1::double as protection_share from contributions group by all"
    )
    cells = connection.table("intermediate.int_footprint__contributions_ranked").to_arrow_table()
    reasons = suppress_cells(cells, TOTALS.empty_table(), 20.0)
    connection.register("reasons", reasons)
    names = ", ".join(TOTALS.names)
    connection.execute(f"create table intermediate.int_footprint__totals_published as select {names} from reasons where false")
    figures = [
        row[0]
        for row in connection.execute("describe marts.footprint__sectors_by_year").fetchall()
        if row[0] not in (*key.split(", "), "province_code")
    ]
    shown = ", ".join(
        f"case when now.is_published{' and earlier.is_published' if name.startswith('yoy_') else ''} then sector.{name} end as {name}"
        for name in figures
    )
    connection.execute(
        f"create table marts.footprint__sectors_by_year_public as select {key}, province_code, now.suppression_reason, {shown}"
        f" from marts.footprint__sectors_by_year as sector join reasons as now using ({key}, province_code)"
        f" left join (select * replace (reporting_year + 1 as reporting_year) from reasons) as earlier using ({key}, province_code)"
    )
    connection.unregister("reasons")


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
