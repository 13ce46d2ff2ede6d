"""What holds for every model of the dbt project, whatever the data."""

import json
import re
from pathlib import Path

import duckdb
import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
# Functions that Spark lacks or reads otherwise (stack.md, section 9); they may stand in dispatching macros only.
DUCKDB_ONLY = re.compile(
    r"\b(list_\w+|list|arg_max|arg_min|quantile_cont|median|any_value|strftime|epoch|date_diff|isfinite|read_parquet|unnest)\s*\("
    r"|\basof\b|\bpivot\b|\bqualify\b|::|\border by all\b|\bgroup by all\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="session")
def manifest(empty_build) -> dict:  # type: ignore[no-untyped-def]
    """dbt's own account of the project, from the build on an empty landing."""
    return json.loads((empty_build.warehouse.parent / "target" / "manifest.json").read_text(encoding="utf-8"))


def read_without_comments(path: Path) -> str:
    """A model's SQL without its comments, which may name any function."""
    return re.sub(r"--.*", "", path.read_text(encoding="utf-8"))


def test_empty_landing_builds_with_every_unit_test(empty_build) -> None:  # type: ignore[no-untyped-def]
    assert empty_build.returncode == 0, empty_build.output
    results = json.loads((empty_build.warehouse.parent / "target" / "run_results.json").read_text(encoding="utf-8"))["results"]
    ran = [result["unique_id"] for result in results if result["unique_id"].startswith("unit_test.") and result["status"] == "pass"]
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in PROJECT.rglob("_*unit_tests.yml")]
    assert len(ran) == sum(len(file["unit_tests"]) for file in files) > 10


def test_empty_landing_gives_empty_marts_in_the_agreed_schemas(empty_build) -> None:  # type: ignore[no-untyped-def]
    with duckdb.connect(str(empty_build.warehouse), read_only=True) as connection:
        schemas = {row[0] for row in connection.execute("select distinct table_schema from information_schema.tables").fetchall()}
        marts = [row[0] for row in connection.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()]
        rows = {mart: connection.execute(f"select count(*) from marts.{mart}").fetchone()[0] for mart in marts}
    assert schemas == {"landing", "reference", "staging", "intermediate", "marts"}
    assert len(rows) >= 18
    # What is wanted and what is ruled is known before anything is delivered: these have a row per line of a reference list.
    listed = {
        "policy__target_forecasts",
        "policy__standard_priorities",
        "policy__tasks",
        "policy__forecast_backtests",
        "ets__benchmarks_by_year",
        "ets__rules_by_year",
    }
    assert {mart for mart, count in rows.items() if count} == listed


def test_every_staging_and_mart_column_takes_both_languages_from_the_dictionary(manifest: dict) -> None:
    blocks = {doc["block_contents"].strip(): doc["name"] for doc in manifest["docs"].values() if doc["package_name"] == "tanlian"}
    for model in manifest["nodes"].values():
        if model["resource_type"] != "model" or model["schema"] not in {"staging", "marts"}:
            continue
        assert model["columns"], model["name"]
        for column in model["columns"].values():
            description = column["description"].strip()
            assert blocks.get(description) == column["name"], f"{model['name']}.{column['name']}"
            chinese, english = description.split(" | ")
            assert re.search(r"[\u4e00-\u9fff]", chinese) and "：" in chinese, column["name"]
            assert not re.search(r"[\u4e00-\u9fff]", english) and ": " in english, column["name"]


def test_staging_yaml_lists_exactly_the_columns_that_are_built(manifest: dict, empty_build) -> None:  # type: ignore[no-untyped-def]
    with duckdb.connect(str(empty_build.warehouse), read_only=True) as connection:
        for model in manifest["nodes"].values():
            if model["resource_type"] == "model" and model["schema"] in {"staging", "marts"}:
                described = connection.execute(f"describe {model['schema']}.{model['name']}").fetchall()
                assert [row[0] for row in described] == list(model["columns"]), model["name"]


def test_every_mart_enforces_its_contract_and_keeps_money_out_of_binary_floats(manifest: dict) -> None:
    marts = [node for node in manifest["nodes"].values() if node["resource_type"] == "model" and node["schema"] == "marts"]
    assert len(marts) >= 6
    for mart in marts:
        assert mart["config"]["contract"]["enforced"], mart["name"]
        for column in mart["columns"].values():
            if re.search(r"(?<!_per_million)_cny(_per_t|_per_declared_unit)?$", column["name"]) or (
                mart["name"].startswith("ets__") and column["name"] == "volume_t"
            ):
                assert column["data_type"].startswith("decimal"), f"{mart['name']}.{column['name']}"


def test_models_call_no_duckdb_function_outside_a_dispatching_macro() -> None:
    models = list((PROJECT / "models").rglob("*.sql"))
    assert len(models) > 20
    found = {path.name: match.group(0) for path in models if (match := DUCKDB_ONLY.search(read_without_comments(path)))}
    assert found == {}


def test_every_dispatching_macro_has_a_spark_variant() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT / "macros").glob("*.sql"))
    dispatched = set(re.findall(r"adapter\.dispatch\('(\w+)'\)", text))
    assert dispatched
    for name in dispatched:
        assert f"macro default__{name}(" in text and f"macro spark__{name}(" in text, name
