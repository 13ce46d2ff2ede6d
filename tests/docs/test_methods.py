"""The worked numbers of the method pages: every equation holds, and what a page traces is what its dbt unit test expects."""

from __future__ import annotations

import ast
import operator
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
METHODS = ROOT / "docs" / "methods"
# Page -> figures of its last equations that the named unit test must expect, by column.
TRACED: dict[str, tuple[str, dict[str, float]]] = {
    "ets": ("test_allocation_plans_give_what_their_formulas_say", {"benchmark_allocation_t_co2e": 501500, "obligation_t_co2e": 641500, "offset_cap_t_co2e": 32075}),
    "ccer": ("test_events_carry_the_balance_before_and_after_them", {"balance_before_t_co2e": 70, "balance_after_t_co2e": 30}),
    "eia": ("test_biases_are_shown_from_the_set_count_of_outcomes_on", {"mean_gap_ratio": 0.25, "project_count": 4, "outcome_count": 3}),
    "finance": ("test_financed_emissions_are_the_attributed_part", {"financed_t_co2e": 500, "intensity_t_co2e_per_million_cny": 500}),
}  # fmt: skip
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def work_out(node: ast.AST) -> Decimal:
    """Value of an arithmetic expression; anything but numbers and the four operations is an error."""
    if isinstance(node, ast.Expression):
        return work_out(node.body)
    if isinstance(node, ast.Constant):
        return Decimal(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -work_out(node.operand)
    if isinstance(node, ast.BinOp):
        value: Decimal = OPERATORS[type(node.op)](work_out(node.left), work_out(node.right))
        return value
    raise ValueError(ast.dump(node))


def read_equations(page: str) -> list[tuple[str, str]]:
    text = (METHODS / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    lines = [line.partition(" = ") for block in blocks for line in block.splitlines()]
    return [(left, right) for left, _, right in lines]


def find_wrong(equations: list[tuple[str, str]]) -> list[str]:
    return [
        f"{left} = {right}"
        for left, right in equations
        if abs(work_out(ast.parse(left.replace("×", "*").replace("÷", "/"), mode="eval")) - Decimal(right)) > Decimal("1e-20")
    ]


def read_unit_tests() -> dict[str, list[dict[str, Any]]]:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "dbt_project/models").rglob("_*unit_tests.yml")]
    return {test["name"]: test["expect"]["rows"] for file in files for test in file["unit_tests"]}


def test_finder_finds_a_wrong_equation() -> None:
    assert find_wrong([("2 × 3", "6"), ("2 ÷ 4 - 1", "-0.5"), ("1 + 1", "3")]) == ["1 + 1 = 3"]


@pytest.mark.parametrize("page", sorted(TRACED))
def test_worked_number_is_right_and_is_what_the_unit_test_expects(page: str) -> None:
    equations = read_equations(page)
    assert len(equations) >= 3
    assert find_wrong(equations) == []
    name, figures = TRACED[page]
    assert f"`{name}`" in (METHODS / f"{page}.md").read_text(encoding="utf-8")
    results = {Decimal(right) for _, right in equations} | {
        work_out(ast.parse(left.split(" ")[0].strip("("), mode="eval")) for left, _ in equations
    }
    rows = read_unit_tests()[name]
    assert any(all(row.get(column) == value for column, value in figures.items()) for row in rows)
    assert {Decimal(str(value)) for column, value in figures.items() if not column.endswith("_count")} <= results


@pytest.mark.parametrize("page", sorted(TRACED))
def test_page_names_every_mart_of_its_instrument_and_no_other(page: str) -> None:
    text = (METHODS / f"{page}.md").read_text(encoding="utf-8")
    marts = {path.stem for path in (ROOT / "dbt_project/models/marts" / page).glob("*.sql")}
    assert len(marts) >= 3
    assert {name for name in re.findall(rf"`({page}__\w+)`", text)} == marts
