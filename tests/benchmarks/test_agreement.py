"""The ratio is honest only while both sides read the same files and come to the same figures: every mart, row and column is compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks import bare, pipeline
from warehouse.demonstration import make_world

LINES = 3000
KEYS = {
    "footprint__products": ["disclosure_id"],
    "footprint__product_tiers": ["disclosure_id"],
    "footprint__sectors_by_year": ["product_code", "boundary", "gwp_set", "reporting_year", "province_code"],
    "footprint__benchmarks_by_year": ["product_code", "boundary", "gwp_set", "reporting_year"],
    "ets__prices_by_day": ["market", "instrument", "trade_date"],
    "ets__prices_by_year": ["market", "instrument", "year"],
}
# A part of a change may be the small difference of large terms: it is held to the size of the mean it is a part of.
OF_THE_MEAN = {"yoy_change_kg_co2e", "yoy_within_kg_co2e", "yoy_mix_kg_co2e", "yoy_entry_exit_kg_co2e"}
# 1 is added and taken away again on the way: what is lost then is absolute.
ABSOLUTE = {"discrepancy_ratio": 1e-12, "log_return": 1e-14, "volatility_30d": 1e-12}

LINKED = "linked_line_count"

Row = dict[str, Any]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The marts of both sides, as DuckDB files: bare, then the pipeline's release."""
    folder = tmp_path_factory.mktemp("benchmark")
    stage = make_world(folder / "world", lines=LINES).first
    made = bare.run(stage, folder / "bare")
    landed = pipeline.run(stage, folder / "data")
    assert made["rows"] == landed["rows"] > LINES
    return folder / "bare" / "marts.duckdb", folder / "data" / "releases" / "current" / "ministry.duckdb"


@pytest.fixture(scope="module")
def rows_of(files: tuple[Path, Path]) -> Callable[[str, str], dict[tuple[Any, ...], Row]]:
    """Rows of one side's mart by key."""
    places = {"bare": (files[0], "main"), "pipeline": (files[1], "marts")}

    def read(side: str, mart: str) -> dict[tuple[Any, ...], Row]:
        path, schema = places[side]
        with duckdb.connect(str(path), read_only=True) as con:
            rows = con.execute(f"select * from {schema}.{mart}").to_arrow_table().to_pylist()
        keyed = {tuple(row[name] for name in KEYS[mart]): row for row in rows}
        assert len(keyed) == len(rows)
        return keyed

    return read


def is_same(left: Any, right: Any, absolute: float) -> bool:
    if left is None or right is None or isinstance(left, (str, date, bool)):
        return bool(left == right)
    return math.isclose(float(left), float(right), rel_tol=1e-9, abs_tol=absolute)


def differences(ours: dict[tuple[Any, ...], Row], theirs: dict[tuple[Any, ...], Row]) -> list[str]:
    found = [f"{key}: only on one side" for key in ours.keys() ^ theirs.keys()]
    for key in ours.keys() & theirs.keys():
        for name, value in ours[key].items():
            absolute = 1e-9 * abs(ours[key]["weighted_mean_kg_co2e"] or 0) if name in OF_THE_MEAN else ABSOLUTE.get(name, 0.0)
            if not is_same(value, theirs[key][name], absolute):
                found.append(f"{key} {name}: {value!r} != {theirs[key][name]!r}")
    return found


def leave_out_linked(rows: dict[tuple[Any, ...], Row]) -> dict[tuple[Any, ...], Row]:
    """Products priced by factors alone: the bare script does not solve the supplier network."""
    return {key: {name: value for name, value in row.items() if name != LINKED} for key, row in rows.items() if not row[LINKED]}


def leave_out_traded(rows: dict[tuple[Any, ...], Row], quoted: set[tuple[Any, ...]]) -> dict[tuple[Any, ...], Row]:
    """Prices of instruments that are quoted: the bare script derives none from trades."""
    return {key: row for key, row in rows.items() if key[:2] in quoted}


def test_differences_are_found() -> None:
    row = {"a": 1.0, "b": None, "c": "x", "d": True}
    assert not differences({(1,): row}, {(1,): row | {"a": 1.0 + 1e-12}})
    for changed in ({"a": 1.0 + 1e-8}, {"a": None}, {"b": 0.0}, {"c": "y"}, {"d": False}):
        assert differences({(1,): row}, {(1,): row | changed})
    assert differences({(1,): row}, {}) and differences({}, {(1,): row})


def test_bare_script_makes_core_marts_of_the_release(files: tuple[Path, Path]) -> None:
    """The pipeline makes more: its ratio to the bare script is the dearer for it."""
    with duckdb.connect(str(files[1]), read_only=True) as con:
        marts = con.execute("select table_name from information_schema.tables where table_schema = 'marts'").fetchall()
    assert set(KEYS) <= {name for (name,) in marts}


@pytest.mark.parametrize("mart", KEYS)
def test_both_sides_agree_on_every_row_and_column(mart: str, rows_of: Callable[[str, str], dict[tuple[Any, ...], Row]]) -> None:
    ours, theirs = rows_of("pipeline", mart), rows_of("bare", mart)
    if mart == "footprint__products":
        assert ours.keys() == theirs.keys()
        ours = leave_out_linked(ours)
        theirs = {key: theirs[key] for key in ours}
    if mart.startswith("ets__prices"):
        ours = leave_out_traded(ours, {key[:2] for key in theirs})
    assert len(ours) > 3
    assert set(next(iter(ours.values()))) == set(next(iter(theirs.values())))
    found = differences(ours, theirs)
    assert not found, "\n".join(sorted(found)[:10])
