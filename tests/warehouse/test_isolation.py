"""A code of somebody else in an audience's file stops the release, wherever in the file it stands and whoever the audience is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from warehouse import isolation
from warehouse.isolation import judge_files
from warehouse.probes import Probes

from .planted import ABROAD, BANK, FOREIGN, OTHER_BANK, OWN, Files, plant_files


def search(files: Files) -> list[str]:
    """What the gate finds in the files."""
    result = judge_files(files.policy, files.audiences, files.build, files.folder)
    assert result.success == (not result.failures)
    assert all(failure.severity == "critical" for failure in result.failures)
    return [f"{failure.check}: {failure.observed}" for failure in result.failures]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return plant_files(tmp_path_factory.mktemp("isolation"))


@pytest.fixture
def files(written: Files, tmp_path: Path) -> Files:
    return Files(written.policy, written.build, Path(shutil.copytree(written.folder, tmp_path / "files")), written.audiences)


def test_files_of_the_policy_pass_and_what_was_searched_is_counted(written: Files) -> None:
    """Whoever is called like a product, or names a loan like a year, stops no release by it."""
    result = judge_files(written.policy, written.audiences, written.build, written.folder)
    assert (result.success, result.failures) == (True, ())
    assert result.rows_examined == 4 + (1 + 2 + 1) + 9 * (1 + 2), (
        "prices in all four files, rows of both banks and the region, years of both banks"
    )
    assert result.checks_run == 4 * 2 + 3 * 5 + 2 * 2


FAULTS: dict[str, tuple[str, str]] = {
    "a row of somebody else": (f"insert into marts.rows values ('{FOREIGN}', null, 'x', 2024, null, null)", FOREIGN),
    "a code nobody knows": ("insert into marts.rows values ('91999999999999999X', null, 'x', 2024, null, null)", "91999999999999999X"),
    "half of a compound code": (f"update marts.rows set subject_id = subject_id || '|D-{FOREIGN}'", f"D-{FOREIGN}"),
    "in another case": (f"update marts.prices set remark = lower('{FOREIGN}')", FOREIGN.lower()),
    "within a sentence": (f"update marts.prices set remark = '见{FOREIGN}，其余无'", FOREIGN.lower()),
    "within JSON": (f"""update marts.rows set evidence = '{{"a": [{{"b": "{FOREIGN}"}}]}}'""", FOREIGN.lower()),
    "as a key of JSON": (f"""update marts.rows set evidence = '{{"{FOREIGN}": 1}}'""", FOREIGN.lower()),
    "escaped in JSON": (r"""update marts.rows set evidence = '{"a": "name:Acme \"\u00d6l\" AG"}'""", ABROAD.lower()),
    "within a list": (f"update marts.rows set list = ['x', '{FOREIGN}']", FOREIGN.lower()),
    "in a column of its own": (f"alter table marts.prices add column note varchar default 'loan L-00000017 of {BANK[:5]}'", "l-00000017"),
    "a name": ("update marts.prices set remark = 'Acme Oil AG'", "acme oil ag"),
    "a name within a sentence": ("update marts.prices set remark = 'seller: Acme Oil AG.'", "acme oil ag"),
    "another bank": (f"update marts.prices set remark = 'account at {OTHER_BANK}'", OTHER_BANK.lower()),
}


@pytest.mark.parametrize("member", [BANK, "320000"])
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_code_of_somebody_else_is_found(files: Files, fault: str, member: str) -> None:
    statement, code = FAULTS[fault]
    (audience,) = [audience for audience in files.audiences if audience.member == member]
    with duckdb.connect(str(files.folder / audience.file_name)) as con:
        con.execute(statement)
    found = search(files)
    assert len(found) == 1 and "foreign_code" in found[0]
    assert audience.name in found[0] and code in found[0]


@pytest.mark.parametrize("code", [OWN, FOREIGN, ABROAD, BANK, f"D-{OWN}", "Acme Oil AG"])
@pytest.mark.parametrize("place", ["whole", "within"])
def test_public_file_names_nobody(files: Files, code: str, place: str) -> None:
    with duckdb.connect(str(files.folder / "public.duckdb")) as con:
        con.execute("update marts.prices set remark = ?", [code if place == "whole" else f"see {code}."])
    found = search(files)
    assert len(found) == 1 and "public: prices.remark" in found[0] and code.lower() in found[0]


def test_own_code_is_no_finding_though_a_shorter_one_of_somebody_else_stands_in_it(files: Files) -> None:
    """Whoever is called like the beginning of another's code stops no release by it; beside it his own code is found."""
    build = files.folder / "warehouse.duckdb"
    shutil.copyfile(files.build, build)
    with duckdb.connect(str(build)) as con:
        con.execute(f"insert into staging.stg_enterprises values ('{OWN[:12]}', 'x')")
    (bank,) = [audience for audience in files.audiences if audience.member == BANK]
    other = Files(files.policy, build, files.folder, files.audiences)
    assert search(other) == []
    with duckdb.connect(str(files.folder / bank.file_name)) as con:
        con.execute(f"update marts.prices set remark = '{OWN} and {OWN[:12]}.'")
    assert [OWN[:12].lower() in found for found in search(other)] == [True]


