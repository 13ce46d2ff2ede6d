"""The gate before a public release: a table that only looks protected is refused (methods.md M4, R15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pytest

from expectations.attack import AttackUnsolved, Publication, solve_bounds
from expectations.disclosure import _CHANGES, _FIGURES
from expectations.gate import GateResult

# Four provinces of equal enterprises: 2 of 50 t, 4 of 0.75 t, 4 of 5 t, 4 of 10 t. Only the first is unsafe by itself.
PROVINCES = {"110000": (2, 50.0), "120000": (4, 0.75), "130000": (4, 5.0), "140000": (4, 10.0)}
KEY = "product_code, boundary, gwp_set, reporting_year, province_code"


@pytest.fixture
def write_build(tmp_path: Path) -> Callable[..., Path]:
    """A build of one table in which the given cells are withheld."""

    def write(withheld: Sequence[str], earlier: Sequence[tuple[str, float, bool]] = (), drop: str | None = None) -> Path:
        path = tmp_path / "warehouse.duckdb"
        path.unlink(missing_ok=True)
        with duckdb.connect(str(path)) as connection:
            for schema in ("marts", "intermediate", "landing", "reference"):
                connection.execute(f"create schema {schema}")
            connection.execute(
                "create table marts.footprint__products as select province_code || '-' || number as disclosure_id,"
                " province_code || '-' || number as enterprise_id, 'P' as product_code, 'b' as boundary, 'AR5' as gwp_set,"
                " 2024 as reporting_year, province_code, 1000.0::double as declared_kg_co2e, tonnes::double as output_quantity"
                f" from (values {', '.join(f'({code!r}, {count}, {tonnes})' for code, (count, tonnes) in PROVINCES.items())})"
                " as province (province_code, enterprises, tonnes), range(enterprises) as enterprise (number)"
            )
            figures = ", ".join(
                f"{'sum(output_quantity)' if name == 'total_t_co2e' else '1.0' if name in _FIGURES else 'null::double'} as {name}"
                for name in (*_FIGURES, *_CHANGES)
            )
            connection.execute(
                f"create table marts.footprint__sectors_by_year as select {KEY}, {figures} from (select * from marts.footprint__products"
                " union all select * replace ('000000' as province_code) from marts.footprint__products) group by all"
            )
            listed = ", ".join(f"'{code}'" for code in withheld) or "''"
            shown = ", ".join(f"case when reason is null then {name} end as {name}" for name in (*_FIGURES, *_CHANGES))
            connection.execute(
                f"create table marts.footprint__sectors_by_year_public as select {KEY}, reason as suppression_reason, {shown} from (select *,"
                f" case when province_code in ({listed}) then case province_code when '110000' then 'primary_threshold'"
                " else 'complementary' end end as reason from marts.footprint__sectors_by_year)"
            )
            connection.execute(
                "create table intermediate.int_footprint__contributions_ranked as"
                " select 3 as minimum_enterprise_count, 0.1::double as p_share, 0.1::double as protection_share"
            )
            connection.execute(
                f"create table intermediate.int_footprint__totals_published as select {KEY}, 'before' as version, total_t_co2e, true as"
                " is_published, false as is_protected from marts.footprint__sectors_by_year where false"
            )
            for code, total, is_shown in earlier:
                connection.execute(
                    "insert into intermediate.int_footprint__totals_published values ('P', 'b', 'AR5', 2024, ?, 'before', ?, ?, ?)",
                    [code, total, is_shown, not is_shown],
                )
            if drop is not None:
                connection.execute(f"drop table {drop}")
        return path

    return write


def find_observed(results: list[GateResult], code: str) -> str | None:
    (result,) = [result for result in results if result.suite == "marts.footprint"]
    return next((failure.observed for failure in result.failures if failure.check == code), None)


@pytest.mark.parametrize(
    ("withheld", "recovered"),
    [
        (["110000"], "110000"),  # the unsafe cell alone is the country less the rest
        (["110000", "120000"], "110000"),  # the smallest sibling, 3 t, cannot hide 100 t
        ([], "110000"),
    ],
)
def test_gate_refuses_naive_suppression(gatekeeper, write_build, withheld, recovered):
    results = gatekeeper.judge_marts(write_build(withheld))
    observed = find_observed(results, "withheld_cells_unrecoverable" if withheld else "unsafe_cells_withheld")
    assert observed is not None and recovered in observed
    assert not any(result.success for result in results if result.suite == "marts.footprint")


def test_gate_passes_the_least_suppression_that_holds(gatekeeper, write_build):
    results = gatekeeper.judge_marts(write_build(["110000", "130000"]))
    for code in ("withheld_cells_unrecoverable", "unsafe_cells_withheld", "public_cells_true_or_empty", "changes_tell_no_neighbour"):
        assert find_observed(results, code) is None, code


def test_gate_refuses_what_an_earlier_release_makes_recoverable(gatekeeper, write_build):
    """Before, 110000 was 80 t and hidden by 130000, which has not changed; shown now it gives the 80 t away."""
    earlier = [("110000", 80.0, False), ("120000", 3.0, True), ("130000", 20.0, False), ("140000", 40.0, True), ("000000", 143.0, True)]
    refused = find_observed(gatekeeper.judge_marts(write_build(["110000", "140000"], earlier)), "withheld_cells_unrecoverable")
    assert refused is not None and "all releases" in refused
    kept = gatekeeper.judge_marts(write_build(["110000", "130000"], earlier))
    assert find_observed(kept, "withheld_cells_unrecoverable") is None


def test_gate_states_what_was_told_before_and_does_not_blame_this_release(gatekeeper, write_build):
    earlier = [("110000", 100.0, True), ("120000", 3.0, True), ("130000", 21.0, True), ("140000", 40.0, True), ("000000", 164.0, True)]
    results = gatekeeper.judge_marts(write_build(["110000", "130000", "000000"], earlier))
    assert find_observed(results, "withheld_cells_unrecoverable") is None
    assert "110000" in (find_observed(results, "figures_told_before") or "")


@pytest.mark.parametrize("missing", ["intermediate.int_footprint__totals_published", "marts.footprint__products"])
def test_cells_that_nobody_attacked_do_not_pass(gatekeeper, write_build, missing):
    observed = find_observed(gatekeeper.judge_marts(write_build(["110000", "130000"], drop=missing)), "withheld_cells_unrecoverable")
    assert observed is not None and "2 withheld cells" in observed


def test_figures_that_contradict_each_other_are_no_proof_of_safety():
    with pytest.raises(AttackUnsolved):
        solve_bounds({"t": [Publication({"000000": 10.0, "120000": 20.0}, {"110000": 5.0})]})


def test_tables_are_attacked_each_by_itself():
    tables = {
        "safe": [Publication({"000000": 30.0}, {"110000": 10.0, "120000": 20.0})],
        "open": [Publication({"000000": 30.0, "120000": 20.0}, {"110000": 10.0})],
        "whole": [Publication({"000000": 30.0, "110000": 30.0}, {})],
    }
    found = {
        (interval.table, interval.province_code): (round(interval.low, 6), round(interval.high, 6)) for interval in solve_bounds(tables)
    }
    assert found == {("safe", "110000"): (0.0, 30.0), ("safe", "120000"): (0.0, 30.0), ("open", "110000"): (10.0, 10.0)}
