"""Every source's fixtures, found by folder: good files land whole, a bad file yields exactly its fault on exactly its row.

A bad fixture is named `<code>[--<column or variant>…][.<part>].<ending>`. Its last row is the bad one; the last of its parts is the
delivery under test and those before it land whole. A code that refuses whole files lets nothing land.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from expectations.gate import Candidate, Gatekeeper
from ingest.contract import Contract, read_contracts
from ingest.faults import FileRefused
from ingest.landing import Prepared
from ingest.layout import read_layout

GATE_CODE = "too_many_bad_rows"  # decided after judging, by the landing gate
FILE_CODES = {"unreadable", "no_data_rows", "header_repeated", "column_missing", GATE_CODE}
REFUSED_CODE = "layout_refused"  # by the layouts that name a publication which is no record of their source
UNREADABLE = {
    "nul_bytes", "mixed_encodings", "ragged_rows", "open_quote", "replacement_character", "separator_change",
    "cut_gzip", "workbook", "broken_parquet", "no_bytes",
}  # fmt: skip
CHINESE = re.compile("[\u4e00-\u9fff]")

Shelf = Any


@dataclass(frozen=True)
class BadCase:
    """One fault: its code, what the rest of the name says, and its files in the order of delivery."""

    source: str
    name: str
    parts: tuple[Path, ...]

    @property
    def code(self) -> str:
        return self.name.split("--")[0]

    @property
    def details(self) -> tuple[str, ...]:
        return tuple(self.name.split("--")[1:])


def find_good(contract: Contract) -> list[Path]:
    return sorted((contract.folder / "fixtures" / "good").iterdir())


def find_bad(contract: Contract) -> list[BadCase]:
    def name(path: Path) -> str:
        return path.name.split(".")[0]

    paths = sorted((contract.folder / "fixtures" / "bad").iterdir())
    return [BadCase(contract.source, key, tuple(group)) for key, group in groupby(paths, name)]


def promises(contract: Contract) -> set[str]:
    """What a contract promises, each of which needs an input that breaks it. Column promises count once per kind (and type)."""
    found = (
        {"key_conflict"}
        | {rule.code for rule in contract.rules}
        | (FILE_CODES - {"unreadable"})
        | {f"unreadable {kind}" for kind in UNREADABLE}
    )
    found |= {REFUSED_CODE} if any(read_layout(path).refusal for path in contract.layouts) else set()
    for column in contract.columns:
        found |= {"required"} if column.required else set()
        found |= {f"type {column.type}"} if column.type != "text" else {"control_character"}
        found |= {"type pattern"} if column.pattern else set()
        found |= {"identifier_check"} if column.identifier else set()
        found |= {"enumeration values"} if column.values else set()
        found |= {"enumeration list"} if column.list else set()
        found |= {"enumeration not_allowed"} if column.not_allowed else set()
        found |= {"range minimum"} if column.minimum is not None else set()
        found |= {"range maximum"} if column.maximum is not None else set()
    return found


def kept_by(case: BadCase, contract: Contract, found: Prepared | None) -> str:
    """Which promise a bad fixture breaks, from its name and the value that was found."""
    if case.code == "unreadable":
        return f"unreadable {case.details[0]}"
    if case.code not in ("type", "enumeration", "range") or found is None:
        return case.code
    column = contract.column(case.details[0])
    value = found.faults[0]["value"]
    if case.code == "type":
        return f"type {'pattern' if column.type == 'text' else column.type}"
    if case.code == "enumeration":
        return f"enumeration {'not_allowed' if value in column.not_allowed else 'values' if column.values else 'list'}"
    return f"range {'minimum' if column.minimum is not None and float(value) < column.minimum else 'maximum'}"


CONTRACTS = read_contracts()


def share_worker(source: str) -> pytest.MarkDecorator:
    """One worker per source: the last word on its fixtures is said by what all of them were seen to do."""
    return pytest.mark.xdist_group(f"fixtures of {source}")


GOOD = [
    pytest.param(source, path, id=f"{source}/{path.name}", marks=share_worker(source))
    for source, contract in CONTRACTS.items()
    for path in find_good(contract)
]
BAD = [
    pytest.param(case, id=f"{source}/{case.name}", marks=share_worker(source))
    for source, contract in CONTRACTS.items()
    for case in find_bad(contract)
]
SOURCES = [pytest.param(source, marks=share_worker(source)) for source in CONTRACTS]


def assert_conserved(prepared: Prepared) -> None:
    counts = prepared.counts
    assert counts["received"] == counts["accepted"] + counts["duplicate"] + counts["quarantined"]
    assert pq.read_metadata(prepared.landing).num_rows == counts["accepted"]
    kept = pq.read_metadata(prepared.quarantine).num_rows if prepared.quarantine else 0
    assert kept == counts["quarantined"]


def assert_lands_whole(prepared: Prepared, rows: int) -> None:
    assert prepared.faults == []
    assert prepared.fault_counts == {}
    assert prepared.counts["quarantined"] == 0
    assert prepared.file_rows == rows > 0
    assert prepared.counts["received"] + sum(kind["count"] for kind in prepared.not_data) >= rows
    if prepared.layout is None:
        assert prepared.counts["received"] == rows
    assert_conserved(prepared)


def check_good(shelf: Shelf, source: str, path: Path, count: Callable[[Path], int]) -> list[dict[str, Any]]:
    """The file lands whole; the first of several that say the same, delivered again, changes nothing: every row is a duplicate."""
    shelf.deliver_referenced(source)
    first = shelf.deliver(source, path)
    assert_lands_whole(first, count(path))
    assert first.counts["accepted"] == first.counts["received"]
    if path == first_of_its_name(path):
        again = shelf.deliver(source, path)
        assert again.counts == first.counts | {"accepted": 0, "duplicate": first.counts["received"]}
    rows: list[dict[str, Any]] = pq.read_table(first.landing, columns=list(shelf.contracts[source].names)).to_pylist()
    return rows


def first_of_its_name(path: Path) -> Path:
    """Of `own_form.csv`, `own_form.tsv`, … the first."""
    return min(path.parent.glob(path.name.split(".")[0] + ".*"))


def check_refusal(shelf: Shelf, case: BadCase) -> None:
    if case.code == GATE_CODE:
        prepared = shelf.deliver(case.source, case.parts[-1])
        assert_conserved(prepared)
        contract = shelf.contracts[case.source]
        candidate = Candidate(contract, "f" * 64, case.parts[-1].name, prepared.landing, prepared.verdicts, prepared.counts, None)
        result = Gatekeeper(docs=None).judge_delivery(candidate)
        assert not result.success
        messages = [failure.message for failure in result.failures if failure.check == GATE_CODE and failure.severity == "critical"]
        assert len(messages) == 1
        message = messages[0]
    else:
        with pytest.raises(FileRefused) as refused:
            shelf.deliver(case.source, case.parts[-1])
        assert refused.value.code == case.code
        message = refused.value.message
    assert CHINESE.search(message.zh)
    assert message.en.strip() and message.en != message.zh


def check_bad(shelf: Shelf, case: BadCase, count: Callable[[Path], int]) -> Prepared | None:
    shelf.deliver_referenced(case.source)
    for earlier in case.parts[:-1]:
        assert_lands_whole(shelf.deliver(case.source, earlier), count(earlier))
    if case.code in FILE_CODES | {REFUSED_CODE}:
        check_refusal(shelf, case)
        return None
    path = case.parts[-1]
    rows = count(path)
    prepared = shelf.deliver(case.source, path)
    assert prepared.fault_counts == {case.code: 1}, prepared.faults
    assert_conserved(prepared)
    assert prepared.counts["received"] == rows
    assert prepared.counts["quarantined"] == 1
    assert prepared.counts["accepted"] + prepared.counts["duplicate"] == rows - 1
    (fault,) = prepared.faults
    assert (fault["row_number"], fault["code"]) == (rows, case.code)
    named = [detail for detail in case.details if detail in shelf.contracts[case.source].names]
    assert set(named) <= set(fault["column_name"].split(", "))
    assert CHINESE.search(fault["message_zh"]), fault
    assert fault["message_en"].strip() and not CHINESE.search(fault["message_en"])
    if fault["reason_zh"] or fault["reason_en"]:
        assert CHINESE.search(fault["reason_zh"]), fault
        assert fault["reason_en"].strip() and not CHINESE.search(fault["reason_en"])
    assert 1 / rows <= shelf.contracts[case.source].tolerance, "too few good rows beside the bad one"
    return prepared


LANDED: dict[Path, list[dict[str, Any]]] = {}
BROKEN: dict[str, set[str]] = {}


@pytest.mark.parametrize(("source", "path"), GOOD)
def test_good_fixture_lands_whole_and_again_changes_nothing(
    source: str, path: Path, shelf: Shelf, make_shelf: Callable[..., Shelf], count: Callable[[Path], int]
) -> None:
    """`own_form.*` is one table in every format; `odd_forms.csv` says in odd forms what `odd_forms.plain.csv` says plainly."""
    LANDED[path] = check_good(shelf, source, path, count)
    first = first_of_its_name(path)
    if first not in LANDED:
        LANDED[first] = check_good(make_shelf(), source, first, count)
    assert LANDED[path] == LANDED[first], f"lands otherwise than {first.name}"


@pytest.mark.parametrize("case", BAD)
def test_bad_fixture_yields_exactly_its_fault_on_its_last_row(case: BadCase, shelf: Shelf, count: Callable[[Path], int]) -> None:
    prepared = check_bad(shelf, case, count)
    BROKEN.setdefault(case.source, set()).add(kept_by(case, CONTRACTS[case.source], prepared))


@pytest.mark.parametrize("source", SOURCES)
def test_every_promise_of_a_contract_has_an_input_that_breaks_it(source: str, request: pytest.FixtureRequest) -> None:
    run = {item.callspec.id for item in request.session.items if item.name.startswith("test_bad_fixture") and hasattr(item, "callspec")}
    if {f"{source}/{case.name}" for case in find_bad(CONTRACTS[source])} - run:
        pytest.skip("only some of the bad fixtures were selected")
    assert promises(CONTRACTS[source]) - BROKEN.get(source, set()) == set()


@pytest.mark.parametrize("source", SOURCES)
def test_odd_forms_are_counted_by_kind_and_unknown_columns_are_kept(source: str, shelf: Shelf) -> None:
    shelf.deliver_referenced(source)
    prepared = shelf.deliver(source, CONTRACTS[source].folder / "fixtures" / "good" / "odd_forms.csv")
    assert prepared.normalised["white_space"] > 0
    assert prepared.normalised["full_width"] > 0
    assert prepared.normalised["traditional_header"] > 0
    assert prepared.unknown_columns
    extra = pq.read_table(prepared.landing, columns=["_extra"])["_extra"].to_pylist()
    assert all(header in cell for cell in extra for header in prepared.unknown_columns)


@pytest.mark.parametrize("source", SOURCES)
def test_every_layout_has_a_fixture_that_it_takes_or_refuses(source: str, make_shelf: Callable[..., Shelf]) -> None:
    contract = CONTRACTS[source]
    for layout in contract.layouts:
        refusal = read_layout(layout).refusal
        if refusal is None:
            (fixture,) = (contract.folder / "fixtures" / "good").glob(f"{layout.stem}.*")
            assert make_shelf().deliver(source, fixture).layout == layout.stem
            continue
        with pytest.raises(FileRefused) as refused:
            make_shelf().deliver(source, contract.folder / "fixtures" / "bad" / f"{REFUSED_CODE}--{layout.stem}.csv")
        assert (refused.value.code, refused.value.message) == (REFUSED_CODE, refusal)


@pytest.mark.parametrize("source", SOURCES)
def test_a_sources_folder_explains_itself_in_both_languages(source: str) -> None:
    text = (CONTRACTS[source].folder / "README.md").read_text(encoding="utf-8")
    assert CHINESE.search(text)
    for rule in CONTRACTS[source].rules:
        assert f"`{rule.code}`" in text, f"{rule.code} is not explained"
    for layout in CONTRACTS[source].layouts:
        assert f"`{layout.stem}`" in text, f"layout {layout.stem} is not explained"
