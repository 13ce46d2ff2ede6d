"""A few enterprises and banks as a build and a policy over it, and releases of it: enough for who gets what and for what is sealed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from warehouse.audience import POLICY, Audience, Policy, read_policy
from warehouse.audience_files import add_late_tables, file_hash, write_audience_files
from warehouse.content import mart_hashes
from warehouse.custody.chain import MANIFEST
from warehouse.custody.sealing import seal_release
from warehouse.ledger import Ledger
from warehouse.release import current_release, point_to
from warehouse.settings import Settings

OWN, FOREIGN, ABROAD = "91110000100000001A", "91320000200000002B", 'name:Acme "Öl" AG'
BANK, OTHER_BANK = "91110000300000003C", "91110000400000004D"
REASON = {"zh": "是", "en": "yes, of course"}

CODES = {
    "enterprise": "select enterprise_id as code, enterprise_id as owner from staging.stg_enterprises",
    "bank": "select distinct bank_id as code, bank_id as owner from staging.stg_loans",
    "loan": "select distinct loan_id as code, bank_id as owner from staging.stg_loans",
    "disclosure": "select 'D-' || enterprise_id as code, enterprise_id as owner from staging.stg_enterprises",
    "name": "select enterprise_name as code, enterprise_id as owner from staging.stg_enterprises",
}
BUILD = f"""
create schema marts; create schema intermediate; create schema staging; create schema reference;
create table reference.pilot_region as select '320000' as province_code, '江苏' as name_zh, 'Jiangsu' as name_en;
create table reference.product_catalogue as select 'steel_crude' as product_code, '粗钢' as name_zh;
create table staging.stg_enterprises as select * from (values ('{OWN}', '江北钢铁有限公司'), ('{FOREIGN}', '粗钢'), ('{ABROAD}', 'Acme Oil AG'))
    t(enterprise_id, enterprise_name);
create table staging.stg_loans as select * from (values ('{BANK}', '2024', '{OWN}'), ('{OTHER_BANK}', '17', '{FOREIGN}'),
    ('{OTHER_BANK}', 'L-00000017', '{ABROAD}')) t(bank_id, loan_id, borrower_id);
create table intermediate.int_footprint__disclosures_resolved as select 'D-' || enterprise_id as disclosure_id, enterprise_id, '320000' as province_code
    from staging.stg_enterprises;
create table staging.stg_market_quotes as select 'CN-ETS' as market, 'CEA24' as instrument, 'listed' as trade_method;
create table staging.stg_market_trades as select * from staging.stg_market_quotes where false;
create table intermediate.int_footprint__enterprises_resolved as select *, '320000' as province_code from staging.stg_enterprises
    where enterprise_id = '{OWN}' union all select *, '110000' from staging.stg_enterprises where enterprise_id <> '{OWN}';
create table intermediate.int_eia__projects_resolved as select 'E1' as eia_id, '{OWN}' as enterprise_id, '320000' as province_code;
create table intermediate.int_footprint__totals_published as select 'steel_crude' as product_code, 'cradle_to_gate' as boundary, 'AR6' as gwp_set,
    2024 as reporting_year, '1' as version, '000000' as province_code, 1.0 as total_t_co2e, true as is_published, false as is_protected;
create table intermediate.int_footprint__cells_suppressed as from intermediate.int_footprint__totals_published where false;
create table marts.rows as select enterprise_id, 'D-' || enterprise_id as subject_id, 'steel_crude' as product_code, 2024 as year,
    json_object('of', enterprise_id) as evidence, ['a'] as list from staging.stg_enterprises;
create table marts.prices as select 'CN-ETS' as market, '粗钢, 2024 and 17' as remark, 1.5 as price;
create table marts.years as select enterprise_id, 2000 + n as year, n * 1.5::decimal(18, 4) as cost_cny, n / 7 as share,
    case when n % 3 = 0 then 'gap' end as gap from staging.stg_enterprises cross join range(9) t(n);
