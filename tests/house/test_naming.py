"""The grammar of names in the dbt project, and one bilingual block for every column (house style, section 6)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

INSTRUMENTS = ("ets", "ccer", "eia", "finance", "policy", "footprint")
STAGING = re.compile(r"stg_[a-z_]+")
INTERMEDIATE = re.compile(rf"int_({'|'.join(INSTRUMENTS)})__[a-z_]+_[a-z]+ed")
MART = re.compile(rf"({'|'.join(INSTRUMENTS)})__[a-z_]+?(_by_(day|month|quarter|year)(_public)?)?")
SINGULAR = re.compile(r"assert_[a-z]+(_[a-z0-9]+){2,}")

UNITS = (
    "kg_co2e",
    "t_co2e",
    "cny_per_t",
    "cny",
    "t",
    "mwh",
    "pct",
    "kg_co2e_per_unit",
    "t_co2e_per_unit",
    "cny_per_declared_unit",
    "t_co2e_per_million_cny",
)
WITHOUT_UNIT = ("share", "ratio", "count", "rank", "score", "year")
NUMBER = re.compile(rf"(?:[a-z0-9_]+_)?(?:{'|'.join(WITHOUT_UNIT)})|[a-z0-9_]+_(?:{'|'.join(UNITS)})")
# Names that methods.md fixes as the interface, though they carry no suffix; nothing else may join them without a reason.
NUMBERS_BY_NAME = {
    "revision": "the sender's number, an ordinal",
    "output_quantity": "in the declared unit, which stands beside it in the row",
    "facility_output_quantity": "in the output unit, which stands beside it in the row",
    "supplier_depth": "levels of suppliers",
    "data_quality_rating": "1 best to 5",
    "tier": "1 to 4, an ordinal",
    "log_return": "dimensionless by definition",
    "volatility_30d": "dimensionless, of 30 days, yearly",
    "attribution": "PCAF's own word, 0 to 1",
    "best_tier": "1 to 4, an ordinal",
    "value": "counts what the indicator names, methods.md M11",
    "target_value": "as value",
    "gap": "as value",
    "needed_per_month": "as value, a month",
    "months_left": "whole calendar months",
    "expected_value": "as value",
    "low_value": "as value",
    "high_value": "as value",
    "probability": "0 to 1",
    "line_no": "the sender's number, an ordinal",
    "path_depth": "levels of suppliers",
    "actual_value": "as value",
    "milestone_value": "as value",
    "task_no": "the plan's number, an ordinal",
}
DATES_BY_NAME = {"trade_date": "the exchange's own word", "month": "methods.md M11", "as_of": "the knowledge clock"}


def name_fault(column: str, kind: str) -> str | None:
    """What is wrong with a column's name, given its SQL type."""
    kind = kind.lower()
    if kind == "boolean":
        return None if re.match(r"(is|has)_", column) else "a boolean begins with is_ or has_"
    if kind == "date":
        return None if column.endswith("_on") or column in DATES_BY_NAME else "a day ends in _on"
    if kind.startswith("timestamp"):
        return None if column.endswith("_at") or column in DATES_BY_NAME else "an instant ends in _at"
    if kind == "varchar":
        return "a number's suffix on a text" if NUMBER.fullmatch(column) else None
    return None if NUMBER.fullmatch(column) or column in NUMBERS_BY_NAME else "a number carries its unit, or says that it has none"


def plural(noun: str) -> str:
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"


def dictionary_blocks(text: str) -> dict[str, str]:
    return {name: body.strip() for name, body in re.findall(r"{% docs (\w+) %}\n(.*?)\n{% enddocs %}", text, re.DOTALL)}


def block_fault(body: str) -> str | None:
    """What is wrong with a dictionary block: it holds `标题：… | Label: …`."""
    chinese, bar, english = body.partition(" | ")
    if not bar or not re.search("[一-鿿]", chinese) or not english or re.search("[一-鿿]", english):
        return "needs both languages, zh | en"
    return None if "：" in chinese and ": " in english else "each language begins with a label and a colon"


