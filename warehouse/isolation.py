"""The last gate before publication: every audience's file is searched for codes that belong to somebody else.

It does not trust the policy that wrote the files. In columns that hold codes each one must be the audience's own; in every other text,
JSON within it included, no code of somebody else may stand, however it is embedded.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import duckdb
import yaml

from expectations.gate import Failure, GateResult
from ingest.contract import Message, read_contracts
from warehouse.audience import Audience, Policy, hold_codes, quoted
from warehouse.audience_files import opened_build
from warehouse.build import PROJECT
from warehouse.probes import CATALOG, READER, Probes

SUITE = "audiences.isolation"
_CODE_COLUMN = re.compile(r".*_(id|no|account)")
# Codes that tell of nobody: the release's own, and those of published lists.
_OF_NOBODY = {"release_id", "parent_release_id", "factor_id", "task_no", "line_no"}
_NO_TEXT = re.compile(r"(DECIMAL|HUGEINT|UHUGEINT|U?(TINY|SMALL|BIG)?INT(EGER)?|DOUBLE|FLOAT|BOOLEAN|DATE|TIME.*)(\(.*\))?")
# Shorter codes are too like words to be looked for inside sentences; a cell or a part of a code that is one of them is still found.
_SHORTEST_CODE, _SHORTEST_NAME = 8, 5
_SHOWN = 20
# A number or a date is no sign of anybody, whoever uses one as a code: cells full of figures would name him everywhere.
_FIGURE = r"[0-9.,+-]{1,11}|[0-9]{4}-[0-9]{2}(-[0-9]{2}.*)?"

_MESSAGES = {
    "foreign_code": Message("文件中有不属于该读者的编号", "the file holds a code that is not its reader's"),
    "foreign_table": Message("文件中的表与策略不符", "the tables of the file are not those of the policy"),
    "probe_missed": Message("为检验检索而埋设的编号未被找出", "a code planted to try the search itself was not found"),
}


def _text_columns(con: duckdb.DuckDBPyConnection, catalog: str) -> list[tuple[str, str]]:
    columns = con.execute(
        "select table_name, column_name, data_type from duckdb_columns() where database_name = ? order by 1, column_index", [catalog]
    ).fetchall()
    return [(table, column) for table, column, kind in columns if not _NO_TEXT.fullmatch(kind)]


def _read_cells(con: duckdb.DuckDBPyConnection, number: int, catalog: str) -> tuple[int, int]:
    """Put the distinct texts of one attached file into `cells`; gives how many columns were read and how many rows they have."""
    columns = _text_columns(con, catalog)
    if columns:
        union = " union all ".join(
            f'select {number}, {quoted(table)}, {quoted(column)}, cast("{column}" as varchar), count(*)'
            f' from {catalog}.marts."{table}" where "{column}" is not null group by 4'
            for table, column in columns
        )
        con.execute(f"insert into cells {union}")
    tables = sorted({table for table, _ in columns})
    rows = [con.execute(f'select count(*) from {catalog}.marts."{table}"').fetchone() or (0,) for table in tables]
    return len(columns), sum(int(row[0]) for row in rows)


def _strange_tables(con: duckdb.DuckDBPyConnection, catalog: str, policy: Policy, kind: str) -> list[str]:
    """Objects of a file that the policy does not give its kind of audience."""
    objects = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = $1"
        " union all select schema_name || '.' || view_name from duckdb_views() where database_name = $1 and not internal",
        [catalog],
    ).fetchall()
    faults = []
    for (name,) in objects:
        schema, _, table = name.partition(".")
        choice = policy.choice(kind, table)
        if schema != "marts" or choice is None or not choice.included:
            faults.append(name)
    return faults


_PIECES = """
create or replace temp table pieces as
with texts as (select distinct value from cells where not is_code union select value from vocabulary),
documents as (select value from texts where value[1] in ('{', '[') and json_valid(value)),
leaves as (
    select d.value, j.atom ->> '$' as piece from documents d, json_tree(d.value) j
    union select d.value, j.key from documents d, json_tree(d.value) j
    union select value, value from texts where value not in (select value from documents)
)
select distinct value, lower(piece) as piece from leaves where piece is not null and piece <> ''
"""

# Where which code stands: as a whole piece, or inside one. A piece of n letters has at most n substrings of each length that a code has,
# so finding them is one join, however many codes there are; a piece that stands in many texts is cut up once.
_MATCHES = f"""
create or replace temp table matches as
with wanted as (select distinct lower(code) as code, length(code) as width, min(kind) as kind from sought group by 1, 2),
inside as (
    select distinct width from wanted where width >= case when kind = 'name' then {_SHORTEST_NAME} else {_SHORTEST_CODE} end
),
distinct_pieces as (select distinct piece from pieces),
grams as (
    select distinct_pieces.piece, starts.i as starts_at, inside.width, substr(distinct_pieces.piece, starts.i, inside.width) as gram
    from distinct_pieces
    inner join inside on length(distinct_pieces.piece) > inside.width
    cross join lateral (select unnest(range(1, length(distinct_pieces.piece) - inside.width + 2)) as i) starts
),
hits as (
    select distinct_pieces.piece, 1 as starts_at, wanted.width, wanted.code
    from distinct_pieces inner join wanted on wanted.code = distinct_pieces.piece
    union all
    select grams.piece, grams.starts_at, grams.width, wanted.code
    from grams inner join wanted on wanted.code = grams.gram and wanted.width = grams.width
)
select pieces.value, hits.piece, hits.starts_at, hits.width, hits.code
from hits inner join pieces on pieces.piece = hits.piece
"""

# A code of somebody else that is only a part of one's own longer code tells nothing.
_FOREIGN = """
create or replace temp table foreign_texts as
with told as (
    select distinct cells.audience, cells.mart, cells.col, matches.*
    from cells inner join matches on matches.value = cells.value
    where not cells.is_code
),
owned as (select told.* from told inner join held on held.audience = told.audience and held.code = told.code)
select distinct told.audience, told.mart, told.col, told.code
from told
where not exists (select 1 from held where held.audience = told.audience and held.code = told.code)
and not exists (
    select 1 from owned
    where owned.audience = told.audience and owned.mart = told.mart and owned.col = told.col and owned.value = told.value
    and owned.piece = told.piece and owned.starts_at <= told.starts_at and owned.starts_at + owned.width >= told.starts_at + told.width
)
"""

# Two conditions, each with a key: one for either text would compare every text with every code.
_STRANGE_CODES = f"""
select distinct parts.audience, parts.mart, parts.col, parts.part
from (
    select audience, mart, col, value, unnest(string_split(value, '|')) as part from cells where is_code
) parts
where parts.part <> '' and not (parts.part <> parts.value and regexp_full_match(parts.part, '{_FIGURE}'))
and not exists (select 1 from held where held.audience = parts.audience and held.code = lower(parts.part))
and not exists (select 1 from held where held.audience = parts.audience and held.code = lower(parts.value))
"""


def _list_statuses() -> list[str]:
    """The values that the marts' own columns may take: `compliant`, `draft`, … A name of that form tells of nobody."""
    statuses: set[str] = set()
    for path in sorted((PROJECT / "models" / "marts").rglob("*.yml")):
        queue = [yaml.safe_load(path.read_text(encoding="utf-8"))]
        while queue:
            node = queue.pop()
            if isinstance(node, dict):
                accepted = node.get("accepted_values")
                if isinstance(accepted, dict):
                    statuses |= {str(value) for value in accepted.get("values") or accepted.get("arguments", {}).get("values", ())}
                queue += node.values()
            elif isinstance(node, list):
                queue += node
    return sorted(statuses)


