"""docs/reliability.md claims no more than tests show: every promise stands once, and every test it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

STATES = {"kept", "partly", "not yet"}


def name_tests(path: Path) -> set[str]:
    """Names of the tests that a file defines."""
    if not path.is_file():
        return set()
    functions = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)]
    return {node.name for node in functions if node.name.startswith("test_")}


def read_rows(page: str) -> list[list[str]]:
    """Cells of the table's rows: number, promise in both languages, state, tests, what is missing."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if re.match(r"\| R\d+ \|", line)]


def find_faults(page: str, root: Path) -> list[str]:
    """What the page claims and cannot show."""
    faults = []
    rows = read_rows(page)
    if [row[0] for row in rows] != [f"R{number}" for number in range(1, 25)]:
        faults.append("R1 to R24 stand once each, in order")
    for number, _, _, state, shown, missing in rows:
        named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", shown)
        if state not in STATES or (state == "not yet") == bool(named) or (state == "kept") == bool(missing.strip()):
            faults.append(f"{number}: {state} does not fit what is shown and missing")
        faults += [
            f"{number}: no {path}::{name}"
            for path, name in re.findall(r"`(tests/[\w/.]+)::(\w+)`", shown + missing)
            if name not in name_tests(root / path)
        ]
    return faults


def test_finder_finds_planted_claims(root: Path) -> None:
    rows = [f"| R{number} | 承诺 | promise | not yet | | no test |" for number in range(1, 25)]
    assert find_faults("\n".join(rows), root) == []
    assert find_faults("\n".join(rows[:-1]), root)
    here = "tests/house/test_promises.py"
    claims = {
        "| R3 | 承诺 | promise | kept | | |": "kept does not fit",
        f"| R3 | 承诺 | promise | kept | `{here}::test_finder_finds_planted_claims` | much |": "kept does not fit",
        f"| R3 | 承诺 | promise | partly | `{here}::test_that_nobody_wrote` | much |": "no tests/house",
        "| R3 | 承诺 | promise | surely | | |": "surely does not fit",
    }
    for claim, fault in claims.items():
        assert any(fault in found for found in find_faults("\n".join([*rows[:2], claim, *rows[3:]]), root)), claim
    shown = f"| R3 | 承诺 | promise | kept | `{here}::test_finder_finds_planted_claims` |  |"
    assert find_faults("\n".join([*rows[:2], shown, *rows[3:]]), root) == []


def test_every_claim_of_the_reliability_page_is_shown_by_a_test(root: Path) -> None:
    assert find_faults((root / "docs/reliability.md").read_text(encoding="utf-8"), root) == []
