"""Publishers' own layouts on the published files: everything lands, and every number equals the publisher's and an independent table's."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ingest.faults import FileRefused

Shelf = Any
BULLETIN = "cea-national/cea_daily_2021-07-16_2021-12-28.csv"
FACTORS = "china-grid-factors/mee_electricity_factors_2021_2022.csv"
SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds" / "reference"
FACTOR_HEADER = "产品名称,碳足迹,数据年份\n"


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def landed(prepared: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(prepared.landing).to_pylist()
    return rows


@pytest.fixture(scope="module")
def bulletin(shared_data: Path) -> list[dict[str, str]]:
    return read_rows(shared_data / BULLETIN)


# The exchange's daily bulletin


def test_the_bulletin_lands_whole(shelf: Shelf, shared_data: Path, bulletin: list[dict[str, str]]) -> None:
    prepared = shelf.deliver("market_quote", shared_data / BULLETIN)
    assert prepared.layout == "exchange_daily_bulletin"
    assert prepared.file_rows == len(bulletin) == 111
    assert prepared.fault_counts == {}
    expected = [("listed", row) for row in bulletin]
    expected += [("block", row) for row in bulletin if row["block_vol_t"] not in ("", "0")]
    expected += [("auction", row) for row in bulletin if row["auction_vol_t"] not in ("", "0")]
    assert prepared.counts == {"accepted": len(expected), "duplicate": 0, "quarantined": 0, "waiting": 0, "received": len(expected)}
    rows = {(row["trade_method"], row["trade_date"].isoformat()): row for row in landed(prepared)}
    assert len(rows) == len(expected)
    for method, published in expected:
        row = rows[method, published["trade_date"]]
        assert (row["market"], row["instrument"]) == ("CN-ETS", "CEA")
        assert row["volume_t"] == Decimal(published[f"{method}_vol_t"])
        assert row["turnover_cny"] == Decimal(published[f"{method}_amt_cny"])
        if method == "listed":
            assert row["close_cny_per_t"] == Decimal(published["close"])
            assert row["high_cny_per_t"] == (Decimal(published["high"]) if published["high"] else None)
        else:
            assert (row["high_cny_per_t"], row["low_cny_per_t"], row["open_cny_per_t"]) == (None, None, None)
            assert abs(row["close_cny_per_t"] * row["volume_t"] - row["turnover_cny"]) <= row["volume_t"] * Decimal("5.1e-9")
        assert published["cum_vol_t"] in row["_extra"]


def test_months_of_the_bulletin_add_up_to_the_published_months(shelf: Shelf, shared_data: Path, shared_reference: Path) -> None:
    """Exact: the day's amounts are decimals, so their sums are the published ones to the fen."""
    prepared = shelf.deliver("market_quote", shared_data / BULLETIN)
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    days: dict[str, set[date]] = defaultdict(set)
    for row in landed(prepared):
        month = f"{row['trade_date']:%Y-%m}"
        days[month].add(row["trade_date"])
        for method in (row["trade_method"], "total"):
            sums[method, month][0] += row["volume_t"]
            sums[method, month][1] += row["turnover_cny"]
    trading = [date.fromisoformat(row["trade_date"]) for row in read_rows(SEEDS / "trading_day.csv")]
    opened = min(min(found) for found in days.values())
    covered = [month for month in days if {day for day in trading if f"{day:%Y-%m}" == month and day >= opened} == days[month]]
    assert covered == ["2021-07", "2021-08", "2021-09", "2021-10", "2021-11"]
    monthly = {row["month"]: row for row in read_rows(next((shared_data / "cea-national").glob("cea_monthly_*.csv")))}
    history = {row["period"]: row for row in read_rows(shared_reference / "ets_market_history.csv") if row["period_type"] == "month"}
    for month in covered:
        for method in ("listed", "block", "total"):
            volume, turnover = sums[method, month]
            assert volume == Decimal(monthly[month][f"{method}_vol_t"]) == Decimal(history[month][f"{method}_volume_t"])
            assert turnover == Decimal(monthly[month][f"{method}_amt_cny"]) == Decimal(history[month][f"{method}_value_cny"])


