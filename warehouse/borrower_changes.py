"""What moved a borrower's green-credit status since the release before: `release__borrower_changes`, a table that the release adds.

It compares two releases, so it is no mart: the same inputs give the same marts whatever was published before, and their hashes too.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

MART = "finance__borrowers"
TABLE = "release__borrower_changes"
_KEY = ("bank_id", "borrower_id")
# Each condition with the columns it rests on, as the evidence of a change names them.
CONDITIONS = {
    "has_good_tier": ("best_tier", "tier_disclosure_id"),
    "has_valid_label": ("label_certificate_no",),
    "is_ets_clear": ("emissions_year", "ets_outstanding_t_co2e"),
    "has_no_ccer_finding": ("ccer_finding_count", "ccer_finding"),
    "has_no_lagging_eia": ("lagging_eia_id",),
}
_NOTHING = (
    "select cast(null as varchar) as bank_id, cast(null as varchar) as borrower_id, cast(null as date) as previous_as_of,"
    " cast(null as date) as as_of, cast(null as varchar) as condition, cast(null as boolean) as is_met_before,"
    " cast(null as boolean) as is_met, cast(null as boolean) as is_eligible_before, cast(null as boolean) as is_eligible,"
    " cast(null as varchar) as previous_evidence, cast(null as varchar) as evidence where false"
)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _list_columns(con: duckdb.DuckDBPyConnection, catalog: str) -> set[str]:
    """Columns of the borrowers' mart in a catalog; none where a release of other code has no such mart."""
    rows = con.execute(
        "select column_name from duckdb_columns() where database_name = ? and schema_name = 'marts' and table_name = ?", [catalog, MART]
    ).fetchall()
    return {name for (name,) in rows}


def _evidence(alias: str, condition: str, there: set[str]) -> str:
    """JSON of the columns behind a condition; a column that a release of older code lacks is null in it."""
    members = ", ".join(f"'{name}', {f'{alias}.{name}' if name in there else 'null'}" for name in CONDITIONS[condition])
    return f"cast(json_object({members}) as varchar)"


def _newest(catalog: str) -> str:
    """Each bank's borrowers on their newest day."""
    key = ", ".join(_KEY)
    return f'select * from "{catalog}".marts.{MART} qualify row_number() over (partition by {key} order by as_of desc) = 1'


def _compare(before: set[str], now: set[str]) -> str:
    kept = "then_.bank_id is not null and now_.bank_id is not null"
    rows = [
        "select coalesce(now_.bank_id, then_.bank_id) as bank_id, coalesce(now_.borrower_id, then_.borrower_id) as borrower_id,"
        f" then_.as_of as previous_as_of, now_.as_of as as_of, '{condition}' as condition, then_.{condition} as is_met_before,"
        f" now_.{condition} as is_met, then_.is_eligible as is_eligible_before, now_.is_eligible as is_eligible,"
        f" {_evidence('then_', condition, before)} as previous_evidence, {_evidence('now_', condition, now)} as evidence"
        f" from joined where {kept} and then_.{condition} is distinct from now_.{condition}"
        for condition in CONDITIONS
        if condition in before and condition in now
    ]
    for other, absent, is_new in (("now_", "then_", "true"), ("then_", "now_", "false")):
        rows.append(
            f"select {other}.bank_id, {other}.borrower_id, then_.as_of, now_.as_of, 'is_borrower', not {is_new}, {is_new},"
            f" then_.is_eligible, now_.is_eligible, null, null from joined where {absent}.bank_id is null"
        )
    # The two sides travel as structs, so that one join serves every condition.
    key = " and ".join(f"t.{name} = n.{name}" for name in _KEY)
    joined = f"select t as then_, n as now_ from ({_newest('parent')}) as t full join ({_newest('build')}) as n on {key}"
    return f"with joined as ({joined}) {' union all '.join(rows)} order by all"


def compare_borrowers(build: Path, parent: Path | None) -> str:
    """SQL of the table: one row per bank, borrower and condition that is another one than in the release before, with its evidence then and
    now. A borrower is compared on its newest day in each; `is_borrower` tells of one that is new or gone.

    Args:
        build: the build's DuckDB file; the rows are kept beside it, since they are needed once for each audience.
        parent: the ministry's file of the release before; None for a first release, which has changed nothing.
    """
    if parent is None or not parent.is_file():
        return _NOTHING
    kept = build.with_name("borrower_changes.parquet")
    with duckdb.connect() as con:
        con.execute(f"attach {_quoted(build)} as build (read_only)")
        con.execute(f"attach {_quoted(parent)} as parent (read_only)")
        before, now = _list_columns(con, "parent"), _list_columns(con, "build")
        if not before or not now:
            return _NOTHING
        con.execute(f"copy ({_compare(before, now)}) to {_quoted(kept)} (format parquet)")
    return f"select * from read_parquet({_quoted(kept)})"