def _list_vocabulary(con: duckdb.DuckDBPyConnection) -> None:
    """Table `vocabulary`: texts everybody may read anyway, the reference lists', the market's, the sources' titles and the marts' own
    words. Who calls himself by a word of them is not told by it, and cannot stop a release with his name.
    """
    con.execute("create or replace temp table vocabulary (value varchar)")
    columns = con.execute(
        "select table_name, column_name from duckdb_columns() where schema_name = 'reference' and database_name = current_database()"
        " and data_type = 'VARCHAR'"
    ).fetchall()
    for table, column in columns:
        con.execute(f'insert into vocabulary select distinct "{column}" from reference."{table}" where "{column}" is not null')
    con.execute("insert into vocabulary select distinct unnest([market, instrument, trade_method]) from staging.stg_market_quotes")
    con.execute("insert into vocabulary select distinct unnest([market, instrument, trade_method]) from staging.stg_market_trades")
    words = _list_statuses()
    for contract in read_contracts().values():
        words += [contract.source, contract.title.zh, contract.title.en]
    con.executemany("insert into vocabulary values (?)", [[word] for word in words])


def _find_foreign(con: duckdb.DuckDBPyConnection) -> list[tuple[int, str, str, str]]:
    con.execute(f"create or replace temp table sought as select kind, code from codes where not regexp_full_match(code, '{_FIGURE}')")
    con.execute(_PIECES)
    con.execute(_MATCHES)
    con.execute("delete from matches where code in (select m.code from matches m inner join vocabulary v on v.value = m.value)")
    con.execute(_FOREIGN)
    found = con.execute("select audience, mart, col, code from foreign_texts order by all").fetchall()
    return found + con.execute(f"{_STRANGE_CODES} order by all").fetchall()


