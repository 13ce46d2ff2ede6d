"""The seeds against their own description, against each other, and against the facts they were taken from."""

import csv
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SEEDS = ROOT / "dbt_project" / "seeds"
SHARED = ROOT.parent / "shared"
TRUST = {"sourced", "derived", "recalled", "assumed"}
CONTRACT_COLUMNS = {
    "product_catalogue": "product_code name_zh name_en industry_code declared_unit ets_sector",
    "industry": "industry_code name_zh name_en",
    "province": "province_code name_zh name_en",
    "activity": "activity_code name_zh name_en dimension default_uncertainty_pct",
    "unit": "unit dimension factor_to_base",
    "trading_day": "trade_date",
    "ccer_methodology": "methodology_code name_zh name_en",
    "pilot_region": "province_code name_zh name_en",
    "product_alias": "urn product_code",
    "grid_region": "geography_code name_zh name_en",
    "ccer_offset_rule": "registered_before usable_until",
    "gwp_set_rule": "gwp_set is_accepted valid_from",
    "contribution_rule": "minimum_share path_limit depth_limit valid_from",
    "plan_task": "task_no group_code group_zh group_en title_zh title_en document",
    "disclosure_rule": "minimum_enterprise_count p_share protection_share valid_from",
    "ets_benchmark": "market benchmark_category compliance_year output_unit t_co2e_per_unit status",
    "ets_rule": "market sector compliance_year ccer_offset_share gap_cap_share deadline",
    "ets_output_basis": "market benchmark_category first_year output_basis",
    "ccer_methodology_rule": "methodology_code valid_from",
    "eia_pilot": "pilot_type province_code member name_zh name_en valid_from",
    "eia_pilot_sector": "member industry_code name_zh name_en",
    "cbam_good": "product_code cn_heading",
    "promise_bias_rule": "minimum_outcome_count valid_from",
    "policy_target": "document indicator jurisdiction_code target_year target_value",
    "tier_cut": "tier upper_percentile valid_from",
    "stress_scenario": "price_cny_per_t free_allocation_share",
    "priority_weight": "component weight valid_from",
}


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


PATHS = {path.stem: path for path in sorted(SEEDS.glob("*/**/*.csv"))}
ROWS = {name: read_rows(path) for name, path in PATHS.items()}
DESCRIPTION = {seed["name"]: seed for seed in yaml.safe_load((SEEDS / "_seeds.yml").read_text(encoding="utf-8"))["seeds"]}


def read_shared(relative: str) -> list[dict[str, str]]:
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"{path} is not here: the facts that the seeds were taken from are kept outside the checkout")
    return read_rows(path)


def test_seeds_are_exactly_those_of_the_contracts() -> None:
    assert set(PATHS) == set(CONTRACT_COLUMNS) == set(DESCRIPTION)


@pytest.mark.parametrize("name", sorted(CONTRACT_COLUMNS))
def test_seed_has_contract_columns_and_a_citation_in_every_row(name: str) -> None:
    rows = ROWS[name]
    assert rows, "an empty list checks nothing"
    assert list(rows[0]) == [*CONTRACT_COLUMNS[name].split(), "citation", "confidence"]
    assert all(None not in row and None not in row.values() for row in rows), "every row has as many cells as the header"
    assert all(row["citation"].strip() for row in rows)
    assert {row["confidence"] for row in rows} <= TRUST
    assert all("Tanlian" in row["citation"] or "contracts.md" in row["citation"] for row in rows if row["confidence"] == "assumed")


@pytest.mark.parametrize("name", sorted(CONTRACT_COLUMNS))
def test_seed_is_described_in_both_languages_with_a_type_for_every_column(name: str) -> None:
    seed = DESCRIPTION[name]
    columns = list(ROWS[name][0])
    assert list(seed["config"]["column_types"]) == columns == [column["name"] for column in seed["columns"]]
    for text in [seed["description"], *(column["description"] for column in seed["columns"])]:
        chinese, english = text.split(" | ")
        assert any("一" <= letter <= "鿿" for letter in chinese), text
        assert english and english.isascii(), text


