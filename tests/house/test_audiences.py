"""Every mart is decided for every kind of audience, in or out, with a reason in both languages; nothing is decided that is not there."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import duckdb
import yaml

from warehouse.audience import Choice, Policy, read_policy
from warehouse.borrower_changes import TABLE, compare_borrowers
from warehouse.facts import own_tables
from warehouse.ledger import Ledger
from warehouse.own_tables import read_own_tables
from warehouse.settings import Settings

CHINESE = re.compile("[一-鿿]")
OWN_TABLES = {
    *("release__summary", "release__sources", "release__waivers", "release__repairs"),
    *("release__borrower_changes", "release__gates", "release__quarantined_rules"),
}


def find_undecided(policy: Policy, marts: set[str]) -> list[str]:
    """Marts that no choice was made for, and choices for marts that there are not."""
    kinds = [kind.name for kind in policy.kinds.values() if not kind.takes_all]
    open_ones = [f"{mart}: undecided for {kind}" for mart in sorted(marts) for kind in kinds if policy.choice(kind, mart) is None]
    return open_ones + [f"{mart}: no such mart" for mart in sorted(set(policy.marts) - marts)]


def reason_fault(reason: dict[str, str]) -> bool:
    return not CHINESE.search(reason["zh"]) or bool(CHINESE.search(reason["en"])) or len(reason["en"].split()) < 3


def test_finders_find_planted_offences() -> None:
    policy = read_policy()
    marts = set(policy.marts)
    assert find_undecided(policy, marts) == []
    assert find_undecided(policy, marts | {"ets__new"}) == [f"ets__new: undecided for {kind}" for kind in ("public", "bank", "region")]
    assert find_undecided(policy, marts - {"ets__prices_by_day"}) == ["ets__prices_by_day: no such mart"]
    assert reason_fault({"zh": "because", "en": "because of this"}) and reason_fault({"zh": "因为", "en": "因为 of this"})
    assert not reason_fault({"zh": "因为", "en": "because of this"})


def test_every_mart_is_decided_for_every_audience(root: Path) -> None:
    files = (root / "dbt_project/models/marts").rglob("_*.yml")
    models = [model["name"] for path in files for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])]
    assert len(models) >= 19
    assert find_undecided(read_policy(), set(models) | OWN_TABLES) == []


def test_every_table_of_the_release_is_described_column_by_column(tmp_path: Path) -> None:
    """What the release makes and what is said of it are the same tables and columns; `label: meaning` in both languages."""
    moment = datetime(2026, 10, 31)
    manifest = dict.fromkeys(("release_id", "parent_release_id", "code_version")) | {
        "as_of": moment.isoformat(), "rule_date": "2026-10-31", "published_at": moment.isoformat(), "gates": [], "deliveries": [], "waivers": [],
    }  # fmt: skip
    ledger = Ledger(tmp_path / "ledger.sqlite")
    made = own_tables(Settings(tmp_path), ledger, manifest, moment) | {TABLE: compare_borrowers(tmp_path / "none", None)}
    ledger.close()
    with duckdb.connect() as con:
        columns = {name: [row[0] for row in con.execute(f"describe {query}").fetchall()] for name, query in made.items()}
    described = read_own_tables()
    assert {name: set(found) for name, found in columns.items()} == {name: set(table.columns) for name, table in described.items()}
    assert set(described) == OWN_TABLES
    assert not [name for name, table in described.items() if reason_fault(table.text.as_dict())]
    texts = {(name, column): entry.text for name, table in described.items() for column, entry in table.columns.items()}
    assert not [place for place, text in texts.items() if "：" not in text.zh or ": " not in text.en or CHINESE.search(text.en)]


def test_every_choice_says_why_in_both_languages() -> None:
    policy = read_policy()
    choices: dict[tuple[str, str], Choice] = {
        (mart, kind): choice for mart, found in policy.marts.items() for kind, choice in found.items()
    }
    assert len(choices) >= 66
    assert not [place for place, choice in choices.items() if reason_fault(choice.reason)]
    assert not [kind.name for kind in policy.kinds.values() if reason_fault(kind.reason)]
    assert [kind.name for kind in policy.kinds.values() if kind.takes_all] == ["ministry"]
    assert not [place for place, choice in choices.items() if not choice.included and (choice.where or choice.replace)]
