"""Rules that look beyond the row, against a few lines of plain Python that say the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.contract import Contract, Rule
from ingest.landing import settle_waiting
from ingest.reference import ReferenceLists

from .made_sources import NEGATIVE, SLOW, TEXT, MakeShelf, Shelf, faulty_rows, make_contract, to_csv

ORIGIN = date(2024, 1, 1)


# Intervals of one group do not overlap

SPANS = {"span_id": "integer", "place": "text", "starts_on": "date", "ends_on": "date", "weight": "double"}


def span_contract(exclusive: bool) -> Contract:
    rule = Rule(
        "overlap", "no_overlap", ("place", "starts_on", "ends_on"),
        {"by": ["place"], "start": "starts_on", "end": "ends_on", "end_is_exclusive": exclusive}, TEXT, TEXT,
    )  # fmt: skip
    return make_contract("span", SPANS, 1, "append", NEGATIVE, rule)  # type: ignore[arg-type]


def overlapping(stored: list[dict[str, Any]], rows: list[dict[str, Any]], exclusive: bool) -> set[int]:
    """First come, first kept: a row overlaps when it shares a day with a sound interval that came before it."""

    def days(row: dict[str, Any]) -> tuple[str, date, date]:
        end = date.max if row["ends_on"] is None else row["ends_on"] - timedelta(days=1 if exclusive else 0)
        return row["place"], row["starts_on"], end

    kept = [span for span in map(days, stored) if span[1] <= span[2]]
    found = set()
    for number, row in enumerate(rows, 1):
        place, start, end = days(row)
        if end < start:
            continue  # a span without a day shares none; another rule refuses it
        if any(place == other and start <= last and first <= end for other, first, last in kept):
            found.add(number)
        elif row["weight"] >= 0:
            kept.append((place, start, end))
    return found


SPAN = st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.one_of(st.none(), st.integers(-3, 6)), st.sampled_from([1, 1, 1, -1]))


@SLOW
@given(st.lists(SPAN, min_size=12, max_size=40), st.booleans(), st.integers(0, 10))
def test_overlap_is_first_come_first_kept(
    make_shelf: MakeShelf, spans: list[tuple[str, int, int | None, int]], exclusive: bool, before: int
) -> None:
    rows = [
        {
            "span_id": number,
            "place": place,
            "starts_on": ORIGIN + timedelta(days=start),
            "ends_on": None if length is None else ORIGIN + timedelta(days=start + length),
            "weight": weight,
        }
        for number, (place, start, length, weight) in enumerate(spans)
    ]
    shelf = make_shelf({"span": span_contract(exclusive)})
    earlier, rows = rows[:before], rows[before:]
    stored = []
    if earlier:
        prepared = shelf.deliver("span", to_csv(earlier))
        assert faulty_rows(prepared, "overlap") == overlapping([], earlier, exclusive)
        stored = pq.read_table(prepared.landing).to_pylist()
    if rows:
        assert faulty_rows(shelf.deliver("span", to_csv(rows)), "overlap") == overlapping(stored, rows, exclusive)


def test_a_validity_that_ends_where_the_next_begins_does_not_overlap(make_shelf: MakeShelf) -> None:
    def row(number: int, start: str, end: str) -> dict[str, Any]:
        return {"span_id": number, "place": "a", "starts_on": start, "ends_on": end, "weight": 1}

    rows = [row(1, "2024-01-01", "2025-01-01"), row(2, "2025-01-01", "2026-01-01"), row(3, "2023-01-01", "2024-01-01")]
    assert make_shelf({"span": span_contract(True)}).deliver("span", to_csv(rows)).counts["accepted"] == 3
    assert faulty_rows(make_shelf({"span": span_contract(False)}).deliver("span", to_csv(rows)), "overlap") == {2, 3}
    rows.append(row(4, "2025-06-01", "2025-07-01"))  # one that does overlap, so that the whole group is looked at
    assert faulty_rows(make_shelf({"span": span_contract(True)}).deliver("span", to_csv(rows)), "overlap") == {4}


def test_a_row_that_repeats_a_refused_row_is_refused_with_it(make_shelf: MakeShelf) -> None:
    def row(number: int, start: str) -> dict[str, Any]:
        return {"span_id": number, "place": "a", "starts_on": start, "ends_on": "2025-01-01", "weight": 1}

    rows = [row(1, "2024-01-01"), row(2, "2024-06-01"), row(2, "2024-06-01"), row(1, "2024-01-01")]
    prepared = make_shelf({"span": span_contract(True)}).deliver("span", to_csv(rows))
    assert pq.read_table(prepared.verdicts)["verdict"].to_pylist() == ["accepted", "quarantined", "quarantined", "duplicate"]
    assert faulty_rows(prepared, "overlap") == {2, 3}


# A value lies within a ratio of the median of its peers in force

PEERS = {"paper_id": "text", "revision": "integer", "product": "text", "amount": "double"}
PEER_RULE = Rule(
    "outlier", "peer_ratio", ("amount",),
    {"value": "r.amount", "by": ["product"], "in_force_by": ["paper_id"], "in_force_order": ["revision"], "ratio": 50, "at_least": 20, "lookups": {}},
    TEXT, TEXT,
)  # fmt: skip
POSITIVE = Rule("positive", "predicate", ("amount",), {"violated": "r.amount <= 0"}, TEXT, TEXT)
PEER_CONTRACT = make_contract("paper", PEERS, 2, "revisioned", POSITIVE, PEER_RULE)  # type: ignore[arg-type]


def paper(number: int, amount: float, revision: int = 1, product: str = "steel") -> dict[str, Any]:
    return {"paper_id": f"P{number}", "revision": revision, "product": product, "amount": amount}


def beyond_peers(stored: list[dict[str, Any]], rows: list[dict[str, Any]]) -> set[int]:
    """Two passes: the second without the rows the first found, whose earlier revisions are then in force again."""

    def judge(excluded: set[int]) -> set[int]:
        newest: dict[str, dict[str, Any]] = {}
        for row in stored + [row for number, row in enumerate(rows, 1) if number not in excluded and row["amount"] > 0]:
            if row["paper_id"] not in newest or row["revision"] > newest[row["paper_id"]]["revision"]:
                newest[row["paper_id"]] = row
        found = set()
        for number, row in enumerate(rows, 1):
            peers = [peer["amount"] for peer in newest.values() if peer["product"] == row["product"]]
            if len(peers) >= 20 and not median(peers) / 50 <= row["amount"] <= median(peers) * 50:
                found.add(number)
        return found

    return judge(judge(set()))


@SLOW
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from([1.0, 1.5, 2.0, 40.0, 0.02, 1000.0, 0.0])), min_size=15, max_size=60),
    st.integers(0, 40),
)
def test_outliers_are_those_beyond_the_median_of_peers_in_force(
    make_shelf: MakeShelf, amounts: list[tuple[int, float]], before: int
) -> None:
    revisions: dict[int, int] = {}
    rows = []
    for number, amount in amounts:
        revisions[number] = revisions.get(number, 0) + 1
        rows.append(paper(number, amount, revisions[number]))
    shelf = make_shelf({"paper": PEER_CONTRACT})
    stored: list[dict[str, Any]] = []
    for part in (rows[:before], rows[before:]):
        if part:
            prepared = shelf.deliver("paper", to_csv(part))
            assert faulty_rows(prepared, "outlier") == beyond_peers(stored, part)
            stored += pq.read_table(prepared.landing, columns=list(PEERS)).to_pylist()


@pytest.mark.parametrize(("peers", "found"), [(19, set()), (20, {1})])
def test_twenty_peers_make_the_quorum_and_the_judged_row_is_none_of_them(make_shelf: MakeShelf, peers: int, found: set[int]) -> None:
    shelf = make_shelf({"paper": PEER_CONTRACT})
    shelf.deliver("paper", to_csv([paper(number, 1 + number / 100) for number in range(peers)]))
    assert faulty_rows(shelf.deliver("paper", to_csv([paper(99, 1000)])), "outlier") == found


def test_a_refused_revision_does_not_put_its_predecessor_out_of_force(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"paper": PEER_CONTRACT})
    shelf.deliver("paper", to_csv([paper(number, 1) for number in range(20)]))
    assert faulty_rows(shelf.deliver("paper", to_csv([paper(0, 1000, revision=2)])), "outlier") == {1}


def test_superseded_revisions_and_other_products_are_no_peers(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"paper": PEER_CONTRACT})
    rows = [paper(number, 1, revision) for number in range(10) for revision in (1, 2, 3)] + [
        paper(number, 1, product="cement") for number in range(50, 65)
    ]
    shelf.deliver("paper", to_csv(rows))
    assert shelf.deliver("paper", to_csv([paper(99, 1000)])).counts["accepted"] == 1


def test_exactly_fifty_times_the_median_is_still_within(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"paper": PEER_CONTRACT})
    shelf.deliver("paper", to_csv([paper(number, 2) for number in range(40)]))
    prepared = shelf.deliver("paper", to_csv([paper(90, 100), paper(91, 0.04), paper(92, 100.001), paper(93, 0.03999)]))
    assert faulty_rows(prepared, "outlier") == {3, 4}


# A row that names a row of another source waits for it

PARENT = make_contract("parent", {"parent_id": "text", "note": "text"}, 1, "append")
WAITS = Rule("orphan", "reference", ("parent_id",), {"source": "parent", "match": ["parent_id"], "waits": True}, TEXT, TEXT)
CHILD = make_contract(
    "child", {"child_id": "integer", "parent_id": "text", "weight": "double"}, 1, "append", NEGATIVE, WAITS, required=("weight",)
)
FAMILY = {"parent": PARENT, "child": CHILD}


def child(number: int, parent: str, weight: str = "1") -> dict[str, Any]:
    return {"child_id": number, "parent_id": parent, "weight": weight}


def test_a_row_waits_for_what_it_names_and_lands_when_that_has_landed(make_shelf: MakeShelf, reference: ReferenceLists) -> None:
    shelf = make_shelf(FAMILY)
    shelf.deliver("parent", to_csv([{"parent_id": "A", "note": ""}]))
    prepared = shelf.deliver(
        "child", to_csv([child(1, "A"), child(2, "B"), child(3, "C"), child(4, "A", "-1"), child(5, "B", "-1"), child(6, "B", "x")])
    )
    assert prepared.counts == {"accepted": 1, "duplicate": 0, "quarantined": 5, "waiting": 2, "received": 6}
    assert prepared.fault_counts == {"negative": 2, "orphan": 3, "type": 1}
    assert pq.read_table(prepared.waiting)["_row_number"].to_pylist() == [2, 3]
    shelf.deliver("parent", to_csv([{"parent_id": "B", "note": ""}]))
    assert prepared.waiting is not None
    settled = settle_waiting(prepared.waiting, CHILD, FAMILY, reference, shelf.stored, shelf_time(shelf))
    rows, verdicts, faults = settled.rows, settled.verdicts, settled.faults
    assert rows["child_id"].to_pylist() == [2, 3]
    assert verdicts["verdict"].to_pylist() == ["accepted", "waiting"]
    assert faults["code"].to_pylist() == ["orphan"]


def shelf_time(shelf: Shelf) -> Any:
    return pq.read_table(shelf.prepared[0].landing)["_received_at"][0].as_py()


def test_without_waiting_an_unknown_reference_is_a_fault(make_shelf: MakeShelf) -> None:
    strict = replace(CHILD, rules=(replace(WAITS, parameters=dict(WAITS.parameters) | {"waits": False}),))
    prepared = make_shelf({"parent": PARENT, "child": strict}).deliver("child", to_csv([child(1, "A")]))
    assert (prepared.counts["quarantined"], prepared.counts["waiting"]) == (1, 0)


# Predicates


def test_every_reason_that_applies_is_given(make_shelf: MakeShelf) -> None:
    """Contract: a row is kept with every reason, not with the first."""
    tiny = Rule("tiny", "predicate", ("weight",), {"violated": "abs(r.weight) < {least}", "least": 0.5}, TEXT, TEXT)
    contract = make_contract("span", SPANS, 1, "append", NEGATIVE, tiny, required=("place",))  # type: ignore[arg-type]
    row = {"span_id": 1, "place": "", "starts_on": "2024-02-30", "ends_on": None, "weight": "-0.1"}
    prepared = make_shelf({"span": contract}).deliver("span", to_csv([row]))
    assert prepared.fault_counts == {"negative": 1, "required": 1, "tiny": 1, "type": 1}
    assert prepared.counts["quarantined"] == 1


def test_a_predicate_of_something_unknown_is_not_broken(make_shelf: MakeShelf) -> None:
    contract = make_contract("span", SPANS, 1, "append", NEGATIVE)  # type: ignore[arg-type]
    row = {"span_id": 1, "place": "a", "starts_on": None, "ends_on": None, "weight": None}
    assert make_shelf({"span": contract}).deliver("span", to_csv([row])).counts["accepted"] == 1


def test_a_lookup_never_multiplies_a_row(make_shelf: MakeShelf, tmp_path: Path) -> None:
    """Names may stand twice in a reference list; the row they are found for stays one row."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "province.csv").write_text("province_code,name_zh\n1,a\n1,b\n", encoding="utf-8")
    lookups = {"known": {"list": "province", "match": {"province_code": "place"}}}
    rule = Rule("unknown_place", "predicate", ("place",), {"violated": "known.province_code is null", "lookups": lookups}, TEXT, TEXT)
    shelf = make_shelf({"span": make_contract("span", SPANS, 1, "append", rule)})  # type: ignore[arg-type]
    shelf.reference = ReferenceLists(overlay=tmp_path / "lists")
    rows = [{"span_id": number, "place": place, "starts_on": None, "ends_on": None, "weight": 1} for number, place in ((1, "1"), (2, "2"))]
    prepared = shelf.deliver("span", to_csv(rows))
    assert faulty_rows(prepared, "unknown_place") == {2}
    assert pq.read_table(prepared.landing).num_rows == 1