@pytest.mark.parametrize("name", sorted(CONTRACT_COLUMNS))
def test_seed_key_is_unique_and_complete(name: str) -> None:
    key = DESCRIPTION[name]["config"]["meta"]["key"]
    values = [tuple(row[column] for column in key) for row in ROWS[name]]
    assert len(set(values)) == len(values)
    assert all(all(value) for value in values)


def test_codes_point_into_their_lists() -> None:
    units = {row["unit"]: row["dimension"] for row in ROWS["unit"]}
    industries = {row["industry_code"] for row in ROWS["industry"]}
    products = {row["product_code"] for row in ROWS["product_catalogue"]}
    provinces = {row["province_code"] for row in ROWS["province"]}
    assert {row["declared_unit"] for row in ROWS["product_catalogue"]} <= set(units)
    assert {row["industry_code"] for row in ROWS["product_catalogue"]} <= industries
    assert {row["dimension"] for row in ROWS["activity"]} <= set(units.values())
    assert {row["product_code"] for row in ROWS["product_alias"]} <= products
    assert {row["product_code"] for row in ROWS["cbam_good"]} <= products
    assert {row["confidence"] for row in ROWS["cbam_good"]} == {"recalled"}, "the annex itself was not read"
    assert {row["province_code"] for row in ROWS["pilot_region"]} <= provinces
    assert {row["output_unit"] for row in ROWS["ets_benchmark"]} <= set(units)
    assert {"000000", "710000", "810000", "820000", "990000"} <= provinces
    assert all(unit.isascii() for unit in units)


def test_units_convert_as_the_si_defines_them() -> None:
    factor = {row["unit"]: float(row["factor_to_base"]) for row in ROWS["unit"]}
    assert factor["t"] / factor["kg"] == 1000 and factor["kg"] / factor["g"] == 1000
    assert factor["MWh"] / factor["kWh"] == 1000 and factor["GJ"] / factor["MJ"] == 1000
    assert factor["kWh"] / factor["MJ"] == 3.6
    assert factor["m3"] / factor["L"] == 1000 and factor["km"] / factor["m"] == 1000 and factor["kW"] / factor["W"] == 1000


