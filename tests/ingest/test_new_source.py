"""A source is a folder: a contract and its fixtures, nothing else; with a staging model it is in every build, and has its DAG and its gate.
And a contract that says what nobody can hold is refused.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest

from ingest.contract import SOURCES, Contract, ContractError, check_against_standard, read_contract, read_contracts

MakeShelf = Callable[..., Any]

METER = """\
apiVersion: v3.2.0
kind: DataContract
id: tanlian.sample_meter
name: sample_meter
version: 1.0.0
status: active
description:
  purpose: "为测试而设的数据源。 | A source made for a test."
customProperties:
  - {property: titleZh, value: 示范表计}
  - {property: titleEn, value: "Sample meters"}
  - {property: history, value: append}
schema:
  - name: sample_meter
    logicalType: object
    physicalType: table
    properties:
      - name: meter_id
        description: 电表 | The meter
        logicalType: string
        required: true
        primaryKey: true
        primaryKeyPosition: 1
        customProperties:
          - {property: titleZh, value: 表号}
          - {property: aliases, value: [表號, 电表编号]}
      - name: read_at
        description: 读数时刻 | When it was read
        logicalType: timestamp
        required: true
        primaryKey: true
        primaryKeyPosition: 2
        customProperties:
          - {property: titleZh, value: 抄表时间}
          - {property: aliases, value: [抄表时间]}
      - name: quantity_kwh
        description: 用电量 | Energy used
        logicalType: number
        required: true
        logicalTypeOptions: {minimum: 0}
        customProperties:
          - {property: titleZh, value: 电量}
          - {property: aliases, value: [电量]}
          - {property: boundReason, value: {zh: 电表不会倒走, en: a meter does not run backwards}}
    quality:
      - name: too_much
        type: custom
        engine: tanlian
        implementation:
          kind: predicate
          columns: [quantity_kwh]
          violated: "r.quantity_kwh > {most}"
          most: 1000
        customProperties:
          - {property: messageZh, value: 电量应不超过 1000}
          - {property: messageEn, value: the quantity should be at most 1000}
          - {property: reasonZh, value: 示范}
          - {property: reasonEn, value: a sample}
"""
GOOD = "meter_id,read_at,quantity_kwh\n" + "".join(f"合成-{number},2025-03-{number:02d} 08:00,{number}.5\n" for number in range(1, 9))
FIXTURES = {
    "good/own_form.csv": GOOD,
    "good/odd_forms.plain.csv": GOOD,
    "good/odd_forms.csv": "電錶編號,抄表時間,電量\n"
    + "".join(f" 合成-{number},2025年3月{number}日 08:00,{number}.50\n" for number in range(1, 9)),
    "bad/too_much.csv": GOOD + "合成-9,2025-03-09 08:00,1001\n",
    "bad/range--quantity_kwh.csv": GOOD + "合成-9,2025-03-09 08:00,-1\n",
    "bad/type--read_at.csv": GOOD + "合成-9,2025-02-30 08:00,1\n",
    "bad/type--quantity_kwh.csv": GOOD + "合成-9,2025-03-09 08:00,1_000\n",
    "bad/required--meter_id.csv": GOOD + ",2025-03-09 08:00,1\n",
    "bad/control_character--meter_id.csv": GOOD + "合成\x07,2025-03-09 08:00,1\n",
    "bad/key_conflict.csv": GOOD + "合成-1,2025-03-01 08:00,7\n",
    "bad/no_data_rows.csv": GOOD.splitlines()[0],
}


def load_fixture_checks() -> ModuleType:
    """The checks that the repository's own sources pass, as they stand in their test."""
    path = Path(__file__).with_name("test_fixtures.py")
    spec = importlib.util.spec_from_file_location("fixture_checks", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's sources and one more."""
    sources = tmp_path / "sources"
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("fixtures"))
    made = sources / "sample_meter"
    for name, text in {"contract.yaml": METER, **{f"fixtures/{name}": text for name, text in FIXTURES.items()}}.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text, encoding="utf-8")
    return sources


