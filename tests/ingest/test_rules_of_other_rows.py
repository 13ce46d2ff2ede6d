"""Rules that ask for rows of other sources: what has landed, what is left of it, what it lies between; against plain Python that says the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.contract import Contract, ContractError, Rule, _check_implementation, in_reference_order, read_contracts
from ingest.landing import settle_waiting
from ingest.reference import ReferenceLists

from .made_sources import NEGATIVE, SLOW, TEXT, MakeShelf, Shelf, faulty_rows, make_contract, to_csv

# A row is judged beside the row in force of another source

OWNED = {"paper_id": "text", "revision": "integer", "owner": "text"}
PAPER = replace(make_contract("paper", OWNED, 2, "revisioned", required=("owner",)), revision_column="revision")  # type: ignore[arg-type]
BESIDE = {"paper": {"source": "paper", "match": {"paper_id": "paper_id"}}}
UNKNOWN = Rule("unknown", "predicate", ("paper_id",), {"violated": "paper.paper_id is null", "lookups": BESIDE}, TEXT, TEXT)
FOREIGN = Rule(
    "foreign", "predicate", ("paper_id", "owner"),
    {"violated": "paper.owner <> r.owner", "lookups": BESIDE, "shows": {"owner": "paper.owner"}}, TEXT, TEXT,
)  # fmt: skip
LABEL = make_contract("label", {"label_id": "integer", "paper_id": "text", "owner": "text"}, 1, "append", UNKNOWN, FOREIGN)
PAPERS = {"paper": PAPER, "label": LABEL}


def paper(name: str, revision: int, owner: str) -> dict[str, Any]:
    return {"paper_id": name, "revision": revision, "owner": owner}


def label(number: int, name: str, owner: str) -> dict[str, Any]:
    return {"label_id": number, "paper_id": name, "owner": owner}


def test_a_row_is_held_to_the_newest_revision_whenever_that_arrived(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(PAPERS)
    shelf.deliver("paper", to_csv([paper("A", 3, "new"), paper("B", 1, "b")]))
    shelf.deliver("paper", to_csv([paper("A", 2, "old")]))
    prepared = shelf.deliver("label", to_csv([label(1, "A", "new"), label(2, "A", "old"), label(3, "B", "b"), label(4, "C", "c")]))
    assert faulty_rows(prepared, "foreign") == {2}
    assert faulty_rows(prepared, "unknown") == {4}
    assert [fault["value"] for fault in prepared.faults if fault["code"] == "foreign"] == ["paper_id = A, owner = old; owner = new"]
    assert prepared.counts["waiting"] == 0


def test_a_restated_row_is_the_newest_delivered(make_shelf: MakeShelf) -> None:
    restated = replace(make_contract("paper", OWNED, 1, "restated"), revision_column=None)  # type: ignore[arg-type]
    shelf = make_shelf({"paper": restated, "label": LABEL})
    shelf.deliver("paper", to_csv([paper("A", 9, "first")]))
    shelf.deliver("paper", to_csv([paper("A", 1, "second")]))
    assert faulty_rows(shelf.deliver("label", to_csv([label(1, "A", "first"), label(2, "A", "second")])), "foreign") == {1}


@SLOW
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("xyz")), min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from("xyz")), min_size=1, max_size=30),
)
def test_lookups_find_what_a_dictionary_finds(make_shelf: MakeShelf, papers: list[tuple[int, str]], labels: list[tuple[int, str]]) -> None:
    """More is stored than is delivered, and less: both ways of looking give the same."""
    shelf = make_shelf(PAPERS)
    shelf.deliver("paper", to_csv([paper(str(name), revision, owner) for revision, (name, owner) in enumerate(papers)]))
    owners = {str(name): owner for name, owner in papers}  # the last revision of each
    prepared = shelf.deliver("label", to_csv([label(number, str(name), owner) for number, (name, owner) in enumerate(labels)]))
    assert faulty_rows(prepared, "unknown") == {number for number, (name, _) in enumerate(labels, 1) if str(name) not in owners}
    wrong = {number for number, (name, owner) in enumerate(labels, 1) if owners.get(str(name), owner) != owner}
    assert faulty_rows(prepared, "foreign") == wrong


def test_a_row_may_be_held_to_what_its_own_source_has_landed(make_shelf: MakeShelf) -> None:
    lookups = {"before": {"source": "count", "match": {"counter": "counter", "day": "r.day - 1"}}}
    rule = Rule("shrinks", "predicate", ("day", "total"), {"violated": "r.total < before.total", "lookups": lookups}, TEXT, TEXT)
    contract = make_contract("count", {"counter": "text", "day": "integer", "total": "double"}, 2, "append", rule)
    shelf = make_shelf({"count": contract})
    shelf.deliver("count", to_csv([{"counter": "a", "day": 1, "total": 10}, {"counter": "b", "day": 1, "total": 1}]))
    rows = [{"counter": "a", "day": 2, "total": 9}, {"counter": "b", "day": 2, "total": 2}, {"counter": "a", "day": 4, "total": 0}]
    assert faulty_rows(shelf.deliver("count", to_csv(rows)), "shrinks") == {1}


def test_the_value_before_is_that_of_the_list(make_shelf: MakeShelf, reference: ReferenceLists) -> None:
    lookups = {"day": {"list": "trading_day", "previous": "trade_date", "match": {"trade_date": "on_day"}}}
    rule = Rule("gap", "predicate", ("on_day",), {"violated": "r.on_day - day.previous_trade_date > 1", "lookups": lookups}, TEXT, TEXT)
    shelf = make_shelf({"visit": make_contract("visit", {"visit_id": "integer", "on_day": "date"}, 1, "append", rule)})
    monday = date(2025, 3, 10)
    rows = [{"visit_id": number, "on_day": monday + timedelta(days=number)} for number in range(7)]
    assert faulty_rows(shelf.deliver("visit", to_csv(rows)), "gap") == {1}  # a Sunday is in no list and breaks nothing


# What is drawn never exceeds what there is

PURSE = make_contract("purse", {"purse_id": "text", "held": "decimal"}, 1, "append", required=("held",))
WAITS = Rule("orphan", "reference", ("purse_id",), {"source": "purse", "match": ["purse_id"], "waits": True}, TEXT, TEXT)
BALANCE = Rule(
    "overdrawn",
    "balance",
    ("purse_id", "weight"),
    {"source": "purse", "match": ["purse_id"], "amount": "weight", "limit": "held"},
    TEXT,
    TEXT,
)
DRAW = make_contract(
    "draw", {"draw_id": "integer", "purse_id": "text", "weight": "decimal"}, 1, "append", NEGATIVE, WAITS, BALANCE, required=("weight",)
)
BANK = {"purse": PURSE, "draw": DRAW}


def draw(number: int, purse: str, weight: object) -> dict[str, Any]:
    return {"draw_id": number, "purse_id": purse, "weight": weight}


def overdrawn(left: dict[str, Decimal], rows: list[dict[str, Any]]) -> set[int]:
    """In order of arrival; a refused draw takes nothing, so a later, smaller one may still be had. Changes `left`."""
    found = set()
    for number, row in enumerate(rows, 1):
        if row["purse_id"] not in left:
            continue
        if row["weight"] > left[row["purse_id"]]:
            found.add(number)
        elif row["weight"] >= 0:
            left[row["purse_id"]] -= row["weight"]
    return found


DRAWN = st.lists(
    st.tuples(st.sampled_from("aabbcd"), st.decimals(-2, 9, places=8, allow_nan=False, allow_infinity=False)), min_size=1, max_size=30
)


@SLOW
@given(DRAWN, DRAWN)
def test_no_more_is_drawn_than_there_is(make_shelf: MakeShelf, first: list[tuple[str, Decimal]], second: list[tuple[str, Decimal]]) -> None:
    left = {"a": Decimal(20), "b": Decimal("0.00000001"), "c": Decimal(10**19)}
    shelf = make_shelf(BANK)
    shelf.deliver("purse", to_csv([{"purse_id": name, "held": held} for name, held in left.items()]))
    for part, draws in enumerate((first, second)):
        rows = [draw(part * 100 + number, purse, weight) for number, (purse, weight) in enumerate(draws)]
        prepared = shelf.deliver("draw", to_csv(rows))
        assert faulty_rows(prepared, "overdrawn") == overdrawn(left, rows)
        assert faulty_rows(prepared, "orphan") == {number for number, row in enumerate(rows, 1) if row["purse_id"] == "d"}
    drawn = [row for path in shelf.landed["draw"] for row in pq.read_table(path).to_pylist()]
    for purse, held in (("a", Decimal(20)), ("b", Decimal("0.00000001"))):
        assert sum(row["weight"] for row in drawn if row["purse_id"] == purse) == held - left[purse]


def test_the_last_hundred_millionth_may_be_drawn_and_no_more(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(BANK)
    shelf.deliver("purse", to_csv([{"purse_id": "a", "held": "12345678901234567890.00000001"}]))
    shelf.deliver("draw", to_csv([draw(1, "a", "12345678901234567890")]))
    prepared = shelf.deliver("draw", to_csv([draw(2, "a", "0.00000002"), draw(3, "a", "0.00000001"), draw(4, "a", "0.00000001")]))
    assert faulty_rows(prepared, "overdrawn") == {1, 3}
    assert [fault["value"].partition("; ")[2] for fault in prepared.faults] == ["left = 0.00000001", "left = 0"]


def test_repeated_and_conflicting_draws_take_nothing(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(BANK)
    shelf.deliver("purse", to_csv([{"purse_id": "a", "held": 10}]))
    shelf.deliver("draw", to_csv([draw(1, "a", 6)]))
    prepared = shelf.deliver("draw", to_csv([draw(1, "a", 6), draw(1, "a", 7), draw(2, "a", 4)]))
    assert prepared.fault_counts == {"key_conflict": 1}
    assert (prepared.counts["accepted"], prepared.counts["duplicate"]) == (1, 1)


def test_a_draw_refused_by_another_rule_takes_nothing(make_shelf: MakeShelf) -> None:
    unlucky = Rule("unlucky", "predicate", ("weight",), {"violated": "r.weight = 7"}, TEXT, TEXT)
    shelf = make_shelf({"purse": PURSE, "draw": replace(DRAW, rules=(unlucky, *DRAW.rules))})
    shelf.deliver("purse", to_csv([{"purse_id": "a", "held": 10}]))
    prepared = shelf.deliver("draw", to_csv([draw(1, "a", 7), draw(2, "a", 10), draw(3, "a", 1)]))
    assert (faulty_rows(prepared, "unlucky"), faulty_rows(prepared, "overdrawn")) == ({1}, {3})


def test_what_waits_draws_nothing_until_it_has_stopped_waiting(make_shelf: MakeShelf, reference: ReferenceLists) -> None:
    shelf: Shelf = make_shelf(BANK)
    prepared = shelf.deliver("draw", to_csv([draw(1, "a", 6), draw(2, "a", 6), draw(3, "a", 4)]))
    assert prepared.fault_counts == {"orphan": 3}  # nobody knows yet how much there is
    first = shelf.deliver("purse", to_csv([{"purse_id": "a", "held": 10}]))
    received = pq.read_table(first.landing)["_received_at"][0].as_py()
    assert prepared.waiting is not None
    settled = settle_waiting(prepared.waiting, DRAW, BANK, reference, shelf.stored, received)
    assert settled.verdicts["verdict"].to_pylist() == ["accepted", "quarantined", "accepted"]
    assert settled.faults.select(["_record", "code"]).to_pylist() == [{"_record": 2, "code": "overdrawn"}]


def test_a_row_refused_as_unknown_takes_up_no_days(make_shelf: MakeShelf) -> None:
    """Without waiting, too: it is no part of what the next rule compares with."""
    parent = make_contract("parent", {"parent_id": "text"}, 1, "append")
    known = Rule("unknown", "reference", ("parent_id",), {"source": "parent", "match": ["parent_id"]}, TEXT, TEXT)
    apart = Rule("overlap", "no_overlap", ("day",), {"by": ["place"], "start": "day", "end": "day"}, TEXT, TEXT)
    stay = make_contract(
        "stay", {"stay_id": "integer", "parent_id": "text", "place": "text", "day": "date"}, 1, "append", known, apart, required=("day",)
    )
    shelf = make_shelf({"parent": parent, "stay": stay})
    shelf.deliver("parent", to_csv([{"parent_id": "A"}]))
    rows = [{"stay_id": number, "parent_id": who, "place": "p", "day": "2025-01-01"} for number, who in enumerate("BAA")]
    prepared = shelf.deliver("stay", to_csv(rows))
    assert faulty_rows(prepared, "unknown") == {1}
    assert faulty_rows(prepared, "overlap") == {3}


# At most a multiple of the median

SPIKE = Rule(
    "spike", "peer_ratio", ("weight",), {"value": "r.weight", "by": ["meter"], "ratio": 20, "at_least": 30, "side": "upper"}, TEXT, TEXT
)
READING = make_contract("reading", {"meter": "text", "day": "integer", "weight": "double"}, 2, "append", NEGATIVE, SPIKE)


def reading(day: int, weight: float, meter: str = "m") -> dict[str, Any]:
    return {"meter": meter, "day": day, "weight": weight}


@pytest.mark.parametrize(("known", "found"), [(29, set()), (30, {1})])
def test_a_spike_is_judged_by_thirty_readings_of_its_own_meter(make_shelf: MakeShelf, known: int, found: set[int]) -> None:
    shelf = make_shelf({"reading": READING})
    shelf.deliver("reading", to_csv([reading(day, 2.0) for day in range(known)] + [reading(day, 500.0, "other") for day in range(40)]))
    assert faulty_rows(shelf.deliver("reading", to_csv([reading(100, 40.0001), reading(100, 9999.0, "new")])), "spike") == found


def test_twenty_times_the_median_is_still_within_and_little_is_no_fault(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"reading": READING})
    shelf.deliver("reading", to_csv([reading(day, 2.0) for day in range(30)]))
    rows = [reading(100, 40.0), reading(101, 40.0001), reading(102, 0.0001), reading(103, 0.0)]
    assert faulty_rows(shelf.deliver("reading", to_csv(rows)), "spike") == {2}


def test_what_mostly_stands_still_may_run(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"reading": READING})
    shelf.deliver("reading", to_csv([reading(day, 0.0) for day in range(40)]))
    assert shelf.deliver("reading", to_csv([reading(100, 5.0)])).counts["accepted"] == 1


@SLOW
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([1.0, 2.0, 3.0, 30.0, 100.0, -1.0])), min_size=40, max_size=120),
    st.integers(0, 60),
)
def test_spikes_are_those_beyond_the_median_of_good_readings(make_shelf: MakeShelf, made: list[tuple[str, float]], before: int) -> None:
    rows = [reading(day, weight, meter) for day, (meter, weight) in enumerate(made)]
    shelf = make_shelf({"reading": READING})
    stored: list[dict[str, Any]] = []
    for part in (rows[:before], rows[before:]):
        if part:
            prepared = shelf.deliver("reading", to_csv(part))
            assert faulty_rows(prepared, "spike") == spikes(stored, part)
            stored = [row for path in shelf.landed["reading"] for row in pq.read_table(path).to_pylist()]


def spikes(stored: list[dict[str, Any]], rows: list[dict[str, Any]]) -> set[int]:
    def judge(excluded: set[int]) -> set[int]:
        good = stored + [row for number, row in enumerate(rows, 1) if number not in excluded and row["weight"] >= 0]
        found = set()
        for number, row in enumerate(rows, 1):
            peers = [peer["weight"] for peer in good if peer["meter"] == row["meter"]]
            if len(peers) >= 30 and row["weight"] > 20 * median(peers):
                found.add(number)
        return found

    return judge(judge(set()))


# What a contract may declare


@pytest.mark.parametrize(
    ("kind", "parameters", "said"),
    [
        ("predicate", {}, "missing ['violated']"),
        ("predicate", {"violated": "r.a > {share}", "share": "1e-9"}, "unknown ['share']"),  # YAML reads 1e-9 as text
        ("predicate", {"violated": "x.a > 1", "lookups": {"x": {"list": "unit", "source": "paper", "match": {"a": "a"}}}}, "lookup x"),
        ("predicate", {"violated": "x.a > 1", "lookups": {"x": {"source": "paper"}}}, "lookup x"),
        ("balance", {"source": "purse", "match": ["a"], "amount": "a"}, "missing ['limit']"),
        ("peer_ratio", {"value": "r.a", "by": ["a"], "ratio": 2, "at_least": 3, "side": "lower"}, "side must be"),
        ("no_overlap", {"by": ["a"], "start": "a", "end": "a", "gap": 1}, "unknown ['gap']"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused_by_name(kind: str, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError) as refused:
        _check_implementation(kind, parameters, "made: rule made")
    assert said in str(refused.value)


def test_sources_come_after_those_they_ask_for() -> None:
    contracts = read_contracts()
    order = in_reference_order(contracts)
    assert sorted(order) == sorted(contracts)
    for source, contract in contracts.items():
        assert contract.references() <= set(contracts), f"{source} asks for a source that is not there"
        assert all(order.index(other) < order.index(source) for other in contract.references() - {source})


def test_sources_that_ask_for_each_other_still_have_an_order() -> None:
    def asking(source: str, other: str) -> Contract:
        rule = Rule("known", "reference", ("name",), {"source": other, "match": ["name"]}, TEXT, TEXT)
        return make_contract(source, {"name": "text"}, 1, "append", rule)

    assert in_reference_order({"a": asking("a", "b"), "b": asking("b", "a"), "c": asking("c", "c")}) == ["c", "a", "b"]
