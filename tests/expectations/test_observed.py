"""What a check saw is told in Chinese, too: every phrase that a query on deliveries writes is known to the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from expectations.observed import speak_observed

EXPECTATIONS = Path(__file__).parents[2] / "expectations"
# A phrase of a query: a literal beside `||`. Places are filled as the query would fill them.
PHRASE = re.compile(r"'([^']*)' \|\||\|\| '([^']*)'")
WORD = re.compile(r"[a-z]{3,}")


@pytest.mark.parametrize(
    ("observed", "told"),
    [
        (
            "14 of 20 broken: 14 of 20 enterprises in both deliveries changed province",
            "20 处中 14 处不符: 两次交付共有的 20 家企业中 14 家换了省份",
        ),
        ("3 of 3 broken: median ratio to the last delivery 1000.0 over 40", "3 处中 3 处不符: 与上次交付之比的中位数 1000.0，共 40 对"),
        ("nothing to examine", "没有可查的"),
        ("1 of 1 broken: newest 2026-01-01, received 2026-10-01", "1 处中 1 处不符: 最新 2026-01-01，收到于 2026-10-01"),
        ("something that nobody has foreseen", "something that nobody has foreseen"),
    ],
)
def test_observation_is_told_in_the_language_and_never_lost(observed: str, told: str) -> None:
    assert speak_observed(observed, "zh") == told
    assert speak_observed(observed, "en") == observed


def test_every_phrase_of_the_queries_on_deliveries_is_known() -> None:
    unknown = []
    for path in [*sorted((EXPECTATIONS / "landing").glob("*.py")), EXPECTATIONS / "drift.py", EXPECTATIONS / "structure.py"]:
        for line in path.read_text(encoding="utf-8").splitlines():
            literals = ["".join(found) for found in PHRASE.findall(re.sub(r"\{[^}]*\}", "7", line))]
            if any(WORD.search(literal) for literal in literals):
                said = re.sub(r"' \|\| [^|']*(?:\|\| ')?", "7", "".join(f"{literal}' || x || '" for literal in literals))
                left = WORD.findall(speak_observed(f"7{said}7", "zh"))
                unknown += [(path.name, line.strip(), left)] if left else []
    assert unknown == []
