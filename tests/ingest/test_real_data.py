"""Publications met in practice, as found: what landed, what did not and why, to the row; and the page that says so.

`docs/real_data.md` holds a table between two marks. It is computed here from the real files, so the page cannot say anything else.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ingest.faults import FileRefused
from ingest.reference import ReferenceLists

Shelf = Any
Prepared = Any
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "real_data.md"
BEGIN, END = "<!-- figures: computed by tests/ingest/test_real_data.py -->", "<!-- end of figures -->"
SEEDS = ROOT / "dbt_project" / "seeds" / "reference"

pytestmark = pytest.mark.xdist_group("real_data")


@dataclass(frozen=True)
class Publication:
    """A delivery made of real files; several files become one zip."""

    source: str
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.files[0] if len(self.files) == 1 else f"{Path(self.files[0]).parent} (zip, {len(self.files)})"


def one_each(source: str, *files: str) -> list[Publication]:
    return [Publication(source, (file,)) for file in files]


EUTL = tuple(
    f"eutl-compliance/{name}.csv.gz"
    for name in ("allocated_allowances", "compliance_code", "installations", "owners", "units_surrendered", "verified_emissions")
)
CATALOGUE = tuple(f"carbon-catalogue/{name}.csv" for name in ("product_level_2013_2015", "stage_level_2013_2015"))
OFFSETS = "offset-registries"
AMERICAN, RESERVE = "american-carbon-registry", "climate-action-reserve"
PUBLICATIONS = [
    *one_each("market_quote", "cea-national/cea_daily_2021-07-16_2021-12-28.csv", "cea-national/cea_monthly_2021-07_2024-12.csv"),
    *one_each("market_quote", *(f"pilot-ets-quotes/{market}_daily.csv" for market in ("hubei", "shanghai", "chongqing"))),
    *one_each("market_quote", *(f"icap-allowance-prices/{market}_daily_2017_2023.csv" for market in ("eu", "korea"))),
    Publication("product_footprint", CATALOGUE),
    *one_each("product_footprint", *CATALOGUE),
    *one_each("emission_factor", "china-grid-factors/mee_electricity_factors_2021_2022.csv", "epa-supply-chain-factors/v1.2_NAICS_CO2e_USD2021.csv"),
    *one_each("emission_factor", *(f"ember-grid-intensity/average_gCO2e_per_kWh_release_{version}.json" for version in ("0.15.0", "0.16.8"))),
    Publication("ets_facility_year", EUTL),
    Publication("ets_surrender", EUTL),
    *one_each("ets_facility_year", *EUTL),
    *one_each("ccer_project", *(f"{OFFSETS}/{registry}/projects.csv" for registry in ("verra", AMERICAN, RESERVE))),
    *one_each("ccer_issuance", f"{OFFSETS}/verra/transactions.csv", *(f"{OFFSETS}/{registry}/issuances.csv" for registry in (AMERICAN, RESERVE))),
    *one_each("ccer_cancellation", f"{OFFSETS}/verra/transactions.csv"),
    *one_each("ccer_cancellation", *(f"{OFFSETS}/{registry}/{kind}.csv" for registry in (AMERICAN, RESERVE) for kind in ("retirements", "cancellations"))),
    *one_each("eia_project", "eia-taiwan/details.csv.gz", "eia-taiwan/lists.csv.gz"),
    *one_each("loan", "pacta-demo/loanbook_demo_first.csv"),
    *one_each("ets_facility_year", "pacta-demo/abcd_demo.csv.gz", "power-plants-china/wri_china_75pct.csv.gz"),
    *one_each("enterprise", "power-plants-china/wri_china_75pct.csv.gz"),
]  # fmt: skip


def zipped(tables: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in tables.items():
            archive.writestr(name, content)
    return stream.getvalue()


def bytes_of(publication: Publication, folder: Path) -> bytes:
    contents = {Path(file).name: (folder / file).read_bytes() for file in publication.files}
    return next(iter(contents.values())) if len(contents) == 1 else zipped(contents)


def rows_of(data: bytes) -> list[dict[str, str]]:
    """The rows of a table, by Python's own reader."""
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def read_rows(path: Path) -> list[dict[str, str]]:
    return rows_of(path.read_bytes())


