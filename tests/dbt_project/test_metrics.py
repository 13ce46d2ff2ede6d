"""Metrics are defined once: what MetricFlow answers from their definitions is what the marts say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

METRICS = Path(__file__).resolve().parents[2] / "dbt_project" / "models" / "marts" / "_metrics.yml"
CELL = ["disclosure__product_code", "disclosure__boundary", "disclosure__gwp_set", "metric_time__year"]
# Metrics and groups, and the mart's own figures in the same order of columns.
QUESTIONS: dict[str, tuple[list[str], list[str], str]] = {
    "country": (
        ["weighted_mean_kg_co2e", "declared_total_t_co2e", "verified_share", "disclosures_in_force"],
        CELL,
        "select product_code, boundary, gwp_set, make_date(reporting_year, 1, 1), weighted_mean_kg_co2e, total_t_co2e, verified_share,"
        " disclosure_count from marts.footprint__sectors_by_year where province_code = '000000'",
    ),
    "province": (
        ["weighted_mean_kg_co2e", "disclosures_in_force"],
        [*CELL[:3], "disclosure__province_code", CELL[3]],
        "select product_code, boundary, gwp_set, province_code, make_date(reporting_year, 1, 1), weighted_mean_kg_co2e, disclosure_count"
        " from marts.footprint__sectors_by_year where province_code <> '000000'",
    ),
    "price": (
        ["average_price_cny_per_t", "traded_volume", "turnover"],
        ["trading_day__market", "trading_day__instrument", "metric_time__year"],
        "select market, instrument, make_date(year, 1, 1), vwap_cny_per_t, volume_t, turnover_cny from marts.ets__prices_by_year",
    ),
    "bank": (
        ["outstanding", "eligible_share", "financed_emissions_t_co2e"],
        ["borrower_day__bank_id", "metric_time__day"],
        "select bank_id, as_of, outstanding_cny, eligible_share, financed_t_co2e from marts.finance__portfolios",
    ),
}


class Reader:
    """What MetricFlow needs to know of an engine to write SQL; the SQL is run by the test."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()

    def render_bind_parameter_key(self, key: str) -> str:
        return f"${key}"


@pytest.fixture(scope="module")
def engine(world_builds: Callable[..., Any]) -> MetricFlowEngine:
    written = world_builds(2).warehouse.parent / "target" / "semantic_manifest.json"
    manifest = parse_manifest_from_dbt_generated_manifest(written.read_text(encoding="utf-8"))
    return MetricFlowEngine(SemanticManifestLookup(manifest), Reader())  # type: ignore[arg-type]


@pytest.mark.parametrize("question", sorted(QUESTIONS))
def test_metricflow_answers_what_the_mart_says(engine: MetricFlowEngine, world_builds: Callable[..., Any], question: str) -> None:
    metrics, groups, mart = QUESTIONS[question]
    sql = engine.explain(MetricFlowQueryRequest.create(metric_names=metrics, group_by_names=groups)).sql_statement.sql
    names = ", ".join([*groups, *metrics])
    with duckdb.connect(str(world_builds(2).warehouse), read_only=True) as connection:
        told = connection.execute(f"select {names} from ({sql})").fetchall()
        # Whoever has no province stands in no province.
        answers = {row[: len(groups)]: row[len(groups) :] for row in told if None not in row[: len(groups)]}
        expected = {row[: len(groups)]: row[len(groups) :] for row in connection.execute(mart).fetchall()}
    answers = {tuple(getattr(part, "date", lambda part=part: part)() for part in key): row for key, row in answers.items()}
    assert set(answers) == set(expected) and len(expected) > 10
    for key, row in expected.items():
        for figure, answer in zip(row, answers[key], strict=True):
            assert (figure is None and answer is None) or float(answer) == pytest.approx(float(figure), rel=1e-9), (key, row, answers[key])


def test_every_metric_is_labelled_in_both_languages_and_asked_for_or_part_of_one() -> None:
    declared = yaml.safe_load(METRICS.read_text(encoding="utf-8"))["metrics"]
    assert len(declared) > 10
    for metric in declared:
        for text in (metric["label"], metric["description"]):
            chinese, english = text.split(" | ")
            assert re.search("[一-鿿]", chinese) and not re.search("[一-鿿]", english)
    asked = {name for metrics, _, _ in QUESTIONS.values() for name in metrics}
    parts = {metric["type_params"][side] for metric in declared if metric["type"] == "ratio" for side in ("numerator", "denominator")}
    assert {metric["name"] for metric in declared} == asked | parts