@pytest.fixture(scope="module")
def models(root: Path) -> dict[str, dict[str, Any]]:
    """Model name -> its YAML, with the folder it stands in."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((root / "dbt_project/models").rglob("_*.yml")):
        for model in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("models", []):
            found[model["name"]] = model | {"folder": path.parent.relative_to(root / "dbt_project/models")}
    assert len(found) > 15, "a check must fail on nothing"
    return found


@pytest.fixture(scope="module")
def dictionary(root: Path) -> dict[str, str]:
    blocks = dictionary_blocks((root / "dbt_project/models/dictionary.md").read_text(encoding="utf-8"))
    assert len(blocks) > 50
    return blocks


def marts(models: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: model for name, model in models.items() if model["folder"].parts[0] == "marts"}


def test_finders_find_planted_offences() -> None:
    assert name_fault("price", "double") and name_fault("volume", "decimal(38,8)") and name_fault("verified", "boolean")
    assert name_fault("approved", "date") and name_fault("submitted", "timestamp") and name_fault("close_cny", "varchar")
    assert not any(
        name_fault(*pair) for pair in [("close_cny_per_t", "double"), ("is_carried", "boolean"), ("year", "integer"), ("market", "varchar")]
    )
    assert not MART.fullmatch("footprint_sectors") and not MART.fullmatch("steel__tiers") and MART.fullmatch("footprint__sectors_by_year")
    assert not INTERMEDIATE.fullmatch("int_ets__price") and INTERMEDIATE.fullmatch("int_ets__days_filled")
    assert not SINGULAR.fullmatch("check_totals") and not SINGULAR.fullmatch("assert_totals")
    assert block_fault("只有中文：没有英文") and block_fault("English: only | English: only") and block_fault("没有标题 | no label")
    assert block_fault("收盘价：挂牌 | Close: listed") is None


def test_every_model_has_its_yaml_and_a_name_of_the_grammar(root: Path, models: dict[str, dict[str, Any]]) -> None:
    folder = root / "dbt_project/models"
    files = {path.stem: path.parent.relative_to(folder) for suffix in ("sql", "py") for path in folder.rglob(f"*.{suffix}")}
    assert files == {name: model["folder"] for name, model in models.items()}
    grammar = {"staging": STAGING, "intermediate": INTERMEDIATE, "marts": MART}
    assert not [name for name, folder in files.items() if not grammar[folder.parts[0]].fullmatch(name)]
    spoken = {name: re.sub("^int_", "", name).split("__")[0] for name, folder in files.items() if folder.parts[0] != "staging"}
    assert not [name for name, instrument in spoken.items() if files[name].name != instrument], "a model stands in its instrument's folder"


def test_every_source_has_one_staging_model_named_after_it(root: Path, models: dict[str, dict[str, Any]]) -> None:
    sources = [path.parent.name for path in sorted((root / "ingest/sources").glob("*/contract.yaml"))]
    staging = {name for name, model in models.items() if model["folder"].parts[0] == "staging"}
    assert staging == {f"stg_{plural(source)}" for source in sources}


def test_columns_of_marts_carry_their_unit(models: dict[str, dict[str, Any]]) -> None:
    faults = {
        f"{name}.{column['name']}": fault
        for name, mart in marts(models).items()
        for column in mart["columns"]
        if (fault := name_fault(column["name"], column["data_type"]))
    }
    assert not faults


def test_exceptions_to_the_grammar_are_all_in_use(models: dict[str, dict[str, Any]]) -> None:
    used = {column["name"] for mart in marts(models).values() for column in mart["columns"]}
    assert set(NUMBERS_BY_NAME) <= used


def test_one_name_has_one_type_in_all_marts(models: dict[str, dict[str, Any]]) -> None:
    kinds: dict[str, set[str]] = {}
    for mart in marts(models).values():
        for column in mart["columns"]:
            kinds.setdefault(column["name"], set()).add(column["data_type"].lower())
    assert not {name: found for name, found in kinds.items() if len(found) > 1}


def test_every_column_takes_its_description_from_one_bilingual_block(models: dict[str, dict[str, Any]], dictionary: dict[str, str]) -> None:
    described = [
        (name, column["name"], column.get("description", ""))
        for name, model in models.items()
        if model["folder"].parts[0] in {"staging", "marts"}
        for column in model["columns"]
    ]
    assert len(described) > 100
    assert not [item for item in described if item[2].strip() != f"{{{{ doc('{item[1]}') }}}}"]
    assert not [item for item in described if item[1] not in dictionary]
    assert not {name: fault for name, body in dictionary.items() if (fault := block_fault(body))}


def test_dictionary_describes_nothing_that_is_not_there(models: dict[str, dict[str, Any]], dictionary: dict[str, str], root: Path) -> None:
    landed = (root / "dbt_project/models/staging/_sources.yml").read_text(encoding="utf-8")
    used = {column["name"] for model in models.values() for column in model.get("columns", [])} | set(re.findall(r"doc\('(\w+)'\)", landed))
    assert not set(dictionary) - used


def test_singular_tests_are_sentences_and_pytest_names_a_behaviour(root: Path, tracked: list[Path]) -> None:
    singular = [path.stem for path in (root / "dbt_project/tests").glob("*.sql")]
    assert singular and not [name for name in singular if not SINGULAR.fullmatch(name)]
    tests = [path for path in tracked if path.parts[0] == "tests" and path.name.startswith("test_") and path.suffix == ".py"]
    named = [
        (str(path), name)
        for path in tests
        for name in re.findall(r"^\s*def (test_\w*)", (root / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(named) > 50
    assert not [item for item in named if len(item[1].split("_")) < 3]