@pytest.mark.parametrize("word", ["compliant", "CEA24", "production"])
def test_nobody_stops_a_release_by_calling_himself_a_word_of_the_warehouse(files: Files, word: str) -> None:
    """A status, an instrument, an activity: whoever is registered under such a name is not told by it."""
    build = files.folder / "warehouse.duckdb"
    shutil.copyfile(files.build, build)
    with duckdb.connect(str(build)) as con:
        con.execute("insert into staging.stg_enterprises values ('91999999999999999X', ?)", [word])
        con.execute("insert into reference.product_catalogue values ('production', '生产')")
    with duckdb.connect(str(files.folder / "public.duckdb")) as con:
        con.execute("update marts.prices set remark = ?", [word])
    assert search(Files(files.policy, build, files.folder, files.audiences)) == []


SHAPES: dict[str, Callable[[duckdb.DuckDBPyConnection], object]] = {
    "another table": lambda con: con.execute("create table marts.finance__borrowers as select 1 as x"),
    "another schema": lambda con: con.execute("create schema staging; create table staging.prices as select 1 as x"),
    "a view": lambda con: con.execute("create view marts.other as select 1 as x"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["public", "bank", "region"])
def test_table_that_the_policy_does_not_give_is_found(files: Files, shape: str, kind: str) -> None:
    audience = next(audience for audience in files.audiences if audience.kind == kind)
    with duckdb.connect(str(files.folder / audience.file_name)) as con:
        SHAPES[shape](con)
    found = search(files)
    assert len(found) == 1 and "foreign_table" in found[0] and audience.name in found[0]


def test_nothing_searched_is_a_failure(files: Files) -> None:
    assert not judge_files(files.policy, [], files.build, files.folder).success
    for audience in files.audiences:
        if audience.kind != "ministry":
            with duckdb.connect(str(files.folder / audience.file_name)) as con:
                tables = con.execute("select table_name from duckdb_tables()").fetchall()
                for (table,) in tables:
                    con.execute(f'delete from marts."{table}"')
    emptied = judge_files(files.policy, files.audiences, files.build, files.folder)
    assert (emptied.success, emptied.rows_examined) == (False, 0)


def without(text: str, *parts: str) -> str:
    """A query with parts taken out, each of which must stand in it."""
    for part in parts:
        assert part in text
        text = text.replace(part, "")
    return text


def swap(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


_ALL_KINDS, _STRANGE = isolation._text_columns, isolation._strange_tables
TAKEN_AWAY: dict[str, tuple[str, object]] = {
    "tables against the policy": ("_strange_tables", lambda *_: []),
    "tables of other schemas": (
        "_strange_tables",
        lambda con, catalog, policy, kind: [name for name in _STRANGE(con, catalog, policy, kind) if name.startswith("marts.")],
    ),
    "the reading of the files": ("_read_cells", lambda *_: (1, 1)),
    "columns of lists": ("_text_columns", lambda *given: [each for each in _ALL_KINDS(*given) if each[1] != "list"]),
    "columns of JSON": ("_text_columns", lambda *given: [each for each in _ALL_KINDS(*given) if each[0] != "in_a_json_column"]),
    "values within JSON": (
        "_PIECES",
        swap(isolation._PIECES, "select d.value, j.atom ->> '$' as piece", "select d.value, null::varchar as piece"),
    ),
    "keys of JSON": ("_PIECES", swap(isolation._PIECES, "select d.value, j.key", "select d.value, null::varchar")),
    "texts that are no JSON": (
        "_PIECES",
        without(isolation._PIECES, "    union select value, value from texts where value not in (select value from documents)\n"),
    ),
    "another case": ("_PIECES", swap(isolation._PIECES, "lower(piece) as piece", "piece")),
    "codes inside of texts": ("_MATCHES", swap(isolation._MATCHES, "wanted.code = grams.gram", "false")),
    "short names": ("_MATCHES", swap(isolation._MATCHES, f"then {isolation._SHORTEST_NAME}", f"then {isolation._SHORTEST_CODE}")),
    "names altogether": ("_MATCHES", swap(isolation._MATCHES, "from sought group by", "from sought where kind <> 'name' group by")),
    "codes of somebody else": (
        "_FOREIGN",
        swap(isolation._FOREIGN, "where not exists (select 1 from held", "where false and not exists (select 1 from held"),
    ),
    "codes beside one's own": (
        "_FOREIGN",
        without(
            isolation._FOREIGN, " and owned.starts_at <= told.starts_at and owned.starts_at + owned.width >= told.starts_at + told.width"
        ),
    ),
    "codes nobody knows": ("_STRANGE_CODES", f"{isolation._STRANGE_CODES} and false"),
    "parts of compound codes": (
        "_STRANGE_CODES",
        swap(isolation._STRANGE_CODES, "unnest(string_split(value, '|'))", "string_split(value, '|')[1]"),
    ),
    "columns of codes": ("_CODE_COLUMN", re.compile("nothing")),
    "all of it": ("_find_foreign", lambda _: []),
}


@pytest.mark.parametrize("check", TAKEN_AWAY)
def test_gate_notices_each_check_that_is_taken_away(written: Files, monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    """On files that are as they should be: only the probes can tell that the search no longer looks everywhere."""
    name, instead = TAKEN_AWAY[check]
    monkeypatch.setattr(isolation, name, instead)
    result = judge_files(written.policy, written.audiences, written.build, written.folder)
    assert not result.success
    assert [failure.check for failure in result.failures] == ["audiences.isolation.probe_missed"]
    assert result.failures[0].severity == "critical" and result.failures[0].observed


def test_probes_stop_no_release_whoever_is_registered() -> None:
    """Their codes are drawn anew each time: no two runs share one."""
    first, second = Probes(), Probes()
    assert not {code for *_, code in first.tables().values()} & {code for *_, code in second.tables().values()}
    assert first.missed(set(), set())
