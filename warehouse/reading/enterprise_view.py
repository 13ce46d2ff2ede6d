"""What an enterprise may see of a release: its own rows, and of others only what is public or a percentile of a cell that is.

Enterprises are too many for a file each in every release, so the file is made from the ministry's when it is asked for, and is then all
that the reader's report, export or page reads.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

_OWN_DISCLOSURES = "disclosure_id in (select disclosure_id from own_disclosures)"
# Mart -> which rows; `public_cells` are the country's cells that disclosure control let be published, of five enterprises or more.
RULES: dict[str, str] = {
    "footprint__products": "enterprise_id = $member",
    "footprint__labelled_products": "enterprise_id = $member",
    # One's own inputs; what lies beyond a supplier is the supplier's.
    "footprint__contributions": f"path_depth = 0 and contribution_kind = 'factor' and {_OWN_DISCLOSURES}",
    "footprint__factor_impacts": _OWN_DISCLOSURES,
    "ets__positions_by_year": "enterprise_id = $member",
    "ets__product_costs_by_year": "enterprise_id = $member",
    "ccer__findings": "enterprise_id = $member",
    "eia__assessments": "enterprise_id = $member",
    "footprint__sectors_by_year_public": "true",
    "ets__prices_by_day": "true",
    "ets__prices_by_year": "true",
    "policy__target_progress_by_month": "true",
    "policy__target_forecasts": "true",
    "footprint__benchmarks_by_year": (
        "tier_basis = 'percentiles' and (product_code, boundary, gwp_set, reporting_year) in (select * from public_cells)"
        " and (product_code, boundary, gwp_set, reporting_year) in (select * from own_cells)"
    ),
    "release__summary": "true",
}
# Columns that would tell of somebody else, as in the files of banks and regions.
REPLACED: dict[str, dict[str, str]] = {
    "ccer__findings": {"evidence": "case when rule_code <> 'legacy_expired' then evidence end"},
    "eia__assessments": {
        name: f"case when (product_code, 'cradle_to_gate', gwp_set, benchmark_year) in (select * from public_cells) then {name} end"
        for name in ("gap_to_p50_ratio", "percentile_rank")
    },
}
_PUBLIC_CELLS = (
    "select product_code, boundary, gwp_set, reporting_year from file.marts.footprint__sectors_by_year_public "
    "where province_code = '000000' and suppression_reason is null and enterprise_count >= 5"
)


def nearest_enterprises(ministry: Path, member: str, count: int = 3) -> list[str]:
    """Codes of enterprises that a release knows, those most like `member`."""
    query = (
        "select enterprise_id from (select distinct enterprise_id from marts.footprint__products)"
        " order by levenshtein(enterprise_id, ?), enterprise_id limit ?"
    )
    with duckdb.connect(str(ministry), read_only=True) as con:
        return [row[0] for row in con.execute(query, [member, count]).fetchall()]


def write_enterprise_view(ministry: Path, member: str, target: Path) -> bool:
    """Write the enterprise's file; False (and no file) where the release knows nothing of it."""
    with duckdb.connect(str(target)) as con:
        con.execute(f"attach '{str(ministry).replace(chr(39), chr(39) * 2)}' as file (read_only)")
        there = {
            name
            for (name,) in con.execute(
                "select table_name from duckdb_tables() where database_name = 'file' and schema_name = 'marts'"
            ).fetchall()
        }
        con.execute("create schema marts")
        con.execute(
            "create temp table own_disclosures as select disclosure_id, product_code, boundary, gwp_set, reporting_year"
            " from file.marts.footprint__products where enterprise_id = $member",
            {"member": member},
        )
        con.execute("create temp table own_cells as select distinct product_code, boundary, gwp_set, reporting_year from own_disclosures")
        con.execute(f"create temp table public_cells as {_PUBLIC_CELLS}")
        found = 0
        for mart, rule in RULES.items():
            if mart in there:
                values = {"member": member} if "$member" in rule else {}
                changed = ", ".join(f"{sql} as {name}" for name, sql in REPLACED.get(mart, {}).items())
                columns = f"* replace ({changed})" if changed else "*"
                con.execute(f'create table marts."{mart}" as select {columns} from file.marts."{mart}" where {rule} order by all', values)
                if "$member" in rule:
                    found += int((con.execute(f'select count(*) from marts."{mart}"').fetchone() or (0,))[0])
        # One's own place in a cell that is withheld would tell of the others in it.
        con.execute(
            "create table marts.footprint__product_tiers as select * exclude (is_shown) replace ("
            + ", ".join(f"case when is_shown then {name} end as {name}" for name in ("tier", "percentile_rank"))
            + f") from (select *, (product_code, boundary, gwp_set, reporting_year) in (select * from public_cells) as is_shown"
            f" from file.marts.footprint__product_tiers where {_OWN_DISCLOSURES})"
        )
        con.execute("detach file")
        con.execute("checkpoint")
    if not found:
        target.unlink()
    return bool(found)