def test_a_bulletin_whose_numbers_disagree_is_caught(shelf: Shelf, bulletin: list[dict[str, str]]) -> None:
    """The layout maps; the rules still judge: a listed amount that is not the day's price times its volume."""
    rows = [dict(row) for row in bulletin[:20]]
    rows[0]["listed_amt_cny"] = "9" + rows[0]["listed_amt_cny"]
    rows[3]["block_vol_t"] = "x"
    rows[5] |= {"block_vol_t": "1", "block_amt_cny": "9" * 60}
    prepared = shelf.deliver("market_quote", to_csv(rows))
    wrong = {(fault["row_number"], fault["code"]) for fault in prepared.faults}
    assert (1, "turnover_range") in wrong
    assert any(number == 4 and code in ("type", "required") for number, code in wrong)
    assert {number for number, _ in wrong} == {1, 4, 6}


def test_a_composite_close_is_not_held_to_the_listed_average(make_shelf: Callable[..., Shelf], bulletin: list[dict[str, str]]) -> None:
    day = dict(bulletin[0]) | {"close": "60"}
    listed = make_shelf().deliver("market_quote", to_csv([day | {"price_basis": "listed"}]))
    composite = make_shelf().deliver("market_quote", to_csv([day | {"price_basis": "composite"}]))
    assert listed.fault_counts == {"turnover_range": 1}
    assert composite.fault_counts == {}


def to_csv(rows: list[dict[str, str]]) -> bytes:
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


# The ministry's electricity factors


def region_names() -> dict[str, str]:
    names = {row["province_code"]: row["name_zh"] for row in read_rows(SEEDS / "province.csv")}
    names |= {row["geography_code"]: re.sub("(区域)?电网$", "", row["name_zh"]) for row in read_rows(SEEDS / "grid_region.csv")}
    return names | {"CN": "全国"}


def test_the_announced_factors_land_once_each(shelf: Shelf, shared_data: Path) -> None:
    published = read_rows(shared_data / FACTORS)
    prepared = shelf.deliver("emission_factor", shared_data / FACTORS)
    assert prepared.layout == "mee_electricity_factors"
    assert prepared.counts == {"accepted": 79, "duplicate": 15, "quarantined": 0, "waiting": 0, "received": 94}
    assert prepared.fault_counts == {}
    rows = landed(prepared)
    assert Counter((row["factor_family"], row["unit"]) for row in rows) == {("direct_co2", "kWh"): 79}
    for row in rows:
        source = published[row["_row_number"] - 1]
        assert row["activity_name"] == source["产品名称"]
        assert row["edition"] == source["数据年份"]
        assert (row["valid_from"], row["valid_to"]) == (date(int(row["edition"]), 1, 1), date(int(row["edition"]) + 1, 1, 1))
        number = re.match(r"[\d.]+", source["碳足迹"])
        assert number and row["kg_co2e_per_unit"] == float(number[0])
        assert row["published_on"] == {"2021": date(2024, 4, 12), "2022": date(2024, 12, 20)}[row["edition"]]


def test_each_region_and_year_has_the_value_of_an_independent_table(shelf: Shelf, shared_data: Path, shared_reference: Path) -> None:
    names = region_names()
    kinds = {
        "location_average": "electricity_grid",
        "fossil_power": "electricity_fossil",
        "excluding_market_traded_non_fossil": "electricity_grid_residual",
    }
    expected = {
        (row["factor_year"], re.sub("(区域)?(电网)?$", "", row["region_name_zh"]), kinds[row["factor_type"]]): float(row["value"])
        for row in read_rows(shared_reference / "grid_emission_factors.csv")
        if row["factor_year"] in ("2021", "2022") and row["factor_type"] in kinds
    }
    found = {
        (row["edition"], names[row["geography_code"]], row["activity_code"]): row["kg_co2e_per_unit"]
        for row in landed(shelf.deliver("emission_factor", shared_data / FACTORS))
    }
    assert len(found) == 79
    assert set(found) <= set(expected)
    assert {key: value for key, value in found.items() if value != expected[key]} == {}
    assert found["2021", "全国", "electricity_grid"] == 0.5568, "a public repository swaps the two years"
    assert found["2022", "全国", "electricity_grid"] == 0.5366


def deliver_factors(shelf: Shelf, *rows: str) -> Any:
    return shelf.deliver("emission_factor", (FACTOR_HEADER + "".join(row + "\n" for row in rows)).encode())


def test_life_cycle_factors_go_to_their_own_family(shelf: Shelf) -> None:
    """The family is what the name says, whatever the unit string says: both are printed as CO2e."""
    prepared = deliver_factors(
        shelf,
        "2024年全国电力平均二氧化碳排放因子,0.5001kgCO2e / 千瓦时,2021",
        "2024年全国电力碳足迹因子,0.6001kgCO2 / 千瓦时,2024",
        "2023年河北省电力碳足迹因子,0.7kgCO2e/度,2023",
    )
    assert [(row["factor_family"], row["geography_code"], row["edition"]) for row in landed(prepared)] == [
        ("direct_co2", "CN", "2021"), ("footprint", "CN", "2024"), ("footprint", "130000", "2023"),
    ]  # fmt: skip
    assert len({row["factor_id"] for row in landed(prepared)}) == 3


