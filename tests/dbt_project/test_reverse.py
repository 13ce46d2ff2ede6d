"""What a row is said to move against what a build from the changed rows gives: no miss, no extra, every mart."""

from __future__ import annotations

import logging
import random
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import duckdb
import pytest

from ingest.contract import read_contracts
from warehouse.figures import ChangedFigure, changed_figures
from warehouse.lineage.opened import Opened
from warehouse.lineage.reverse import Change, Reverse, RowUnclear, change_table, find_row, reachable_columns
from warehouse.lineage.steps import EXISTENCE
from warehouse.replay import Replay

pytestmark = pytest.mark.xdist_group("lineage")
SAMPLE, SOAK_SAMPLE, SOAK_BUILDS, TRIES = 12, 220, 6, 60
SEED = 20261031
log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def standing(opened: Opened) -> Reverse:
    """The world as it was built, and nothing run again."""
    tables = {place: f"warehouse.{place}" for place in [*opened.leaves, *opened.graph.models]}
    return Reverse(opened.con, opened.graph, opened.steps, tables)


def draw_changes(opened: Opened, count: int, seed: int, among: Collection[str] | None = None) -> list[Change]:
    """Random cells of random rows, each source in turn (or each of `among`), every fourth time the whole row withheld.

    A cell takes the value of the same column in another row, or a number moved by a tenth: what a delivery could have said.
    """
    chance = random.Random(seed)
    con = opened.con
    sources = []
    for source in read_contracts() if among is None else among:
        rows = con.execute(f"select _sequence, _row_number from warehouse.landing.{source} order by all").fetchall()
        if rows:
            sources.append((source, rows))
    changes = []
    while len(changes) < count:
        source, rows = sources[len(changes) % len(sources)]
        sequence, number = chance.choice(rows)
        if chance.random() < 0.25:
            changes.append(Change(source, sequence, number))
            continue
        contract = read_contracts()[source]
        column = chance.choice([name for name in contract.names if name not in contract.key])
        kind = contract.landing_types()[column]
        place = f"warehouse.landing.{source} where _sequence = {sequence} and _row_number = {number}"
        (own,) = con.execute(f'select "{column}" from {place}').fetchone() or (None,)
        if own is not None and (kind == "DOUBLE" or kind.startswith("DECIMAL")):
            (value,) = con.execute(f'select cast(cast("{column}" * 1.1 as {kind}) as varchar) from {place}').fetchone() or (None,)
        else:
            other_sequence, other_number = chance.choice(rows)
            (value,) = con.execute(
                f'select cast("{column}" as varchar) from warehouse.landing.{source}'
                f" where _sequence = {other_sequence} and _row_number = {other_number}"
            ).fetchone() or (None,)
        changes.append(Change(source, sequence, number, {column: value}))
    return changes


def rebuild_in_process(opened: Opened, change: Change) -> list[ChangedFigure]:
    """Every model from the landed rows, none spared, and every mart compared whole: what the trace spares is not trusted here."""
    with duckdb.connect() as con:
        con.execute(
            f"attach '{opened.con.execute('select path from duckdb_databases() where database_name = ?', ['warehouse']).fetchone()[0]}' as warehouse (read_only)"
        )  # type: ignore[index]
        con.execute("attach ':memory:' as again")
        read = {place: f"warehouse.{place}" for place in opened.leaves}
        read[change.place] = change_table(con, change, read[change.place])
        replay = Replay(con, opened.graph, "again", read)
        replay.run(opened.graph.models.values())
        return [
            figure
            for mart in opened.graph.marts()
            for figure in changed_figures(con, f"warehouse.{mart.place}", f"again.{mart.place}", mart)
        ]


def rebuild_with_dbt(
    opened: Opened, world_warehouse: Path, change: Change, scratch: Path, run_dbt: Callable[..., object]
) -> list[ChangedFigure]:
    """dbt itself, on a file whose landing holds the changed row."""
    scratch.mkdir()
    warehouse = scratch / "warehouse.duckdb"
    shutil.copyfile(world_warehouse, warehouse)
    with duckdb.connect(str(warehouse)) as con:
        con.execute(f"create temp table rows_as_changed as select * from {change_table(con, change, change.place)}")
        con.execute(f"delete from {change.place}")
        con.execute(f"insert into {change.place} select * from rows_as_changed")
    done = run_dbt(scratch, warehouse, world_warehouse.parent / "project", 2, "run")
    assert done.returncode == 0, done.output  # type: ignore[attr-defined]
    with duckdb.connect() as con:
        con.execute(f"attach '{world_warehouse}' as before (read_only)")
        con.execute(f"attach '{warehouse}' as after (read_only)")
        return [
            figure for mart in opened.graph.marts() for figure in changed_figures(con, f"before.{mart.place}", f"after.{mart.place}", mart)
        ]


def assert_same(traced: list[ChangedFigure], built: list[ChangedFigure], change: Change) -> None:
    missed = {repr(figure.place) for figure in built} - {repr(figure.place) for figure in traced}
    extra = {repr(figure.place) for figure in traced} - {repr(figure.place) for figure in built}
    assert (missed, extra) == (set(), set()), change
    assert [repr(figure) for figure in traced] == [repr(figure) for figure in built], change


def assert_reachable(opened: Opened, change: Change, moved: list[ChangedFigure]) -> None:
    """The columns that the lineage lets a change reach hold every figure that it moved; under another key a row is another row."""
    reached = reachable_columns(opened.steps, change.place, change.cells or [EXISTENCE])
    for figure in moved:
        columns = reached.get(opened.steps.final[f"marts.{figure.mart}"], set())
        assert columns & {figure.column, EXISTENCE, *(name for name, _ in figure.key)}, (change, figure)


