"""A code of somebody else in an audience's file stops the release, wherever in the file it stands and whoever the audience is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import yaml

from warehouse.audience import POLICY, Audience, Policy, read_policy
from warehouse.audience_files import write_audience_files
from warehouse.isolation import judge_files

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
create table intermediate.int_footprint__enterprises_resolved as select *, '320000' as province_code from staging.stg_enterprises
    where enterprise_id = '{OWN}' union all select *, '110000' from staging.stg_enterprises where enterprise_id <> '{OWN}';
create table intermediate.int_eia__projects_resolved as select 'E1' as eia_id, '{OWN}' as enterprise_id, '320000' as province_code;
create table marts.rows as select enterprise_id, 'D-' || enterprise_id as subject_id, 'steel_crude' as product_code, 2024 as year,
    json_object('of', enterprise_id) as evidence, ['a'] as list from staging.stg_enterprises;
create table marts.prices as select 'CN-ETS' as market, '粗钢, 2024 and 17' as remark, 1.5 as price;
"""
MARTS = {
    "rows": [{"kinds": ["bank", "region"], "where": "enterprise_id in {enterprise}", "reason": REASON}],
    "prices": [{"kinds": ["public", "bank", "region"], "reason": REASON}],
}


@dataclass(frozen=True)
class Files:
    """The files of a small build, as the policy wrote them."""

    policy: Policy
    build: Path
    folder: Path
    audiences: list[Audience]

    def search(self) -> list[str]:
        result = judge_files(self.policy, self.audiences, self.build, self.folder)
        assert result.success == (not result.failures)
        assert all(failure.severity == "critical" for failure in result.failures)
        return [f"{failure.check}: {failure.observed}" for failure in result.failures]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Files:
    room = tmp_path_factory.mktemp("isolation")
    document = yaml.safe_load(POLICY.read_text(encoding="utf-8")) | {"codes": CODES, "sets": {}, "marts": MARTS}
    (room / "policy.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    policy = read_policy(room / "policy.yaml")
    with duckdb.connect(str(room / "warehouse.duckdb")) as con:
        con.execute(BUILD)
    (room / "files").mkdir()
    audiences = write_audience_files(policy, room / "warehouse.duckdb", {}, "2026-10-31", room / "files")
    return Files(policy, room / "warehouse.duckdb", room / "files", audiences)


@pytest.fixture
def files(written: Files, tmp_path: Path) -> Files:
    return Files(written.policy, written.build, Path(shutil.copytree(written.folder, tmp_path / "files")), written.audiences)


def test_files_of_the_policy_pass_and_what_was_searched_is_counted(written: Files) -> None:
    """Whoever is called like a product, or names a loan like a year, stops no release by it."""
    result = judge_files(written.policy, written.audiences, written.build, written.folder)
    assert (result.success, result.failures) == (True, ())
    assert result.rows_examined == 4 + 1 + 2 + 1, "prices in all four files, and the rows of one bank, the other and the region"
    assert result.checks_run == 4 * 2 + 3 * 5


FAULTS: dict[str, tuple[str, str]] = {
    "a row of somebody else": (f"insert into marts.rows values ('{FOREIGN}', null, 'x', 2024, null, null)", FOREIGN),
    "a code nobody knows": ("insert into marts.rows values ('91999999999999999X', null, 'x', 2024, null, null)", "91999999999999999X"),
    "half of a compound code": (f"update marts.rows set subject_id = subject_id || '|D-{FOREIGN}'", f"D-{FOREIGN}"),
    "in another case": (f"update marts.prices set remark = lower('{FOREIGN}')", FOREIGN.lower()),
    "within a sentence": (f"update marts.prices set remark = '见{FOREIGN}，其余无'", FOREIGN.lower()),
    "within JSON": (f"""update marts.rows set evidence = '{{"a": [{{"b": "{FOREIGN}"}}]}}'""", FOREIGN.lower()),
    "as a key of JSON": (f"""update marts.rows set evidence = '{{"{FOREIGN}": 1}}'""", FOREIGN.lower()),
    "escaped in JSON": (r"""update marts.rows set evidence = '{"a": "name:Acme \"\u00d6l\" AG"}'""", ABROAD.lower()),
    "within a list": (f"update marts.rows set list = ['x', '{FOREIGN}']", FOREIGN.lower()),
    "in a column of its own": (f"alter table marts.prices add column note varchar default 'loan L-00000017 of {BANK[:5]}'", "l-00000017"),
    "a name": ("update marts.prices set remark = 'Acme Oil AG'", "acme oil ag"),
    "a name within a sentence": ("update marts.prices set remark = 'seller: Acme Oil AG.'", "acme oil ag"),
    "another bank": (f"update marts.prices set remark = 'account at {OTHER_BANK}'", OTHER_BANK.lower()),
}


@pytest.mark.parametrize("member", [BANK, "320000"])
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_code_of_somebody_else_is_found(files: Files, fault: str, member: str) -> None:
    statement, code = FAULTS[fault]
    (audience,) = [audience for audience in files.audiences if audience.member == member]
    with duckdb.connect(str(files.folder / audience.file_name)) as con:
        con.execute(statement)
    found = files.search()
    assert len(found) == 1 and "foreign_code" in found[0]
    assert audience.name in found[0] and code in found[0]


@pytest.mark.parametrize("code", [OWN, FOREIGN, ABROAD, BANK, f"D-{OWN}", "Acme Oil AG"])
@pytest.mark.parametrize("place", ["whole", "within"])
def test_public_file_names_nobody(files: Files, code: str, place: str) -> None:
    with duckdb.connect(str(files.folder / "public.duckdb")) as con:
        con.execute("update marts.prices set remark = ?", [code if place == "whole" else f"see {code}."])
    found = files.search()
    assert len(found) == 1 and "public: prices.remark" in found[0] and code.lower() in found[0]


def test_own_code_is_no_finding_though_a_shorter_one_of_somebody_else_stands_in_it(files: Files) -> None:
    """Whoever is called like the beginning of another's code stops no release by it; beside it his own code is found."""
    build = files.folder / "warehouse.duckdb"
    shutil.copyfile(files.build, build)
    with duckdb.connect(str(build)) as con:
        con.execute(f"insert into staging.stg_enterprises values ('{OWN[:12]}', 'x')")
    (bank,) = [audience for audience in files.audiences if audience.member == BANK]
    other = Files(files.policy, build, files.folder, files.audiences)
    assert other.search() == []
    with duckdb.connect(str(files.folder / bank.file_name)) as con:
        con.execute(f"update marts.prices set remark = '{OWN} and {OWN[:12]}.'")
    assert [OWN[:12].lower() in found for found in other.search()] == [True]


SHAPES: dict[str, Callable[[duckdb.DuckDBPyConnection], object]] = {
    "another table": lambda con: con.execute("create table marts.finance__borrowers as select 1 as x"),
    "another schema": lambda con: con.execute("create schema staging; create table staging.prices as select 1 as x"),
    "a view": lambda con: con.execute("create view marts.other as select 1 as x"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["public", "bank", "region"])
def test_table_that_the_policy_does_not_give_is_found(files: Files, shape: str, kind: str) -> None:
    audience = next(audience for audience in files.audiences if audience.kind == kind)
    with duckdb.connect(str(files.folder / audience.file_name)) as con:
        SHAPES[shape](con)
    found = files.search()
    assert len(found) == 1 and "foreign_table" in found[0] and audience.name in found[0]


def test_nothing_searched_is_a_failure(files: Files) -> None:
    assert not judge_files(files.policy, [], files.build, files.folder).success
    for audience in files.audiences:
        if audience.kind != "ministry":
            with duckdb.connect(str(files.folder / audience.file_name)) as con:
                tables = con.execute("select table_name from duckdb_tables()").fetchall()
                for (table,) in tables:
                    con.execute(f'delete from marts."{table}"')
    emptied = judge_files(files.policy, files.audiences, files.build, files.folder)
    assert (emptied.success, emptied.rows_examined) == (False, 0)