def to_csv(rows: list[dict[str, str]]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def landed(prepared: Prepared) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(prepared.landing).to_pylist()
    return rows


def refused_rows(prepared: Prepared) -> list[dict[str, Any]]:
    return [] if prepared.quarantine is None else pq.read_table(prepared.quarantine).to_pylist()


def not_data(prepared: Prepared) -> dict[str, int]:
    return {kind["kind"]: kind["count"] for kind in prepared.not_data}


DELIVERED: dict[Publication, Prepared | FileRefused] = {}


@pytest.fixture
def deliver(make_shelf: Callable[..., Shelf], shared_data: Path) -> Callable[[Publication], Any]:
    """Deliver a publication to an empty warehouse, once for all tests."""

    def once(publication: Publication) -> Prepared | FileRefused:
        if publication not in DELIVERED:
            try:
                DELIVERED[publication] = make_shelf().deliver(publication.source, bytes_of(publication, shared_data))
            except FileRefused as refusal:
                DELIVERED[publication] = refusal
        return DELIVERED[publication]

    return once


# The page


def figures(publication: Publication, outcome: Prepared | FileRefused) -> str:
    cells = [f"`{publication.name}`", f"`{publication.source}`"]
    if isinstance(outcome, FileRefused):
        return "| " + " | ".join([*cells, f"拒收 refused `{outcome.code}`", "", "", "", "", ""]) + " |"
    counts = outcome.counts
    faults = ", ".join(f"`{code}` {count}" for code, count in outcome.fault_counts.items())
    aside = ", ".join(f"`{kind}` {count}" for kind, count in not_data(outcome).items())
    numbers = [str(counts[name]) for name in ("received", "accepted", "duplicate", "quarantined")]
    return (
        "| "
        + " | ".join(
            [*cells, f"`{outcome.layout}`", *numbers, "; ".join(part for part in (faults, aside and f"不是数据 no data: {aside}") if part)]
        )
        + " |"
    )


def test_the_page_says_what_the_real_files_give(deliver: Callable[[Publication], Any]) -> None:
    head = [
        "| 文件 file | 数据源 source | 布局或结论 layout or verdict | 收到 received | 入库 landed | 重复 duplicate | 隔离 quarantined | 原因 reasons |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    computed = "\n".join([*head, *(figures(publication, deliver(publication)) for publication in PUBLICATIONS)])
    page = PAGE.read_text(encoding="utf-8")
    written = page[page.index(BEGIN) + len(BEGIN) : page.index(END)].strip()
    assert written == computed, f"put this between the marks of {PAGE.name}:\n{computed}"


@pytest.mark.parametrize("publication", PUBLICATIONS, ids=lambda publication: f"{publication.source}/{publication.name}")
def test_every_real_file_ends_in_a_balance_or_a_sentence(publication: Publication, deliver: Callable[[Publication], Any]) -> None:
    outcome = deliver(publication)
    if isinstance(outcome, FileRefused):
        assert re.search("[\u4e00-\u9fff]", outcome.message.zh) and not re.search("[\u4e00-\u9fff]", outcome.message.en)
        return
    counts = outcome.counts
    assert counts["received"] == counts["accepted"] + counts["duplicate"] + counts["quarantined"]
    assert counts["accepted"] == pq.read_metadata(outcome.landing).num_rows
    assert counts["quarantined"] == len(refused_rows(outcome))
    assert all(row["reasons"] for row in refused_rows(outcome))


def test_what_is_no_record_of_ours_is_refused_by_name(deliver: Callable[[Publication], Any]) -> None:
    verdicts = Counter(outcome.code if isinstance(outcome, FileRefused) else "read" for outcome in map(deliver, PUBLICATIONS))
    # Only the JSON object of Ember, spread over several lines, is stopped by its form before its headers can be known.
    assert verdicts == {"read": 9, "layout_refused": len(PUBLICATIONS) - 11, "unreadable": 2}


# The pilot markets


PILOTS = {"hubei": ("HB", "HBEA"), "shanghai": ("SH", "SHEA"), "chongqing": ("CQ", "CQEA")}
LIMITS = (0.7 / 1.1, 1.3 / 0.9)


def without_noise(text: str) -> str:
    """The number of fewest decimals (2 to 6) that is the same 32-bit float as a noisy number; any other text as it stands."""
    if not re.search(r"\.\d{3,}", text) or float(np.float32(text)) != float(text):
        return text
    candidates = (str(Decimal(text).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)) for digits in range(2, 7))
    return next((rounded for rounded in candidates if np.float32(rounded) == np.float32(text)), text)


@pytest.mark.parametrize("market", PILOTS)
def test_a_pilot_market_lands_to_the_row(market: str, deliver: Callable[[Publication], Any], shared_data: Path) -> None:
    file = f"pilot-ets-quotes/{market}_daily.csv"
    prepared = deliver(Publication("market_quote", (file,)))
    published = read_rows(shared_data / file)
    trading = {row["trade_date"] for row in read_rows(SEEDS / "trading_day.csv")}
    expected: dict[str, tuple[Decimal, Decimal, Decimal]] = {}
    wrong: set[int] = set()
    filled = 0
    for number, row in enumerate(published, start=1):
        price, volume, amount = (Decimal(without_noise(row[name])) for name in ("成交价", "成交量", "成交额"))
        if row["日期"] not in trading:
            filled += volume == 0
            wrong |= {number} if volume else set()
            continue
        ratio = float(amount / (volume * price)) if volume else 1.0
        digits = -int(price.as_tuple().exponent)
        if not LIMITS[0] <= ratio <= LIMITS[1] or digits > 8:
            wrong.add(number)
        else:
            expected[row["日期"]] = (price, volume, amount)
    assert not_data(prepared) == {"filled_day": filled}
    assert prepared.counts["received"] + filled == len(published) == prepared.file_rows
    assert {row["_row_number"] for row in refused_rows(prepared)} == wrong
    rows = landed(prepared)
    assert {(row["market"], row["instrument"], row["trade_method"]) for row in rows} == {(*PILOTS[market], "listed")}
    assert {row["trade_date"].isoformat(): (row["close_cny_per_t"], row["volume_t"], row["turnover_cny"]) for row in rows} == expected
    assert any(volume == 0 for _, volume, _ in expected.values()), "days without trades carry the price and land"


def beijing(**changes: str) -> dict[str, str]:
    return {"日期": "2021-06-01", "成交价": "47.0", "成交量": "1000", "成交额": "47000", "地点": "北京"} | changes


def test_another_market_in_another_order_of_columns_lands_the_same(make_shelf: Callable[..., Shelf]) -> None:
    """Order, further columns, case, script and full-width forms of the headers do not matter; an unknown place is refused by name."""
    plain = make_shelf().deliver("market_quote", to_csv([beijing()]))
    (row,) = landed(plain)
    assert (row["market"], row["instrument"], row["volume_t"]) == ("BJ", "BEA", 1000)
    turned = {"備註": "x", "地點": "北京", "成交額": "47000", "成交量": "1000", "成交價": "47.0", "日期": "2021/6/1"}
    (same,) = landed(make_shelf().deliver("market_quote", to_csv([turned])))
    names = ("market", "instrument", "trade_date", "close_cny_per_t", "volume_t", "turnover_cny")
    assert [same[name] for name in names] == [row[name] for name in names]
    assert "備註" in same["_extra"]
    abroad = make_shelf().deliver("market_quote", to_csv([beijing(地点="东京")]))
    assert abroad.fault_counts == {"required": 2} and abroad.counts["quarantined"] == 1


def test_a_market_without_volume_is_returned_with_the_columns_it_lacks(make_shelf: Callable[..., Shelf]) -> None:
    rows = [{name: cell for name, cell in beijing().items() if name not in ("成交量", "成交额")}]
    with pytest.raises(FileRefused) as refused:
        make_shelf().deliver("market_quote", to_csv(rows))
    assert refused.value.code == "column_missing"
    assert "成交量、成交额" in refused.value.message.zh


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"成交额": "470000"}, "turnover_range"), ({"成交量": "47000", "成交额": "1000"}, "turnover_range"), ({"成交价": "47.00000761449337"}, "type"),
        ({"日期": "2021-06-05"}, "non_trading_day"), ({"成交额": "0"}, "zero_volume"), ({"成交量": "n.a."}, "type"), ({"日期": "2021-06-31"}, "type"),
    ],
)  # fmt: skip
def test_a_wrong_day_of_a_pilot_is_caught(make_shelf: Callable[..., Shelf], changes: dict[str, str], code: str) -> None:
    assert code in make_shelf().deliver("market_quote", to_csv([beijing(**changes)])).fault_counts