def test_trading_days_are_what_the_calendar_gives(capsys: pytest.CaptureFixture[str]) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("make_trading_days", SEEDS / "make_trading_days.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(["--check"]) == 0
    assert module.find_differences("trade_date\n2024-05-06\n", "trade_date\n2024-05-06\n2024-05-07\n") == ["2024-05-07"]


def test_every_real_day_of_the_national_market_is_a_trading_day() -> None:
    sessions = {row["trade_date"] for row in ROWS["trading_day"]}
    bulletin = read_shared("data/cea-national/cea_daily_2021-07-16_2021-12-28.csv")
    days = {row["trade_date"] for row in bulletin}
    assert len(days) > 100
    assert days == {day for day in sessions if min(days) <= day <= max(days)}, (
        "the market was open on every day of the calendar, and on no other"
    )
    history = [row["period"] for row in read_shared("reference/ets_market_history.csv") if row["period_type"] == "day"]
    assert history and [day for day in history if day not in sessions] == []


# The only days with trades that the calendar does not know, of three markets in seven years: a Sunday, and a Saturday whose Monday has no row.
HUBEI_WEEKENDS = {"2014-05-25", "2020-06-20"}
# The stock exchange opened on Monday 3 February 2020 after the prolonged new-year holiday, the pilot markets a week later.
LATE_START = {"2020-02-03", "2020-02-04", "2020-02-05", "2020-02-06", "2020-02-07"}


@pytest.mark.parametrize(("market", "weekends", "gaps"), [("hubei", HUBEI_WEEKENDS, 3), ("shanghai", set(), 0), ("chongqing", set(), 5)])
def test_pilot_markets_traded_on_days_of_the_calendar(market: str, weekends: set[str], gaps: int) -> None:
    """Rows without volume are left out: to mid-2015, and on single weekends of 2016, the aggregator filled days on which nobody traded."""
    sessions = {row["trade_date"] for row in ROWS["trading_day"]}
    quoted = {row["日期"][:10]: float(row["成交量"] or 0) for row in read_shared(f"data/pilot-ets-quotes/{market}_daily.csv")}
    traded = {day for day, volume in quoted.items() if volume > 0}
    assert len(traded) > 500
    assert traded - sessions == weekends
    missing = {day for day in sessions if min(quoted) <= day <= max(quoted)} - set(quoted)
    assert missing >= LATE_START
    assert len(missing - LATE_START) == gaps, "single days that the aggregator lacks"
    assert max(day for day in quoted if day not in sessions and not quoted[day]) == "2016-06-19"


def test_benchmarks_equal_the_collected_facts_and_keep_their_trust() -> None:
    seeded = {(row["benchmark_category"], row["compliance_year"]): row for row in ROWS["ets_benchmark"]}
    expected = 0
    for fact in read_shared("reference/ets_benchmarks.csv"):
        for year in fact["compliance_year"].split("-"):
            for kind, column in (("electricity", "electricity_benchmark_tco2_per_mwh"), ("heat", "heat_benchmark_tco2_per_gj")):
                row = seeded[f"power_{fact['unit_category']}_{kind}", year]
                assert float(row["t_co2e_per_unit"]) == float(fact[column])
                assert (row["status"], row["confidence"]) == (fact["status"], fact["confidence"])
                expected += 1
    assert expected == len(seeded)


def test_names_equal_the_collected_facts() -> None:
    provinces = {row["province_code"]: row for row in ROWS["province"]}
    facts = [fact for fact in read_shared("reference/province_codes.csv") if fact["province_code"] != "660000"]  # not a GB/T 2260 division
    assert len(facts) == len(provinces) - 2
    for fact in facts:
        row = provinces[fact["province_code"]]
        assert (row["name_zh"], row["name_en"], row["confidence"]) == (fact["name_zh"], fact["name_en"], fact["confidence"])
    industries = {row["industry_code"]: row for row in ROWS["industry"]}
    for fact in read_shared("reference/industry_codes.csv"):
        if fact["class_code"]:
            assert industries[fact["class_code"]]["name_zh"] == fact["name_zh"]


def test_trust_is_never_raised_above_the_collected_facts() -> None:
    methodologies = {row["methodology_code"]: row for row in ROWS["ccer_methodology"]}
    coded = [fact for fact in read_shared("reference/ccer_methodologies.csv") if fact["methodology_code"]]
    assert len(coded) == len(methodologies)
    for fact in coded:
        row = methodologies[fact["methodology_code"]]
        assert row["name_zh"] == fact["name_zh"]
        assert row["confidence"] == fact["confidence"] or row["confidence"] == "recalled"
    targets = read_shared("reference/policy_targets.csv")
    standards = {fact["year"]: float(fact["value"]) for fact in targets if fact["indicator"] == "national_pcf_standards"}
    seeded = {row["target_year"]: float(row["target_value"]) for row in ROWS["policy_target"] if row["indicator"] == "pcf_standards"}
    assert seeded == standards


def test_tasks_of_the_plan_equal_the_collected_facts() -> None:
    tasks = {row["task_no"]: row for row in ROWS["plan_task"]}
    facts = read_shared("reference/policy_tasks.csv")
    assert len(facts) == len(tasks) == 22
    for fact in facts:
        row = tasks[fact["task_no"]]
        assert (row["title_zh"], row["title_en"], row["group_code"]) == (fact["task_short_zh"], fact["task_en"], fact["group_code"])
        assert row["citation"] == fact["source"]
        assert row["confidence"] == ("recalled" if fact["confidence"].startswith("recalled") else fact["confidence"])


def test_every_pilot_product_of_the_first_catalogue_is_a_product() -> None:
    citations = " ".join(row["citation"] for row in ROWS["product_catalogue"])
    for fact in read_shared("reference/pilot_products.csv"):
        assert f'item {fact["catalogue_no"]} "{fact["catalogue_item_zh"]}"' in citations
