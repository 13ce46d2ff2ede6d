"""Disclosure control: unsafe cells, the least loss against every other choice, and an attacker who reads all releases."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from expectations.attack import Interval, Publication, solve_bounds
from warehouse.disclosure.publication import TOTALS, suppress_cells
from warehouse.disclosure.releases import COUNTRY, UNPLACED, Version
from warehouse.disclosure.suppression import EVERYTHING, EXACT, NOTHING, UNCHANGED, choose_suppressed
from warehouse.disclosure.table import Cells, Flags, Rule, Table, find_primary, is_safe

RULE = Rule(minimum_enterprises=3, p_share=0.1, protection_share=0.1)


def make_table(totals: Sequence[float], unsafe: Sequence[int] = (), unplaced: float = 0.0, is_unplaced_unsafe: bool = False) -> Table:
    values = np.array(totals, dtype=np.float64)
    is_primary = np.isin(np.arange(len(values)), unsafe)
    codes = tuple(f"{place + 11}0000" for place in range(len(values)))
    return Table(codes, values, is_primary, float(values.sum() + unplaced), False, unplaced, is_unplaced_unsafe)


def publish(table: Table, suppressed: Flags) -> Publication:
    cells = list(zip((*table.provinces, COUNTRY), table.weights.tolist(), suppressed, strict=True))
    return Publication(
        {code: total for code, total, hidden in cells if not hidden},
        {code: total for code, total, hidden in cells if hidden},
        table.unplaced,
        table.is_unplaced_unsafe,
    )


def remember(table: Table, suppressed: Flags) -> Version:
    codes, totals = (*table.provinces, COUNTRY), table.weights
    shown, kept = ~suppressed, suppressed
    if table.unplaced:
        codes, totals = (*codes, UNPLACED), np.append(totals, table.unplaced)
        shown, kept = np.append(shown, False), np.append(kept, table.is_unplaced_unsafe)
    return Version(codes, totals, shown, kept)


def recover(*publications: Publication) -> set[tuple[str, float]]:
    """What an attacker finds out; the newest publication comes first."""
    return {(found.province_code, found.truth) for found in solve_bounds({"t": publications}) if found.is_recovered(RULE.protection_share)}


def find_least(table: Table, earlier: Sequence[Publication] = (), told: frozenset[tuple[str, float]] = frozenset()) -> float:
    """The least total that any safe choice loses, by trying all of them."""
    losses = []
    for bits in itertools.product([False, True], repeat=len(table.weights)):
        choice = np.array(bits)
        loss = float(table.weights[choice].sum())
        if (table.primary & ~choice).any() or (losses and loss >= min(losses)) or recover(publish(table, choice)):
            continue
        if not earlier or recover(publish(table, choice), *earlier) <= told:
            losses.append(loss)
    return min(losses)


# Primary rules


def test_few_enterprises_and_a_dominant_one_make_a_cell_unsafe() -> None:
    cells = Cells(
        enterprise_count=np.array([2, 3, 3, 4, 3]),
        total=np.array([100.0, 109.9, 110.0, 0.0, 100.0]),
        largest=np.array([50.0, 100.0, 100.0, 0.0, 40.0]),
        second=np.array([50.0, 0.0, 0.0, 0.0, 35.0]),
    )
    assert find_primary(cells, RULE)[:2] == ["primary_threshold", "primary_p_percent"]
    assert find_primary(cells, RULE)[3:] == [None, None], "who has no output gives nothing away"
    assert find_primary(cells, Rule(4, 0.1, 0.1))[4] == "primary_threshold", "the thresholds are data"


# One release


def test_primary_suppression_alone_and_with_the_smallest_sibling_is_recovered_and_the_choice_is_not() -> None:
    table = make_table([100, 3, 20, 40], unsafe=[0])
    alone = np.array([True, False, False, False, False])
    with_smallest = np.array([True, True, False, False, False])
    assert recover(publish(table, alone)) == {("110000", 100.0)}
    assert ("110000", 100.0) in recover(publish(table, with_smallest)), "3 t cannot hide 100 t"
    choice = choose_suppressed(table, RULE)
    assert choice.suppressed.tolist() == [True, False, True, False, False]
    assert choice.how == EXACT
    assert not recover(publish(table, choice.suppressed))


def test_country_is_withheld_where_the_provinces_cannot_hide_a_cell() -> None:
    table = make_table([100, 6], unsafe=[0])
    choice = choose_suppressed(table, RULE)
    assert choice.suppressed.tolist() == [True, False, True]
    assert not recover(publish(table, choice.suppressed))


def test_enterprises_without_a_province_are_protected_as_a_cell_and_hide_no_other() -> None:
    shown = make_table([50, 60, 8, 10], unplaced=9, is_unplaced_unsafe=True)
    assert recover(publish(shown, np.zeros(5, dtype=bool))) == {("", 9.0)}
    assert choose_suppressed(shown, RULE).suppressed.tolist() == [False, False, True, True, False]
    leaning = make_table([50, 60, 8], unsafe=[0], unplaced=90)
    choice = choose_suppressed(leaning, RULE)
    assert choice.suppressed.tolist() == [True, False, True, False], "8 t, not 90 t that someone may know, must hide 50 t"


def test_cells_without_output_hide_nothing_and_safe_tables_stay_whole() -> None:
    assert choose_suppressed(make_table([10, 0, 20], unsafe=[0]), RULE).suppressed.tolist() == [True, False, True, False]
    whole = choose_suppressed(make_table([10, 20]), RULE)
    assert not whole.suppressed.any() and whole.how == NOTHING
    nothing = choose_suppressed(make_table([0, 0], unsafe=[0]), RULE)
    assert nothing.suppressed.tolist() == [True, False, False]


def test_without_time_everything_is_withheld() -> None:
    table = make_table([100, 3, 20, 40], unsafe=[0])
    released = make_table([90, 5, 20, 41], unsafe=[0])
    before = choose_suppressed(released, RULE).suppressed
    choice = choose_suppressed(table, RULE, [remember(released, before)], seconds=0.0)
    assert choice.how == EVERYTHING and choice.suppressed.all()
    assert not recover(publish(table, choice.suppressed), publish(released, before))


tonnes = st.floats(min_value=0.01, max_value=1e7).map(lambda value: float(f"{value:.6g}"))
tables = st.integers(min_value=1, max_value=6).flatmap(
    lambda count: st.builds(
        make_table,
        st.lists(tonnes | st.just(0.0), min_size=count, max_size=count).filter(any),
        st.sets(st.integers(min_value=0, max_value=count - 1)).map(sorted),
        st.just(0.0) | tonnes,
        st.booleans(),
    )
)


@settings(max_examples=150, deadline=None)
@example(make_table([1.0, 0.25, 0.25], unsafe=[0], unplaced=2.5e6))
@given(tables)
def test_no_cell_of_any_table_is_bounded_and_no_lighter_choice_is_safe(table: Table) -> None:
    choice = choose_suppressed(table, RULE)
    assert not recover(publish(table, choice.suppressed))
    assert choice.how in {EXACT, NOTHING}
    assert float(table.weights[choice.suppressed].sum()) <= find_least(table) * (1 + 1e-6)


@settings(max_examples=150, deadline=None)
@given(tables, st.integers(min_value=0, max_value=127))
def test_plain_sums_and_the_attacker_agree_on_what_is_safe(table: Table, bits: int) -> None:
    """Two derivations that share nothing: one a condition on sums, the other a linear programme."""
    choice = table.primary | np.array([bool(bits >> place & 1) for place in range(len(table.weights))])
    hidden_zero = choice & (table.weights == 0)
    if not hidden_zero.any():  # a withheld 0 can grow in the programme, which the plain sums count for nothing
        assert is_safe(table, choice, RULE) == (not recover(publish(table, choice)))


# Several releases


def test_figure_published_later_does_not_give_away_what_hid_behind_it() -> None:
    """A was hidden by B. Then A gains an enterprise and is safe; B is as it was, and A's old total must not follow from it."""
    first = make_table([100, 20, 40], unsafe=[0])
    before = choose_suppressed(first, RULE).suppressed
    assert before.tolist() == [True, True, False, False]
    second = make_table([130, 20, 40])
    naive = choose_suppressed(second, RULE)
    assert not naive.suppressed.any()
    assert recover(publish(second, naive.suppressed), publish(first, before)) == {("110000", 100.0)}
    choice = choose_suppressed(second, RULE, [remember(first, before)])
    assert choice.suppressed.any()
    assert not recover(publish(second, choice.suppressed), publish(first, before))