def test_block_deals_within_the_limits_land(make_shelf: Callable[..., Shelf]) -> None:
    for amount in ("30000", "67800"):
        assert make_shelf().deliver("market_quote", to_csv([beijing(成交额=amount)])).fault_counts == {}


# The Carbon Catalogue


PCF = "Product's carbon footprint (PCF, kg CO2e)"
UNKNOWN = "N/a"


def catalogue_of_everything(products: list[dict[str, str]], folder: Path, unit: str) -> ReferenceLists:
    """A deployment that knows every product of the publication: catalogue and aliases in an overlay."""
    keys = sorted({row["*PCF-ID"].rsplit("-", 1)[0] for row in products})
    said = {"citation": "made in this test", "confidence": "assumed"}
    listed = [
        {
            "product_code": f"P-{key}",
            "name_zh": "产品",
            "name_en": "product",
            "industry_code": "39",
            "declared_unit": unit,
            "ets_sector": "",
        }
        | said
        for key in keys
    ]
    named = [{"urn": f"urn:carbon-catalogue:product:{key}", "product_code": f"P-{key}"} | said for key in keys]
    folder.mkdir()
    (folder / "product_catalogue.csv").write_bytes(to_csv(listed))
    (folder / "product_alias.csv").write_bytes(to_csv(named))
    return ReferenceLists(overlay=folder)


