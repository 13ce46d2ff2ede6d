"""Who gets which marts, rows and columns: each decided with a reason, families read from the data, nothing of anybody else in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from warehouse.audience import (
    POLICY,
    AudienceError,
    expand_audiences,
    fill_places,
    hold_codes,
    name_audience,
    read_policy,
    write_audience_file,
)
from warehouse.audience_files import listed_audiences, opened_build
from warehouse.build import PROJECT

# Columns that say whose a row is.
IDENTIFYING = {"enterprise_id", "disclosure_id", "facility_id", "borrower_id", "loan_id", "bank_id", "project_id", "eia_id", "owner_id"}
BANK, OTHER_BANK = "91110000100000001A", "lei:../../5493 银行'; drop table x"


@pytest.fixture(scope="module")
def columns() -> dict[str, set[str]]:
    """The columns of each mart, as its enforced contract declares them."""
    models = [
        model for path in (PROJECT / "models/marts").rglob("_*.yml") for model in yaml.safe_load(path.read_text("utf-8")).get("models", [])
    ]
    return {model["name"]: {column["name"] for column in model["columns"]} for model in models}


def plant_build(build: Path, marts: dict[str, str]) -> None:
    """A build with the given marts and as many columns of the other schemas as the policy's own queries read."""
    with duckdb.connect(str(build)) as con:
        con.execute("create schema marts; create schema intermediate; create schema staging; create schema reference")
        for mart, query in marts.items():
            con.execute(f'create table marts."{mart}" as {query}')
        con.execute("create table staging.stg_loans (bank_id varchar, loan_id varchar, borrower_id varchar)")
        con.executemany("insert into staging.stg_loans values (?, ?, ?)", [(BANK, "1", "A"), (OTHER_BANK, "1", "B"), (BANK, "2", "C")])
        con.execute("create table intermediate.int_footprint__enterprises_resolved (enterprise_id varchar, enterprise_name varchar)")
        con.execute("insert into intermediate.int_footprint__enterprises_resolved values (?, '第一银行')", [BANK])
        con.execute("create table reference.pilot_region as select '130000' as province_code, '河北' as name_zh, 'Hebei' as name_en")


def write_policy(path: Path, **changed: Any) -> Path:
    document = yaml.safe_load(POLICY.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(document | changed, allow_unicode=True), encoding="utf-8")
    return path


def test_public_gets_no_row_about_one_enterprise(columns: dict[str, set[str]]) -> None:
    policy = read_policy()
    public = {mart for mart in columns if (choice := policy.choice("public", mart)) and choice.included}
    assert not policy.kinds["public"].takes_all
    assert "footprint__sectors_by_year_public" in public
    assert "footprint__sectors_by_year" not in public
    assert not {mart: found for mart in public if (found := IDENTIFYING & columns[mart])}
    assert sum(bool(IDENTIFYING & names) for names in columns.values()) >= 8, "the names are those that the marts use"


def test_mart_with_somebodys_rows_reaches_a_family_only_by_a_condition(columns: dict[str, set[str]]) -> None:
    policy = read_policy()
    given = [
        (mart, kind.name, policy.choice(kind.name, mart))
        for mart, names in columns.items()
        if IDENTIFYING & names
        for kind in policy.families
    ]
    shown = [(mart, kind, choice) for mart, kind, choice in given if choice and choice.included]
    assert len(shown) >= 10
    assert not [(mart, kind) for mart, kind, choice in shown if not choice.where]


def test_families_are_the_banks_of_the_loans_and_the_pilot_regions(tmp_path: Path) -> None:
    plant_build(tmp_path / "warehouse.duckdb", {})
    with opened_build(tmp_path / "warehouse.duckdb") as con:
        audiences = {audience.name: audience for audience in expand_audiences(read_policy(), con)}
    assert list(audiences)[:3] == ["ministry", "public", f"bank_{BANK}"]
    assert len(audiences) == 5 and audiences["region_130000"].member == "130000"
    assert audiences[f"bank_{BANK}"].title == {"zh": "银行 第一银行", "en": "Bank 第一银行"}
    other = next(audience for audience in audiences.values() if audience.member == OTHER_BANK)
    assert other.name == name_audience("bank", OTHER_BANK) and other.file_name.isascii()