"""
MARTS = {
    "rows": [{"kinds": ["bank", "region"], "where": "enterprise_id in {enterprise}", "reason": REASON}],
    "prices": [{"kinds": ["public", "bank", "region"], "reason": REASON}],
    # The second column is shown to a bank in some years only.
    "years": [
        {
            "kinds": ["bank"],
            "where": "enterprise_id in {enterprise}",
            "replace": {"gap": "case when year < 2004 then gap end"},
            "reason": REASON,
        }
    ],
    "release__sources": [{"kinds": ["public", "bank", "region"], "out": True, "reason": REASON}],
    "release__waivers": [{"kinds": ["public", "bank", "region"], "out": True, "reason": REASON}],
    "release__summary": [{"kinds": ["public", "bank", "region"], "reason": REASON}],
}


@dataclass(frozen=True)
class Files:
    """The files of a small build, as the policy wrote them."""

    policy: Policy
    build: Path
    folder: Path
    audiences: list[Audience]


def plant_files(room: Path) -> Files:
    """Build, policy and audience files in a new folder."""
    document = yaml.safe_load(POLICY.read_text(encoding="utf-8")) | {"codes": CODES, "sets": {}, "marts": MARTS}
    (room / "policy.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    policy = read_policy(room / "policy.yaml")
    with duckdb.connect(str(room / "warehouse.duckdb")) as con:
        con.execute(BUILD)
    (room / "files").mkdir()
    audiences = write_audience_files(policy, room / "warehouse.duckdb", {}, "2026-10-31", room / "files")
    return Files(policy, room / "warehouse.duckdb", room / "files", audiences)


def plant_release(releases: Path, number: int, files: Files, parent: Path | None) -> Path:
    """A sealed release of the small build in `releases`, written as the warehouse writes its own."""
    folder = releases / f"2026103{number}-{number:010d}"
    folder.mkdir(parents=True)
    audiences = write_audience_files(files.policy, files.build, {}, "2026-10-31", folder)
    late = {"release__summary": f"select '{folder.name}' as release_id", "release__gates": "select 'marts.ets' as suite"}
    add_late_tables(audiences, late, folder)
    pq.write_table(pa.table({"total_t_co2e": [1.0 * number]}), folder / "public_totals.parquet")
    manifest: dict[str, Any] = {
        "release_id": folder.name,
        "parent_release_id": parent.name if parent else None,
        "parent_manifest_hash": file_hash(parent / MANIFEST) if parent else None,
        "as_of": "2026-10-31T15:59:59Z",
        "rule_date": "2026-10-31",
        "published_at": f"2026-11-0{number}T00:00:00Z",
        "code_version": "0.1.0+planted",
        "content_hash": f"{number}",
        "marts": mart_hashes(files.build),
        "gates": [{"suite": "marts.ets", "success": True, "seconds": 0.25}],
        "waivers": [],
        "deliveries": [],
        "public_totals": {"row_count": 1, "sha256": file_hash(folder / "public_totals.parquet")},
        "ledger": {"entry_count": 10 * number, "head": "ab" * 32},
    }
    seal_release(folder, manifest, audiences, files.policy, parent)
    return folder


class Room:
    """A data directory with three small releases, entered in the ledger as they are published."""

    def __init__(self, data: Path, files: Files) -> None:
        self.settings, parent = Settings(data=data), None
        self.settings.releases.mkdir(parents=True)
        self.ledger = Ledger(self.settings.ledger)
        self.names: list[str] = []
        for number in (1, 2, 3):
            parent = plant_release(self.settings.releases, number, files, parent)
            manifest = parent / "manifest.json"
            self.ledger.record_release(
                {
                    **{
                        name: json.loads(manifest.read_bytes())[name]
                        for name in ("release_id", "parent_release_id", "published_at", "as_of")
                    },
                    "input_hash": f"{number}",
                    "manifest_hash": file_hash(manifest),
                }
            )
            self.names.append(parent.name)
        point_to(self.settings, self.names[-1])

    @property
    def in_force(self) -> str:
        folder = current_release(self.settings)
        return folder.name if folder else ""