def test_figure_known_from_an_earlier_release_hides_nothing() -> None:
    first = make_table([100, 20, 40])
    second = make_table([90, 20, 40], unsafe=[0])
    assert choose_suppressed(second, RULE).suppressed.tolist() == [True, True, False, False]
    choice = choose_suppressed(second, RULE, [remember(first, np.zeros(4, dtype=bool))])
    assert choice.suppressed[-1], "both provinces that could hide it were shown: only the country is left"
    assert not recover(publish(second, choice.suppressed), publish(first, np.zeros(4, dtype=bool)))


def test_unchanged_table_keeps_its_choice_and_what_was_told_is_counted() -> None:
    table = make_table([100, 3, 20, 40], unsafe=[0])
    other = np.array([True, False, False, True, False])
    again = choose_suppressed(table, RULE, [remember(table, other)])
    assert again.suppressed.tolist() == other.tolist() and again.how == UNCHANGED
    shown = choose_suppressed(table, RULE, [remember(table, np.zeros(5, dtype=bool))])
    assert shown.suppressed[0] and shown.lost_count > 0


@st.composite
def histories(draw: st.DrawFn) -> list[Table]:
    count = draw(st.integers(min_value=2, max_value=4))
    totals = draw(st.lists(tonnes, min_size=count, max_size=count))
    made = []
    for _ in range(3):
        unsafe = draw(st.sets(st.integers(min_value=0, max_value=count - 1)))
        made.append(make_table(totals, sorted(unsafe)))
        totals = [draw(st.just(total) | tonnes) for total in totals]
    return made


