"""Examples of the pages name readers that the demonstration has: who types one there gets a file, not a refusal."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from warehouse.demonstration.country import draw_country
from warehouse.demonstration.instruments.lending import name_banks

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").glob("*.md"))]
# A report's name, or the beginning of a reader's, and whose code then follows.
KINDS = {"pilot-region": "region", "bank-pack": "bank", "enterprise-card": "enterprise"}
NAMED = re.compile(
    r"(pilot-region|bank-pack|enterprise-card)\s+--for ([\w:.-]+)|(?:--for|--audience) (bank|region|enterprise)_([\w:.-]+)|--bank ([\w:.-]+)"
)


@pytest.fixture(scope="module")
def members() -> dict[str, set[str]]:
    """Who has a file of the demonstration as `tanlian demo` makes it, by kind: what the release's policy asks of it."""
    country = draw_country(400, 20240522, None)
    disclosing = country.enterprise_ids.take(country.base.enterprise).to_pylist()
    with (ROOT / "dbt_project/seeds/reference/pilot_region.csv").open(encoding="utf-8", newline="") as stream:
        regions = {row["province_code"] for row in csv.DictReader(stream)}
    return {"region": regions, "bank": set(name_banks().tolist()), "enterprise": set(disclosing)}


def named_readers(text: str) -> list[tuple[str, str]]:
    """Kind and code of every reader that examples name."""
    found = []
    for report, code, kind, member, bank in NAMED.findall(text):
        if bank:
            found.append(("bank", bank))
        elif report:
            found.append((KINDS[report], code))
        else:
            found.append((kind, member))
    return [(kind, code) for kind, code in found if len(code) > 1]  # a letter stands for any


def test_readers_of_the_examples_are_those_of_the_demonstration(members: dict[str, set[str]]) -> None:
    named = {(page.name, kind, code) for page in PAGES for kind, code in named_readers(page.read_text(encoding="utf-8"))}
    assert {kind for _, kind, _ in named} == {"region", "bank", "enterprise"}
    assert {page for page, *_ in named} >= {"README.md", "README.zh.md", "exchange.md", "custody.md"}
    assert [(page, kind, code) for page, kind, code in named if code not in members[kind]] == []


def test_world_and_arguments_are_those_of_the_command() -> None:
    """The world above is the one that the commands make when nothing is said."""
    import inspect

    from warehouse.cli import demo, run
    from warehouse.demonstration.world import make_world

    assert inspect.signature(make_world).parameters["seed"].default == 20240522
    assert {inspect.signature(verb).parameters["enterprises"].default for verb in (demo, run)} == {400}


@pytest.mark.parametrize("page", PAGES[:2], ids=lambda page: page.name)
def test_figures_that_a_row_moves_add_up_in_the_readmes(page: Path) -> None:
    """The list under `explain --reverse` leaves no mart out: its counts are the number above them."""
    shown = page.read_text(encoding="utf-8").partition("$ tanlian explain --reverse")[2].partition("```")[0]
    total = int(re.findall(r"\d+", shown.split("\n")[1].replace("20260630_product_footprint_2025.csv", ""))[-1])
    counts = re.findall(r"^[├└]── \w+(?:: |：)(\d+)", shown, re.MULTILINE)
    assert len(counts) > 5 and sum(map(int, counts)) == total