def in_order(opened: Opened, figures: list[ChangedFigure]) -> list[ChangedFigure]:
    order = [mart.name for mart in opened.graph.marts()]
    return sorted(figures, key=lambda figure: order.index(figure.mart))


def compare(opened: Opened, standing: Reverse, changes: Iterable[Change]) -> Counter[str]:
    """Each change traced and built; gives how many of them each mart was moved by."""
    touched: Counter[str] = Counter()
    for number, change in enumerate(changes):
        traced = standing.changed_figures(change)
        assert_same(in_order(opened, traced), in_order(opened, rebuild_in_process(opened, change)), change)
        assert_reachable(opened, change, traced)
        touched.update({figure.mart for figure in traced})
        log.info("%d: %s: %d figures in %s", number, change, len(traced), sorted({figure.mart for figure in traced}))
    return touched


def changes_until_moved(opened: Opened, standing: Reverse, mart: str, seed: int) -> list[Change]:
    """Random changes of the sources that reach a mart, up to the first that moves it: few random cells do."""
    final = opened.steps.final[f"marts.{mart}"]
    sources = [source for source in read_contracts() if final in reachable_columns(opened.steps, f"landing.{source}", [EXISTENCE])]
    changes = draw_changes(opened, TRIES, seed, sources)
    for count, change in enumerate(changes, 1):
        if mart in {figure.mart for figure in standing.changed_figures(change)}:
            return changes[:count]
    raise AssertionError(f"{mart}: moved by none of {TRIES} changes of {sources}")


def test_figures_that_a_row_moves_are_those_of_a_rebuild(opened: Opened, standing: Reverse) -> None:
    touched = compare(opened, standing, draw_changes(opened, SAMPLE, SEED))
    assert len(touched) >= 5, touched


def test_dbt_itself_moves_the_same_figures(
    opened: Opened, standing: Reverse, world_warehouse: Path, tmp_path: Path, run_dbt: Callable[..., object]
) -> None:
    (row,) = opened.con.execute(
        "select struct_pack(s := _sequence, n := _row_number) from warehouse.landing.product_footprint"
        " where output_quantity is not null order by output_quantity desc, _sequence, _row_number limit 1"
    ).fetchall()
    change = Change("product_footprint", row[0]["s"], row[0]["n"], {"total_kg_co2e": "0.5"})
    traced = standing.changed_figures(change)
    assert len({figure.mart for figure in traced}) >= 4
    assert_same(
        in_order(opened, traced), in_order(opened, rebuild_with_dbt(opened, world_warehouse, change, tmp_path / "dbt", run_dbt)), change
    )


@pytest.mark.soak
def test_over_two_hundred_cells_every_mart_is_moved_as_traced(opened: Opened, standing: Reverse, tell: Callable[..., None]) -> None:
    """Cells of every source in turn; then, for each mart that none of them moved, cells of what reaches it until one does."""
    touched = compare(opened, standing, draw_changes(opened, SOAK_SAMPLE, SEED + 1))
    cells = SOAK_SAMPLE
    sought = [mart.name for mart in opened.graph.marts() if mart.name not in touched]
    for place, mart in enumerate(sought):
        if mart not in touched:
            changes = changes_until_moved(opened, standing, mart, SEED + 100 + place)
            touched.update(compare(opened, standing, changes))
            cells += len(changes)
    assert {mart.name for mart in opened.graph.marts()} == set(touched)
    tell(cells=cells, missed_or_extra=0, moved_only_when_sought=sought, cells_that_moved_each_mart=dict(sorted(touched.items())))


@pytest.mark.soak
def test_dbt_moves_the_same_figures_for_random_cells(
    opened: Opened, standing: Reverse, world_warehouse: Path, tmp_path: Path, run_dbt: Callable[..., object]
) -> None:
    for number, change in enumerate(draw_changes(opened, SOAK_BUILDS, SEED + 2)):
        built = rebuild_with_dbt(opened, world_warehouse, change, tmp_path / str(number), run_dbt)
        assert_same(in_order(opened, standing.changed_figures(change)), in_order(opened, built), change)


def test_row_that_is_not_there_or_cannot_be_so_is_told(opened: Opened) -> None:
    file, number = opened.con.execute("select _source_file, _row_number from warehouse.landing.loan limit 1").fetchone() or ("", 0)
    change = find_row(opened.con, opened.leaves, file, number)
    assert (change.source, change.row_number) == ("loan", number)
    assert find_row(opened.con, opened.leaves, f"#{change.sequence}", number) == change
    for faulty, key in (
        (lambda: find_row(opened.con, opened.leaves, file, 10**8), "reverse.no_row"),
        (lambda: find_row(opened.con, opened.leaves, "'; drop table x; --", 1), "reverse.no_row"),
        (lambda: change_table(opened.con, Change("loan", 1, 1, {"secret": "1"}), "warehouse.landing.loan"), "reverse.no_column"),
        (lambda: change_table(opened.con, Change("loan", 1, 1, {"_sequence": "1"}), "warehouse.landing.loan"), "reverse.no_column"),
        (lambda: change_table(opened.con, Change("loan", 1, 1, {"as_of": "tomorrow"}), "warehouse.landing.loan"), "reverse.no_value"),
    ):
        with pytest.raises(RowUnclear) as caught:
            faulty()
        assert caught.value.key == key
