"""Facts carry where they come from; contracts explain every refusal; what is generated is fresh; nothing foreign is kept here."""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path

import pytest

from ingest.contract import Contract, read_contracts
from warehouse.generated import generated_files, stale_files, write_files

CHINESE = re.compile("[一-鿿]")
FEW_BYTES = 200


def uncited_rows(path: Path) -> list[int]:
    """Line numbers of a CSV's rows without a citation; all of them where there is no such column."""
    with path.open(encoding="utf-8", newline="") as file:
        return [number for number, row in enumerate(csv.DictReader(file), start=2) if not (row.get("citation") or "").strip()]


def find_copies(root: Path, tracked: list[Path], foreign: Path) -> list[str]:
    """Files of the project whose bytes are those of a file below `foreign`; only sizes that meet are read.

    A bare header line is the interface, nobody's data, so files of a few bytes do not count.
    """
    sizes: dict[int, list[Path]] = {}
    for path in foreign.rglob("*"):
        if path.is_file() and path.stat().st_size > FEW_BYTES:
            sizes.setdefault(path.stat().st_size, []).append(path)

    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    alike = [(path, sizes[(root / path).stat().st_size]) for path in tracked if (root / path).stat().st_size in sizes]
    return [f"{path} = {twin.name}" for path, twins in alike for twin in twins if digest(root / path) == digest(twin)]


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    found = read_contracts()
    assert len(found) >= 5
    return found


def test_finders_find_planted_offences(tmp_path: Path, contracts: dict[str, Contract]) -> None:
    (tmp_path / "a.csv").write_text("code,citation\nx,here\ny,\n" + "z,there\n" * 30, encoding="utf-8")
    (tmp_path / "b.csv").write_text("code\nx\n", encoding="utf-8")
    assert uncited_rows(tmp_path / "a.csv") == [3] and uncited_rows(tmp_path / "b.csv") == [2]
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "original.csv").write_bytes((tmp_path / "a.csv").read_bytes())
    assert find_copies(tmp_path, [Path("a.csv"), Path("b.csv")], foreign) == ["a.csv = original.csv"]
    files = {tmp_path / "pages" / path.name: text for path, text in generated_files(contracts).items()}
    assert stale_files(files) == list(files)
    write_files(files)
    assert stale_files(files) == []
    next(iter(files)).write_text("edited by hand", encoding="utf-8")
    assert stale_files(files) == [next(iter(files))]


def test_generated_files_are_fresh(contracts: dict[str, Contract]) -> None:
    assert [path.name for path in stale_files(generated_files(contracts))] == [], "run tanlian contracts"


def test_every_fact_carries_its_citation(root: Path) -> None:
    tables = sorted((root / "dbt_project/seeds").rglob("*.csv"))
    assert len(tables) >= 14
    assert not {path.name: rows for path in tables if (rows := uncited_rows(path))}


def test_contracts_explain_every_rule_in_both_languages(contracts: dict[str, Contract]) -> None:
    sentences = [(rule.code, text) for contract in contracts.values() for rule in contract.rules for text in (rule.message, rule.reason)]
    assert len(sentences) > 40
    assert not [code for code, text in sentences if not CHINESE.search(text.zh) or CHINESE.search(text.en) or not text.en.strip()]
    titled = [(contract.source, column) for contract in contracts.values() for column in contract.columns]
    assert not [
        f"{source}.{column.name}" for source, column in titled if not CHINESE.search(column.title.zh) or CHINESE.search(column.title.en)
    ]


def test_amounts_of_money_and_allowances_are_decimal(contracts: dict[str, Contract]) -> None:
    columns = [(contract.source, column) for contract in contracts.values() for column in contract.columns]
    money = [(source, column) for source, column in columns if re.search(r"(_cny|_cny_per_t|volume_t)$", column.name)]
    assert len(money) >= 7
    assert not [f"{source}.{column.name}" for source, column in money if column.type != "decimal"]


@pytest.mark.parametrize("folder", ["data", "acceptance"])
def test_no_foreign_data_is_kept_in_the_project(folder: str, root: Path, tracked: list[Path]) -> None:
    foreign = root.parent / "shared" / folder
    if not foreign.is_dir():
        pytest.skip(f"{foreign} is not here: nothing to compare with")
    assert not find_copies(root, tracked, foreign)
