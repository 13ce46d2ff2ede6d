"""Keys over time, against a model of a few lines: duplicates, conflicts and restatements over several deliveries."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ingest.contract import Column, Contract, History, Message

TEXT = Message("示范", "made")
Row = tuple[int, int, str]
MakeShelf = Callable[..., Any]
KINDS: tuple[History, ...] = ("append", "restated", "revisioned")


def make_contract(history: History) -> Contract:
    columns = (
        Column("paper_id", "integer", TEXT, TEXT, required=True),
        Column("revision", "integer", TEXT, TEXT, required=True),
        Column("said", "text", TEXT, TEXT),
    )
    return Contract("paper", "1.0.0", Path(), TEXT, TEXT, history, 0.2, 1, ("paper_id", "revision"), columns, ())


def to_csv(rows: list[Row]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([("paper_id", "revision", "said"), *rows])
    return out.getvalue().encode()


class Model:
    """Every version of every key that was ever accepted."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.versions: dict[tuple[int, int], set[str]] = {}

    def judge(self, rows: list[Row]) -> list[str]:
        verdicts = []
        first: dict[tuple[int, int], tuple[str, str]] = {}
        for number, revision, said in rows:
            key = (number, revision)
            known = self.versions.get(key, set())
            if said in known:
                verdicts.append("duplicate")
            elif key in first:
                said_first, verdict = first[key]
                verdicts.append("quarantined" if said != said_first or verdict == "quarantined" else "duplicate")
            else:
                verdict = "quarantined" if known and self.history != "restated" else "accepted"
                first[key] = (said, verdict)
                verdicts.append(verdict)
        for (number, revision, said), verdict in zip(rows, verdicts, strict=True):
            if verdict == "accepted":
                self.versions.setdefault((number, revision), set()).add(said)
        return verdicts


DELIVERY = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 2), st.sampled_from(["", "甲", "乙", "a"])), min_size=1, max_size=40)


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(DELIVERY, min_size=2, max_size=4))
@pytest.mark.parametrize("history", KINDS)
def test_verdicts_follow_the_history_kind(make_shelf: MakeShelf, history: History, deliveries: list[list[Row]]) -> None:
    shelf, model = make_shelf({"paper": make_contract(history)}), Model(history)
    for rows in deliveries:
        prepared = shelf.deliver("paper", to_csv(rows))
        expected = model.judge(rows)
        assert pq.read_table(prepared.verdicts)["verdict"].to_pylist() == expected
        landed = pq.read_table(prepared.landing)
        assert landed["_row_number"].to_pylist() == [number for number, verdict in enumerate(expected, 1) if verdict == "accepted"]
        assert set(prepared.fault_counts) <= {"key_conflict"}


def verdict_of(shelf: Any, *rows: Row) -> list[str]:
    verdicts: list[str] = pq.read_table(shelf.deliver("paper", to_csv(list(rows))).verdicts)["verdict"].to_pylist()
    return verdicts


def test_append_says_a_key_once(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"paper": make_contract("append")})
    assert verdict_of(shelf, (1, 1, "甲")) == ["accepted"]
    assert verdict_of(shelf, (1, 1, "甲"), (1, 1, "乙"), (2, 1, "")) == ["duplicate", "quarantined", "accepted"]
    assert verdict_of(shelf, (2, 1, "")) == ["duplicate"]


def test_a_restated_key_lands_anew_and_a_superseded_row_stays_a_duplicate(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"paper": make_contract("restated")})
    assert verdict_of(shelf, (1, 1, "甲")) == ["accepted"]
    assert verdict_of(shelf, (1, 1, "乙")) == ["accepted"]
    assert verdict_of(shelf, (1, 1, "甲")) == ["duplicate"]
    assert verdict_of(shelf, (1, 1, "a"), (1, 1, "b")) == ["accepted", "quarantined"], "one delivery cannot say two things"


def test_an_older_revision_may_arrive_late_but_not_say_something_else(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"paper": make_contract("revisioned")})
    assert verdict_of(shelf, (1, 2, "甲")) == ["accepted"]
    assert verdict_of(shelf, (1, 1, "乙")) == ["accepted"]
    assert verdict_of(shelf, (1, 1, "甲")) == ["quarantined"]


def test_a_row_that_repeats_a_refused_row_is_refused_with_it(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"paper": make_contract("append")})
    shelf.deliver("paper", to_csv([(1, 1, "甲")]))
    assert verdict_of(shelf, (1, 1, "乙"), (1, 1, "乙")) == ["quarantined", "quarantined"]


def test_a_bad_row_holds_no_place_for_its_key(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"paper": make_contract("append")})
    prepared = shelf.deliver("paper", "paper_id,revision,said\n1,1,\x01\n1,1,甲\n1,x,甲\n".encode())
    assert pq.read_table(prepared.verdicts)["verdict"].to_pylist() == ["quarantined", "accepted", "quarantined"]
    assert prepared.fault_counts == {"control_character": 1, "type": 1}


def make_withdrawable(history: History) -> Contract:
    plain = make_contract(history)
    return replace(plain, columns=(*plain.columns, Column("is_withdrawn", "boolean", TEXT, TEXT)), withdrawn_column="is_withdrawn")


def withdrawable(*rows: tuple[int, int, str, str]) -> bytes:
    return ("paper_id,revision,said,is_withdrawn\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)).encode()


@pytest.mark.parametrize("history", KINDS)
def test_a_withdrawal_conflicts_with_nothing_and_hides_no_conflict(make_shelf: MakeShelf, history: History) -> None:
    shelf = make_shelf({"paper": make_withdrawable(history)})

    def verdicts(*rows: tuple[int, int, str, str]) -> list[str]:
        found: list[str] = pq.read_table(shelf.deliver("paper", withdrawable(*rows)).verdicts)["verdict"].to_pylist()
        return found

    accepted_again = "accepted" if history == "restated" else "quarantined"
    assert verdicts((1, 1, "甲", ""), (2, 1, "甲", "")) == ["accepted", "accepted"]
    assert verdicts((1, 1, "乙", "true")) == ["accepted"], "whatever else it says"
    assert verdicts((1, 1, "乙", "true"), (1, 1, "甲", ""), (1, 1, "甲", "false")) == ["duplicate"] * 3, (
        "saying nothing and saying no are one"
    )
    assert verdicts((1, 1, "丙", "true"), (1, 1, "丙", "")) == ["accepted", accepted_again]
    assert verdicts((3, 1, "甲", "true"), (3, 1, "甲", ""), (3, 1, "乙", "")) == ["accepted", "accepted", "quarantined"]
    assert verdicts((4, 1, "甲", ""), (4, 1, "乙", "true"), (4, 1, "丙", "true")) == ["accepted"] * 3


def test_what_landed_before_a_column_was_added_is_still_known(make_shelf: MakeShelf) -> None:
    shelf = make_shelf({"paper": make_contract("revisioned")})
    assert verdict_of(shelf, (1, 1, "甲")) == ["accepted"]
    shelf.contracts = {"paper": make_withdrawable("revisioned")}
    assert verdict_of(shelf, (1, 1, "甲"), (2, 1, "甲")) == ["duplicate", "accepted"]
    assert pq.read_table(shelf.deliver("paper", withdrawable((1, 1, "甲", "true"))).verdicts)["verdict"].to_pylist() == ["accepted"]