def deliver_catalogue(make_shelf: Callable[..., Shelf], folder: Path, tmp_path: Path, unit: str) -> Prepared:
    shelf = make_shelf()
    shelf.reference = catalogue_of_everything(read_rows(folder / CATALOGUE[0]), tmp_path / unit, unit)
    return shelf.deliver("product_footprint", bytes_of(Publication("product_footprint", CATALOGUE), folder))


def test_the_published_counts_of_the_catalogue_are_found_again(shared_data: Path) -> None:
    """The publication's 63 of 421 staged products that miss by over 1 % are of five reporting years; these are its first three."""
    products, stages = (read_rows(shared_data / file) for file in CATALOGUE)
    total = {row["*PCF-ID"]: float(row[PCF]) for row in products}
    staged: dict[str, float] = defaultdict(float)
    for row in stages:
        staged[row["*PCF-ID"]] += float(row["Emissions at stage (kg CO2e)"])
    missed = {key: abs(value - total[key]) / total[key] for key, value in staged.items()}
    assert (len(products), len(stages), len(staged)) == (586, 1346, 319)
    assert sum(share > 0.01 for share in missed.values()) == 41
    assert sum(share > 0.005 for share in missed.values()) == 62


def test_a_deployment_that_knows_the_products_lands_them(make_shelf: Callable[..., Shelf], shared_data: Path, tmp_path: Path) -> None:
    """With aliases for all, what stays out are the publication's own gaps: no stages, no protocol, no credit code, stages that miss."""
    prepared = deliver_catalogue(make_shelf, shared_data, tmp_path, "piece")
    products, stages = (read_rows(shared_data / file) for file in CATALOGUE)
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in stages:
        kg = Decimal(row["Emissions at stage (kg CO2e)"])
        part = row["*Assigned value chain portion"]
        if part == "Downstream" and row["*Emissions at this stage are exclusively transport"] == "Yes":
            part = "transport"
        elif part == "Downstream" and row["*Emissions at this stage are exclusively EndOfLife"] == "Yes":
            part = "end_of_life"
        sums[row["*PCF-ID"]][part] += kg
    reasons: dict[str, set[str]] = defaultdict(set)
    for row in products:
        key, downstream = row["*PCF-ID"], row["*Downstream CO2e (fraction of total PCF)"]
        staged = sum(sums[key].values(), Decimal(0))
        reasons[key] |= {"required"} if downstream.startswith(UNKNOWN) or row["Protocol used for PCF"] == "Not reported" else set()
        reasons[key] |= {"identifier_check"} if row["Country (where company is incorporated)"] == "China" else set()
        reasons[key] |= {"stage_sum"} if sums[key] and abs(staged - Decimal(row[PCF])) > Decimal("0.005") * Decimal(row[PCF]) else set()
    found = {row["_row_number"]: {reason["code"] for reason in row["reasons"]} for row in refused_rows(prepared)}
    first = prepared.file_rows - len(stages) - len(products)  # the tables stand under one another in the order of their names
    expected = {first + place: codes for place, (_, codes) in enumerate(reasons.items(), start=1) if codes}
    assert {number: codes - {"breakdown_incomplete"} for number, codes in found.items()} == expected
    rows = {row["disclosure_id"].removeprefix("CC-"): row for row in landed(prepared)}
    assert set(rows) == {key for key, codes in reasons.items() if not codes}
    assert len(rows) == prepared.counts["accepted"] == 191
    whole = 0
    for row in products:
        if row["*PCF-ID"] not in rows:
            continue
        record, part = rows[row["*PCF-ID"]], sums[row["*PCF-ID"]]
        assert record["total_kg_co2e"] == pytest.approx(float(row[PCF]), rel=1e-12)
        assert record["enterprise_id"] == "name:" + " ".join(row["Company"].split())
        assert record["period_start"].year == int(row["Year of reporting"]) - 1
        if record["raw_material_kg_co2e"] is not None:
            whole += 1
            assert row["*%Upstream estimated from %Operations"] == "No"
            assert record["raw_material_kg_co2e"] == pytest.approx(float(part["Upstream"]))
            assert record["production_kg_co2e"] == pytest.approx(float(part["Operations"]))
        if record["use_kg_co2e"] is not None:
            assert record["distribution_kg_co2e"] == pytest.approx(float(part["transport"]))
            assert record["end_of_life_kg_co2e"] == pytest.approx(float(part["end_of_life"]))
            assert record["use_kg_co2e"] == pytest.approx(float(part["Downstream"]))
    assert 0 < whole < len(rows)