def test_a_new_folder_is_a_source_without_a_line_of_code(folder: Path, make_shelf: MakeShelf, count: Callable[[Path], int]) -> None:
    contracts = read_contracts(folder)
    assert set(contracts) == set(read_contracts()) | {"sample_meter"}
    checks = load_fixture_checks()
    contract = contracts["sample_meter"]
    for path in checks.find_good(contract):
        checks.check_good(make_shelf(contracts), "sample_meter", path, count)
    broken = set()
    for case in checks.find_bad(contract):
        prepared = checks.check_bad(make_shelf(contracts), case, count)
        broken.add(checks.kept_by(case, contract, prepared))
    missing = checks.promises(contract) - broken
    assert missing == (checks.FILE_CODES - {"no_data_rows", "unreadable"}) | {f"unreadable {kind}" for kind in checks.UNREADABLE}


def test_a_missing_bad_fixture_is_noticed(folder: Path, make_shelf: MakeShelf, count: Callable[[Path], int]) -> None:
    (folder / "sample_meter" / "fixtures" / "bad" / "too_much.csv").unlink()
    checks = load_fixture_checks()
    contract = read_contracts(folder)["sample_meter"]
    assert "too_much" in checks.promises(contract) - {case.code for case in checks.find_bad(contract)}


STAGING = """\
select
    readings.meter_id,
    readings.quantity_kwh,
    readings.read_at
from {{ source('landing', 'sample_meter') }} as readings
"""
ROOT = SOURCES.parent.parent
PARTS = ("ingest", "warehouse", "expectations", "dags", "dbt_project")
COMMAND = "import sys; from warehouse.cli import main; sys.exit(main())"
DAGS = "import sys; sys.path.insert(0, 'dags'); import landing; print([name for name in vars(landing) if name.startswith('land_')])"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it stands, with two things more: a source's folder and its staging model."""
    root = tmp_path_factory.mktemp("checkout")
    unneeded = shutil.ignore_patterns("fixtures", "__pycache__", "target", "logs")
    for part in PARTS:
        shutil.copytree(ROOT / part, root / part, ignore=unneeded)
    (root / "docs").mkdir()
    (root / "ingest/sources/sample_meter").mkdir()
    (root / "ingest/sources/sample_meter/contract.yaml").write_text(METER, encoding="utf-8")
    (root / "dbt_project/models/staging/stg_sample_meters.sql").write_text(STAGING, encoding="utf-8")
    return root


def run_python(checkout: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python on the packages of a checkout, and on nothing of this one."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TANLIAN_", "AIRFLOW_"))}
    own = {
        "PYTHONPATH": str(checkout),
        "AIRFLOW_HOME": str(checkout / "airflow"),
        "TANLIAN_LANG": "en",
        "TANLIAN_DATA": str(checkout / "data"),
    }
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=checkout, env=plain | own, capture_output=True, text=True, check=False, timeout=1_800
    )


@pytest.mark.slow
def test_a_new_folder_and_its_staging_model_are_generated_landed_gated_and_built(checkout: Path, tmp_path: Path) -> None:
    written = run_python(checkout, COMMAND, "contracts")
    assert written.returncode == 0, written.stderr
    for generated in ("docs/sources.md", "dbt_project/models/staging/_sources.yml"):
        assert "sample_meter" in (checkout / generated).read_text(encoding="utf-8")
    world, out = tmp_path / "world", tmp_path / "out"
    (world / "inbox/sample_meter").mkdir(parents=True)
    (world / "inbox/sample_meter/first.csv").write_text(FIXTURES["bad/too_much.csv"], encoding="utf-8")
    (world / "manifest.csv").write_text("sequence,received_on,source,file,rows\n1,2026-01-05,sample_meter,first.csv,9\n", encoding="utf-8")
    done = run_python(checkout, COMMAND, "--json", "world", str(world), "--out", str(out))
    # Marts that nobody has fed are not released; what was delivered is in the build that the gates looked at.
    assert done.returncode == 3, done.stderr
    told = json.loads((out / "verdicts.json").read_text(encoding="utf-8"))
    counts = {name: told["sources"]["sample_meter"][name] for name in ("received", "accepted", "duplicate", "quarantined")}
    assert counts == {"received": 9, "accepted": 8, "duplicate": 0, "quarantined": 1}
    assert [(row["row_number"], row["rules"]) for row in told["rows"]] == [(9, ["sample_meter.too_much"])]
    (warehouse,) = out.glob("data/builds/*/warehouse.duckdb")
    with duckdb.connect() as connection:
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        staged = connection.execute("select count(*), sum(quantity_kwh) from warehouse.staging.stg_sample_meters").fetchone()
    assert staged == (8, 40.0)


