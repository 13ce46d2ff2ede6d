"""Which column a header names: names and aliases, in either language and script, each once."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from opencc import OpenCC

from ingest.contract import Contract, read_contracts
from ingest.faults import FileRefused
from ingest.headers import match_headers

CONTRACTS = read_contracts()
SHARED = Path(__file__).parents[2].parent / "shared"


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_every_name_and_alias_finds_its_column_in_every_dress(contract: Contract) -> None:
    to_traditional = OpenCC("s2t")
    required = list(contract.required_names)
    for column in contract.columns:
        others = [name for name in required if name != column.name]
        for alias in (column.name, *column.aliases):
            for dress in (alias, f" {alias}　", "\ufeff" + alias, alias.upper(), to_traditional.convert(alias)):
                found = match_headers(contract, [*others, dress, "填报人"])
                assert found.columns[column.name] == len(others), dress
                assert found.unknown == {len(others) + 1: "填报人"}


def test_the_shared_alias_list_is_accepted() -> None:
    path = SHARED / "header_aliases.csv"
    if not path.is_file():
        pytest.skip(f"the alias list is not here: {path}")
    with path.open(encoding="utf-8", newline="") as file:
        shared = [(row["column"], row["alias"]) for row in csv.DictReader(file)]
    missing = [
        (contract.source, name, alias)
        for contract in CONTRACTS.values()
        for name, alias in shared
        if name in contract.names and alias not in contract.column(name).aliases
    ]
    assert not missing


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_two_headers_for_one_column_are_refused(contract: Contract) -> None:
    names = list(contract.names)
    for again in (names[0], names[0].upper(), f" {names[0]}", contract.columns[0].aliases[0]):
        with pytest.raises(FileRefused) as refused:
            match_headers(contract, [*names, again])
        assert refused.value.code == "header_repeated"
    with pytest.raises(FileRefused):
        match_headers(contract, [*names, "备注", "备注"])


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_every_missing_required_column_is_named(contract: Contract) -> None:
    optional = [name for name in contract.names if name not in contract.required_names]
    with pytest.raises(FileRefused) as refused:
        match_headers(contract, [*optional, "x"])
    assert refused.value.code == "column_missing"
    for name in contract.required_names:
        assert name in refused.value.message.en
        assert contract.column(name).title.zh in refused.value.message.zh


def test_optional_columns_may_be_absent_and_blank_headers_are_kept_by_their_place() -> None:
    contract = next(iter(CONTRACTS.values()))
    found = match_headers(contract, [*contract.required_names, "", ""])
    assert set(found.columns) == set(contract.required_names)
    place = len(contract.required_names)
    assert list(found.unknown.values()) == [f"column_{place + 1}", f"column_{place + 2}"]


def test_folded_headers_are_counted() -> None:
    contract = next(iter(CONTRACTS.values()))
    names = [name.upper() if place == 0 else name for place, name in enumerate(contract.names)]
    assert match_headers(contract, names).folded == {"header_form": 1}
    alias = next(column.aliases[0] for column in contract.columns)
    traditional = OpenCC("s2t").convert(alias)
    assert traditional != alias
    assert match_headers(contract, [traditional, *contract.names[1:]]).folded == {"traditional_header": 1}