def test_a_product_measured_in_mass_is_divided_by_its_weight(make_shelf: Callable[..., Shelf], shared_data: Path, tmp_path: Path) -> None:
    prepared = deliver_catalogue(make_shelf, shared_data, tmp_path, "t")
    products = {row["*PCF-ID"]: row for row in read_rows(shared_data / CATALOGUE[0])}
    rows = landed(prepared)
    assert len(rows) == 191
    for row in rows:
        published = products[row["disclosure_id"].removeprefix("CC-")]
        assert row["declared_unit"] == "kg"
        assert row["total_kg_co2e"] == pytest.approx(float(published[PCF]) / float(published["Product weight (kg)"]), rel=1e-12)


def test_a_product_measured_otherwise_is_not_guessed(make_shelf: Callable[..., Shelf], shared_data: Path, tmp_path: Path) -> None:
    prepared = deliver_catalogue(make_shelf, shared_data, tmp_path, "kWh")
    assert prepared.counts["accepted"] == 0
    assert prepared.fault_counts["unit_dimension"] == 586


def test_the_alias_to_add_stands_in_the_fault(deliver: Callable[[Publication], Any]) -> None:
    prepared = deliver(Publication("product_footprint", (CATALOGUE[0],)))
    values = {reason["value"] for row in refused_rows(prepared) for reason in row["reasons"] if reason["code"] == "product_unknown"}
    assert values and all(re.fullmatch(r"urn:carbon-catalogue:product:\d+-\d+", value) for value in values)
    assert prepared.counts["accepted"] > 0, "the aliases that ship land some of it"