@settings(max_examples=60, deadline=None)
@given(histories())
def test_no_release_tells_more_of_any_other_and_none_hides_more_than_it_must(history: list[Table]) -> None:
    public: list[Publication] = []
    versions: list[Version] = []
    for table in history:
        told = frozenset(recover(publish(table, np.ones(len(table.weights), dtype=bool)), *public))
        choice = choose_suppressed(table, RULE, versions)
        assert not recover(publish(table, choice.suppressed))
        assert recover(publish(table, choice.suppressed), *public) <= told
        if choice.how == EXACT:
            assert float(table.weights[choice.suppressed].sum()) <= find_least(table, public, told) * (1 + 1e-4)
        public.insert(0, publish(table, choice.suppressed))
        versions.append(remember(table, choice.suppressed))


# All tables


def make_cells(totals: Sequence[float], counts: Sequence[int], year: int = 2024) -> pa.Table:
    """Equal enterprises in provinces, and their country."""
    rows = [
        {
            "product_code": "P", "boundary": "b", "gwp_set": "AR5", "reporting_year": year, "province_code": code, "enterprise_count": count,
            "total_t_co2e": float(total), "largest_t_co2e": float(largest), "second_t_co2e": float(largest),
            "minimum_enterprise_count": 3, "p_share": 0.1, "protection_share": 0.1,
        }
        for code, count, total, largest in [
            *((f"{place + 11}0000", count, total, total / count) for place, (total, count) in enumerate(zip(totals, counts, strict=True))),
            (COUNTRY, sum(counts), sum(totals), max(total / count for total, count in zip(totals, counts, strict=True))),
        ]
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows)
    return table.set_column(3, "reporting_year", table["reporting_year"].cast(pa.int32()))


def test_reasons_are_given_for_each_cell_in_whatever_order_the_rows_come() -> None:
    cells = pa.concat_tables([make_cells([100, 3, 20, 40], [2, 4, 4, 4]), make_cells([10, 20], [5, 5], year=2025)])
    made = suppress_cells(cells, TOTALS.empty_table(), 20.0)
    reasons = {(row["reporting_year"], row["province_code"]): row["suppression_reason"] for row in made.to_pylist()}
    assert reasons[2024, "110000"] == "primary_threshold" and reasons[2024, "130000"] == "complementary"
    assert [key for key, reason in reasons.items() if reason] == [(2024, "110000"), (2024, "130000")]
    assert suppress_cells(cells.take(list(range(len(cells)))[::-1]), TOTALS.empty_table(), 20.0).equals(made)
    assert suppress_cells(cells.slice(0, 0), TOTALS.empty_table(), 20.0).equals(made.slice(0, 0))


def test_what_was_public_is_read_back_and_the_same_table_is_no_new_version() -> None:
    cells = make_cells([100, 3, 20, 40], [2, 4, 4, 4])
    made = suppress_cells(cells, TOTALS.empty_table(), 20.0)
    again = suppress_cells(cells, made.select(TOTALS.names), 20.0)
    assert again["version"] == made["version"] and set(again["choice"].to_pylist()) == {UNCHANGED}
    changed = suppress_cells(make_cells([130, 3, 20, 40], [4, 4, 4, 4]), made.select(TOTALS.names), 20.0)
    assert "complementary" in changed["suppression_reason"].to_pylist()
    assert changed["version"] != made["version"]


@pytest.mark.parametrize(("low", "high", "recovered"), [(90, 110, False), (90.1, 200, True), (0, 109.9, True), (0, 1e9, False)])
def test_interval_is_recovered_when_closer_than_the_share(low: float, high: float, recovered: bool) -> None:
    assert Interval("t", COUNTRY, 100.0, low, high).is_recovered(0.1) is recovered