@pytest.mark.slow
def test_a_new_folder_is_a_new_dag_in_its_checkout(checkout: Path) -> None:
    found = run_python(checkout, DAGS)
    assert found.returncode == 0, found.stderr
    assert "'land_sample_meter'" in found.stdout.splitlines()[-1]


def write_contract(folder: Path, text: str) -> Path:
    path = folder / "sample_meter" / "contract.yaml"
    path.write_text(text, encoding="utf-8")
    return path


BROKEN_CONTRACTS = {
    "surprise": ("status: active\n", "status: active\nsurprise: 1\n"),
    "colour": ("        logicalType: timestamp\n", "        logicalType: timestamp\n        colour: red\n"),
    "mood": ("{property: history, value: append}", "{property: history, value: append}\n  - {property: mood, value: good}"),
    "nickname": ("{property: aliases, value: [电量]}", "{property: nickname, value: [电量]}"),
    "multipleOf": ("{minimum: 0}", "{minimum: 0, multipleOf: 5}"),
    "bound without a reason": ("          - {property: boundReason, value: {zh: 电表不会倒走, en: a meter does not run backwards}}\n", ""),
    "history must be": ("value: append", "value: overwritten"),
    "unknown kind python": ("kind: predicate", "kind: python"),
    "columns must be columns of the source": ("columns: [quantity_kwh]", "columns: [quantity]"),
    "messageZh missing": ("          - {property: messageZh, value: 电量应不超过 1000}\n", ""),
    "must have one name": ("name: sample_meter\nversion", "name: other\nversion"),
    "both languages": ("description: 电表 | The meter", "description: The meter"),
    "no primary key": ("        primaryKey: true\n", ""),
    "no usable type": ("logicalType: number\n        required", "logicalType: object\n        required"),
}


@pytest.mark.parametrize("said", BROKEN_CONTRACTS)
def test_a_contract_that_cannot_be_held_is_refused_by_name(folder: Path, said: str) -> None:
    old, new = BROKEN_CONTRACTS[said]
    assert old in METER
    assert read_contract(write_contract(folder, METER)).source == "sample_meter"
    with pytest.raises(ContractError) as refused:
        read_contract(write_contract(folder, METER.replace(old, new)))
    assert "sample_meter" in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize("contract", read_contracts().values(), ids=read_contracts())
def test_contracts_follow_the_published_standard(contract: Contract) -> None:
    check_against_standard(contract.folder / "contract.yaml")


def test_the_standard_refuses_what_is_not_a_contract(folder: Path) -> None:
    with pytest.raises(ContractError):
        check_against_standard(write_contract(folder, METER.replace("kind: DataContract", "kind: Letter")))


@pytest.mark.parametrize("contract", read_contracts().values(), ids=read_contracts())
def test_contracts_speak_both_languages(contract: Contract) -> None:
    chinese = re.compile("[\u4e00-\u9fff]")
    messages = [
        contract.title,
        *(column.title for column in contract.columns),
        *(text for rule in contract.rules for text in (rule.message, rule.reason)),
    ]
    messages += [column.bound_reason for column in contract.columns if column.bound_reason is not None]
    for message in messages:
        assert chinese.search(message.zh) or message.zh.isupper(), message
        assert message.en.strip() and not chinese.search(message.en), message