def test_names_are_safe_as_files_and_never_shared() -> None:
    hostile = ["", ".", "..", "a/b", "a\\b", "a b", "a-b", "a\nb", "a\0b", "甲", "乙", "x" * 300, "x" * 301, "CON", "a.b", "'"]
    names = [name_audience("bank", member) for member in [*hostile, BANK]]
    assert len(set(names)) == len(names) and names[-1] == f"bank_{BANK}"
    assert all(len(name) < 80 and set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") for name in names)


def test_file_holds_the_rows_and_columns_of_its_audience_and_nothing_else(tmp_path: Path) -> None:
    """Two banks, one named like an attack: each gets its borrowers' rows, with the column that the policy changes."""
    policy = read_policy(
        write_policy(
            tmp_path / "policy.yaml",
            kinds={name: kind for name, kind in yaml.safe_load(POLICY.read_text("utf-8"))["kinds"].items() if name != "region"},
            codes={"enterprise": "select distinct borrower_id as code, borrower_id as owner from staging.stg_loans"},
            sets={"few": "select borrower_id from staging.stg_loans where bank_id = {member} and loan_id = '1'"},
            marts={
                "finance__borrowers": [
                    {
                        "kinds": ["bank"],
                        "where": "borrower_id in {enterprise}",
                        "replace": {"secret": "case when borrower_id in {few} then secret || '{{}}' end"},
                        "reason": {"zh": "是", "en": "yes"},
                    }
                ],
                "ets__prices_by_day": [{"kinds": ["bank", "public"], "reason": {"zh": "是", "en": "yes"}}],
                "finance__portfolios": [{"kinds": ["bank"], "out": True, "reason": {"zh": "否", "en": "no"}}],
            },
        )
    )
    build = tmp_path / "warehouse.duckdb"
    rows = "select * from (values ('A', 'a'), ('B', 'b'), ('C', 'c'), ('D', 'd')) t(borrower_id, secret)"
    plant_build(
        build,
        {"finance__borrowers": rows, "ets__prices_by_day": "select 1 as x", "finance__portfolios": rows, "footprint__new": rows},
    )
    found = {}
    with opened_build(build) as con:
        hold_codes(policy, con)
        for audience in expand_audiences(policy, con):
            target = tmp_path / audience.file_name
            write_audience_file(policy, audience, con, {"release__summary": "select 1 as release_id"}, "2026-10-31", target)
            found[audience.member or audience.kind] = target
    told = {}
    for name, path in found.items():
        with duckdb.connect(str(path), read_only=True) as con:
            tables = [table for (table,) in con.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()]
            told[name] = {table: con.execute(f"from {table} order by all").fetchall() for table in tables}
    assert told["ministry"].keys() == {f"marts.{mart}" for mart in (*policy.marts, "footprint__new", "release__summary")}
    assert told["public"] == {"marts.ets__prices_by_day": [(1,)]}
    assert told[BANK] == {"marts.ets__prices_by_day": [(1,)], "marts.finance__borrowers": [("A", "a{}"), ("C", None)]}
    assert told[OTHER_BANK] == {"marts.ets__prices_by_day": [(1,)], "marts.finance__borrowers": [("B", "b{}")]}


def test_policy_that_asks_for_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    policy = read_policy()
    plant_build(tmp_path / "warehouse.duckdb", {})
    with opened_build(tmp_path / "warehouse.duckdb") as con:
        public = expand_audiences(policy, con)[1]
        with pytest.raises(AudienceError, match="footprint__sectors_by_year_public"):
            write_audience_file(policy, public, con, {}, "2026-10-31", tmp_path / "public.duckdb")
    with pytest.raises(AudienceError, match="nobody"):
        fill_places(policy, "x in {nobody}", public, "2026-10-31")
    entry = {"kinds": ["bank", "bank"], "reason": {"zh": "是", "en": "yes"}}
    with pytest.raises(AudienceError, match="twice"):
        read_policy(write_policy(tmp_path / "policy.yaml", marts={"ets__prices_by_day": [entry]}))
    with pytest.raises(AudienceError, match="borrower"):
        read_policy(write_policy(tmp_path / "policy.yaml", marts={"ets__prices_by_day": [entry | {"kinds": ["borrower"]}]}))


def test_manifest_made_before_audiences_were_described_is_read() -> None:
    old = listed_audiences({"audiences": ["ministry", "public"]})
    assert [(entry["name"], entry["kind"], entry["member"], entry["file"]) for entry in old] == [
        ("ministry", "ministry", None, "ministry.duckdb"),
        ("public", "public", None, "public.duckdb"),
    ]
    entry = {"name": "public", "kind": "public", "member": None, "file": "public.duckdb"}
    assert listed_audiences({"audiences": [entry]}) == [entry]