def _mark_code_columns(con: duckdb.DuckDBPyConnection) -> None:
    code_columns = [
        column
        for (column,) in con.execute("select distinct col from cells").fetchall()
        if _CODE_COLUMN.fullmatch(column) and column not in _OF_NOBODY
    ]
    con.execute("alter table cells add column is_code boolean")
    con.execute("update cells set is_code = list_contains(?, col)", [code_columns])


def judge_files(policy: Policy, audiences: list[Audience], build: Path, folder: Path) -> GateResult:
    """Search the files of all audiences but those that take everything. Nothing searched is a failure, as in every gate, and so is a
    search that does not find what is planted for it (see `Probes`).
    """
    began = time.monotonic()
    limited = [audience for audience in audiences if not policy.kinds[audience.kind].takes_all]
    columns = rows = 0
    strange: list[str] = []
    probes = Probes()
    with opened_build(build) as con:
        hold_codes(policy, con)
        con.execute("create temp table cells (audience integer, mart varchar, col varchar, value varchar, row_count bigint)")
        con.execute("create temp table held (audience integer, code varchar)")
        for number, audience in enumerate(limited):
            con.execute(f"attach {quoted(str(folder / audience.file_name))} as scanned (read_only)")
            read, counted = _read_cells(con, number, "scanned")
            columns, rows = columns + read, rows + counted
            strange += [f"{audience.name}: {name}" for name in _strange_tables(con, "scanned", policy, audience.kind)]
            con.execute("detach scanned")
            con.execute(
                "insert into held select distinct ?, lower(code) from held_codes where audience_kind = ? and member = ?",
                [number, audience.kind, audience.member],
            )
        probes.plant(con)
        _read_cells(con, READER, CATALOG)
        planted = {
            name for kind in policy.kinds.values() if not kind.takes_all for name in _strange_tables(con, CATALOG, policy, kind.name)
        }
        _mark_code_columns(con)
        _list_vocabulary(con)
        told = _find_foreign(con)
    missed = probes.missed({(mart, code) for number, mart, _, code in told if number == READER}, planted)
    foreign = [f"{limited[number].name}: {mart}.{column}: {code}" for number, mart, column, code in told if number != READER]
    found = {"foreign_code": foreign, "foreign_table": strange, "probe_missed": missed}
    failures = tuple(
        Failure(
            f"{SUITE}.{code}",
            "critical",
            _MESSAGES[code],
            "; ".join(places[:_SHOWN]) + (f" (+{len(places) - _SHOWN})" if len(places) > _SHOWN else ""),
        )
        for code, places in found.items()
        if places
    )
    return GateResult(SUITE, not failures and rows > 0 and columns > 0, columns, rows, failures, round(time.monotonic() - began, 3))