@pytest.mark.parametrize(
    ("cell", "value", "unit"),
    [
        ("0.5703kgCO2e / 千瓦时", 0.5703, "kWh"), ("0.5703 kgCO2/kWh", 0.5703, "kWh"), ("0.5703kgCO2e/度", 0.5703, "kWh"), ("0.5703kgCO2e/kW·h", 0.5703, "kWh"),
        ("570.3kgCO2e/兆瓦时", 570.3, "MWh"), ("0.5703tCO2/MWh", 570.3, "MWh"), ("0.5703tCO2e / 兆瓦时", 570.3, "MWh"),
        ("570.3gCO2e / 千瓦时", 0.5703, "kWh"), (".5703kgCO2e/kWh", 0.5703, "kWh"),
    ],
)  # fmt: skip
def test_masses_and_energies_convert_exactly(shelf: Shelf, cell: str, value: float, unit: str) -> None:
    (row,) = landed(deliver_factors(shelf, f"2022年山东省电力平均二氧化碳排放因子,{cell},2022"))
    assert (row["kg_co2e_per_unit"], row["unit"]) == (value, unit)


@pytest.mark.parametrize(
    ("cell", "code", "column", "value"),
    [
        ("0.5703kgCO2e / 立方米", "enumeration", "unit", "立方米"), ("0.5703kgCO2e / 吉瓦时", "enumeration", "unit", "吉瓦时"),
        ("0.5703磅CO2e / 千瓦时", "type", "kg_co2e_per_unit", "0.5703磅CO2e / 千瓦时"), ("0.5703", "type", None, None),
        ("9" * 40 + "tCO2e/MWh", "type", "kg_co2e_per_unit", "9" * 40 + "tCO2e/MWh"), ("9" * 40 + "gCO2e/kWh", "type", "kg_co2e_per_unit", None),
        ("千瓦时", "type", "kg_co2e_per_unit", "千瓦时"), ("0.5.7kgCO2e/kWh", "type", "kg_co2e_per_unit", "0.5.7kgCO2e/kWh"),
        ("0.57kgCO2e/kg", "unit_dimension", "unit, activity_code", None),
    ],
)  # fmt: skip
def test_an_unknown_unit_is_refused_by_name_and_never_guessed(
    shelf: Shelf, cell: str, code: str, column: str | None, value: str | None
) -> None:
    prepared = deliver_factors(shelf, f"2022年山东省电力平均二氧化碳排放因子,{cell},2022")
    assert prepared.counts["accepted"] == 0
    if column is None:
        assert prepared.counts["quarantined"] == 1
        return
    (fault,) = [fault for fault in prepared.faults if fault["code"] == code]
    assert fault["column_name"] == column
    assert value is None or fault["value"] == value


def test_an_unknown_region_name_or_year_is_refused_by_name(shelf: Shelf) -> None:
    prepared = deliver_factors(
        shelf,
        "2022年合成省电力平均二氧化碳排放因子,0.5kgCO2e/kWh,2022",
        "2022年山东省电力示范因子,0.5kgCO2e/kWh,2022",
        "2022年山东省电力平均二氧化碳排放因子,0.5kgCO2e/kWh,22",
        "1999年山东省电力平均二氧化碳排放因子,0.5kgCO2e/kWh,1999",
    )
    assert prepared.counts["accepted"] == 0
    found = {(fault["row_number"], fault["code"], fault["column_name"]) for fault in prepared.faults}
    assert {
        (1, "enumeration", "geography_code"),
        (2, "enumeration", "factor_family"),
        (3, "type", "valid_from"),
        (4, "required", "published_on"),
    } <= found


def test_a_layout_may_be_named_and_must_exist(shelf: Shelf, shared_data: Path) -> None:
    with pytest.raises(FileRefused) as refused:
        shelf.deliver("emission_factor", shared_data / FACTORS, layout="no_such_layout")
    assert refused.value.code == "layout_unknown"
    assert "mee_electricity_factors" in refused.value.message.zh
    assert shelf.deliver("emission_factor", (shared_data / FACTORS).read_bytes(), layout="mee_electricity_factors").counts["accepted"] == 79
