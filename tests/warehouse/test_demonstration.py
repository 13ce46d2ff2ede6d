"""The demonstration world against the contracts, checked in SQL and stdnum that share nothing with the generator."""

import csv
import hashlib
import json
import time
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from stdnum.cn import uscc

from ingest.documents.pact import KIND as PACT
from ingest.documents.pact import version_of
from warehouse.demonstration import World, make_world
from warehouse.exchange.pact import missing_fields

from .sound_rows import CLEAN, RULES

ROOT = Path(__file__).parents[2]
SEEDS = ROOT / "dbt_project" / "seeds" / "reference"
SHARED = ROOT.parent / "shared"
FACTS = ROOT / "warehouse" / "demonstration" / "facts"
FOOTPRINT_SOURCES = ("enterprise", "product_footprint", "footprint_activity", "emission_factor", "market_quote")
INSTRUMENT_SOURCES = (
    *("ets_facility_year", "ets_surrender", "ccer_project", "ccer_issuance", "ccer_cancellation", "green_certificate", "eia_project"),
    *("loan", "pcf_standard", "label_certificate", "policy_task", "market_trade", "meter_reading"),
)
SOURCES = (*FOOTPRINT_SOURCES, *INSTRUMENT_SOURCES)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), enterprises=400)


@pytest.fixture(scope="module")
def truth(world: World) -> dict:
    return json.loads(world.truth.read_text(encoding="utf-8"))


def find_type(column: str) -> str:
    if column in ("revision", "line_no", "compliance_year", "task_no"):
        return "integer"
    if column.endswith(("_on", "_start", "_end")) or column in ("valid_from", "valid_to", "trade_date", "as_of"):
        return "date"
    number_ends = (
        "_kg_co2e",
        "quantity",
        "_pct",
        "_share",
        "_rating",
        "_per_t",
        "_per_unit",
        "volume_t",
        "_t_co2e",
        "_capacity",
        "_mwh",
        "_cny",
        "factor_to_base",
    )
    return "double" if column.endswith(number_ends) else "varchar"


def read_clean_rows(world: World, truth: dict, source: str) -> tuple[list[str], list[list[str]]]:
    """Header in the contract's names and all good rows of both stages as text; cells that are spelt otherwise are left out."""
    left_out = {(row["file"], row["row_number"]) for row in [*truth["rows"], *truth["normalised_cells"]]}
    header: list[str] = []
    clean = []
    for folder in (world.first, world.second):
        for path in sorted((folder / "inbox" / source).iterdir()):
            if "_again" in path.name:
                continue
            encoding = "gb18030" if path.name == "20260914_enterprise_mixed.csv" else "utf-8"
            with path.open(encoding=encoding, newline="") as file:
                names, *rows = csv.reader(file)
            header = header or names
            clean += [row for number, row in enumerate(rows, 1) if (path.name, number) not in left_out]
    return header, clean


@pytest.fixture(scope="module")
def clean(world: World, truth: dict, tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """Every clean row of both stages in typed tables, and the reference lists."""
    folder = tmp_path_factory.mktemp("clean")
    tables = {path.stem: path for path in SEEDS.glob("*.csv")}
    for source in SOURCES:
        header, rows = read_clean_rows(world, truth, source)
        tables[source] = folder / f"{source}.csv"
        with tables[source].open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    connection = duckdb.connect()
    for name, path in tables.items():
        columns = path.read_text(encoding="utf-8").split("\n", 1)[0].strip().split(",")
        typed = ", ".join(f"cast({column} as {find_type(column)}) as {column}" for column in columns)
        connection.execute(f"create table {name} as select {typed} from read_csv('{path}', all_varchar = true, quote = '\"', delim = ',')")
    return connection


@pytest.mark.parametrize("rule", CLEAN)
def test_clean_rows_satisfy(clean: duckdb.DuckDBPyConnection, rule: str) -> None:
    rows, condition = CLEAN[rule]
    examined, broken = clean.execute(f"select count(*), count(*) filter (({condition}) is not true) from {rows}").fetchone()
    assert examined > 0, "a check of nothing"
    assert broken == 0


def test_keys_are_unique_except_for_rows_sent_again(clean: duckdb.DuckDBPyConnection) -> None:
    keys = {
        "product_footprint": "disclosure_id, revision",
        "footprint_activity": "disclosure_id, revision, line_no",
        "emission_factor": "factor_id, edition",
        "market_quote": "market, instrument, trade_method, trade_date",
        "market_trade": "market, trade_id",
        "ets_surrender": "surrender_id",
        "ccer_issuance": "issuance_id",
        "ccer_cancellation": "cancellation_id",
        "green_certificate": "batch_id",
        "pcf_standard": "standard_code, stage",
        "label_certificate": "certificate_no, state",
        "policy_task": "task_no, as_of",
        "loan": "bank_id, loan_id, as_of",
        "meter_reading": "meter_id, read_at",
    }
    for source, key in keys.items():
        conflicts = clean.execute(f"select {key} from (select distinct * from {source}) group by {key} having count(*) > 1").fetchall()
        assert conflicts == [], source


def test_credit_codes_are_valid_and_belong_to_nobody(clean: duckdb.DuckDBPyConnection) -> None:
    codes = [row[0] for row in clean.execute("select distinct enterprise_id from enterprise").fetchall()]
    domestic = [code for code in codes if not code.startswith("name:")]
    assert len(codes) == 400 and len(domestic) > 380
    assert [code for code in domestic if not uscc.is_valid(code)] == []
    assert {code[8:11] for code in domestic} == {"DEM"}
    assert all(organisation_check(code[8:16]) == code[16] for code in domestic)


def organisation_check(body: str) -> str:
    """GB 11714, written out again on purpose."""
    total = sum(weight * int(letter, 36) for weight, letter in zip((3, 7, 9, 10, 5, 8, 4, 2), body, strict=True))
    return "0X987654321"[total % 11] if total % 11 else "0"


def test_recalculated_totals_are_near_the_declared_ones(clean: duckdb.DuckDBPyConnection) -> None:
    """Priced here once more from the delivered factors (those of the first stage), by M2's order of choice without suppliers."""
    ratios = clean.execute("""
        with priced as (
            select l.disclosure_id, l.revision, l.line_no, l.quantity * u.factor_to_base / fu.factor_to_base * f.kg_co2e_per_unit as kg,
                row_number() over (partition by l.disclosure_id, l.revision, l.line_no
                    order by (f.geography_code = 'CN') desc, f.valid_from desc) as choice
            from (select distinct * from footprint_activity) l
            join (select distinct * from product_footprint) d using (disclosure_id, revision)
            join unit u on u.unit = l.unit
            left join (select * from emission_factor where factor_family = 'footprint' and edition <> '2024') f
                on f.activity_code = l.activity_code and f.geography_code in ('CN', 'GLO') and f.valid_from <= d.period_end
            left join unit fu on fu.unit = f.unit
        )
        select any_value(d.total_kg_co2e) / sum(kg) - 1 as ratio, count(*) filter (kg is null) as unpriced
        from priced join (select distinct * from product_footprint) d using (disclosure_id, revision) where choice = 1
        group by disclosure_id, revision
    """).fetchall()
    complete = [ratio for ratio, unpriced in ratios if not unpriced]
    off = [ratio for ratio in complete if abs(ratio) > 0.1]
    assert len(complete) > 1500
    assert 0.03 < len(off) / len(complete) < 0.12
    assert len(ratios) > len(complete), "some inputs have no factor"
    assert sorted(abs(ratio) for ratio in complete)[len(complete) // 2] < 0.02


def test_disclosures_vary_as_real_ones_do(clean: duckdb.DuckDBPyConnection) -> None:
    row = clean.execute("""
        select avg((boundary = 'cradle_to_grave')::int), avg((output_quantity is null)::int), avg((raw_material_kg_co2e is null)::int),
            avg((verified_on is null)::int), avg((gwp_set = 'AR4')::int), max(revision), count(distinct product_code),
            count(distinct year(period_end)), avg((f.declared_unit <> p.declared_unit)::int)
        from product_footprint f join product_catalogue p using (product_code)""").fetchone()
    grave, no_output, no_breakdown, unverified, ar4, revision, products, years, other_unit = row
    assert 0 < grave < 0.15 and 0.02 < no_output < 0.12 and 0.03 < no_breakdown < 0.15 and 0.3 < unverified < 0.8
    assert 0 < ar4 < 0.1 and revision == 2 and products == 40 and years == 4 and 0 < other_unit < 0.2
    linked = clean.execute("select count(supplier_disclosure_id) from footprint_activity").fetchone()
    assert linked[0] > 100
    benchmarks = clean.execute("""select count(*) from (select 1 from product_footprint
        group by product_code, boundary, gwp_set, year(period_end)
        having count(distinct enterprise_id) >= 5)""").fetchone()
    assert benchmarks[0] > 40


def test_months_keep_their_published_volume_and_close(clean: duckdb.DuckDBPyConnection, world: World) -> None:
    months = list(csv.DictReader((FACTS / "cea_months.csv").open(encoding="utf-8")))
    second = next((world.second / "inbox" / "market_quote").iterdir())
    first = next((world.first / "inbox" / "market_quote").iterdir())
    assert all("synthetic" in path.name for path in (first, second))
    volumes = dict(
        clean.execute("""select strftime(trade_date, '%Y-%m'), sum(volume_t) from (select distinct * from market_quote)
        where trade_method = 'listed' and trade_date < date '2026-03-01' group by all""").fetchall()
    )
    closes = dict(
        clean.execute("""select strftime(trade_date, '%Y-%m'), arg_max(close_cny_per_t, trade_date) from market_quote
        where trade_method = 'listed' group by all""").fetchall()
    )
    for month in months:
        if month["month"] in volumes:
            assert volumes[month["month"]] == float(month["listed_volume_t"])
        if month["close_cny_per_t"]:
            assert closes[month["month"]] == pytest.approx(float(month["close_cny_per_t"]))
    assert len(volumes) == 50


def test_facts_equal_the_published_ones() -> None:
    if not (SHARED / "reference").exists():
        pytest.skip(f"{SHARED / 'reference'} is not here: the collected facts are kept outside the checkout")
    rows = list(csv.DictReader((FACTS / "published_factors.csv").open(encoding="utf-8")))
    values = Counter((row["edition"], row["factor_family"], float(row["kg_co2e_per_unit"]), row["confidence"]) for row in rows)
    expected: Counter = Counter()
    for row in csv.DictReader((SHARED / "reference" / "electricity_factors.csv").open(encoding="utf-8")):
        if row["value"]:
            expected[row["factor_year"], "footprint", float(row["value"]), row["confidence"]] += 1
    for row in csv.DictReader((SHARED / "reference" / "grid_emission_factors.csv").open(encoding="utf-8")):
        if row["factor_type"] != "ets_reporting_default":
            expected[row["factor_year"], "direct_co2", float(row["value"]), row["confidence"]] += 1
    assert values == expected
    months = {row["month"]: row for row in csv.DictReader((FACTS / "cea_months.csv").open(encoding="utf-8"))}
    for row in csv.DictReader((SHARED / "reference" / "ets_market_history.csv").open(encoding="utf-8")):
        if row["period_type"] == "month" and row["period"] >= "2022":
            assert float(months[row["period"]]["listed_volume_t"]) == float(row["listed_volume_t"])
            assert months[row["period"]]["close_cny_per_t"] == row["close_cny_per_t"]


def test_both_families_are_delivered_and_only_synthetic_values_lack_a_publisher(clean: duckdb.DuckDBPyConnection) -> None:
    rows = clean.execute("""select factor_family, edition, publisher, citation, kg_co2e_per_unit from emission_factor
        where activity_code = 'electricity_grid' and geography_code = 'CN'""").fetchall()
    values = {(family, edition): value for family, edition, _, _, value in rows}
    assert values["footprint", "2023"] == 0.6205 and values["footprint", "2024"] == 0.5777
    assert values["direct_co2", "2021"] == 0.5568 and values["direct_co2", "2022"] == 0.5366 and values["direct_co2", "2023"] == 0.5306
    for _, edition, publisher, citation, _ in rows:
        assert ("合成" in publisher) == ("synthetic" in citation) == edition.startswith("demo")


def test_truth_names_a_row_for_every_rule(truth: dict) -> None:
    found = {row["rule"] for row in truth["rows"]}
    assert found == {f"{source}.{rule}" for source, rules in RULES.items() for rule in rules.split()}
    assert len({(row["file"], row["row_number"]) for row in truth["rows"]}) == len(truth["rows"])


def test_truth_counts_every_row_of_every_file(world: World, truth: dict) -> None:
    for name, folder in (("first", world.first), ("second", world.second)):
        manifest = list(csv.DictReader((folder / "manifest.csv").open(encoding="utf-8")))
        listed = {path.relative_to(folder / "inbox").as_posix() for path in folder.glob("inbox/*/*")}
        assert listed == {f"{entry['source']}/{entry['file']}" for entry in manifest}
        assert [int(entry["sequence"]) for entry in manifest] == list(range(1, len(manifest) + 1))
        assert [entry["received_on"] for entry in manifest] == sorted(entry["received_on"] for entry in manifest)
        received: Counter = Counter()
        for entry in manifest:
            path = folder / "inbox" / entry["source"] / entry["file"]
            encoding = "gb18030" if path.name == "20260914_enterprise_mixed.csv" else "utf-8"
            with path.open(encoding=encoding, newline="") as file:
                rows = sum(1 for _ in csv.reader(file)) - 1
            assert rows == int(entry["rows"])
            received[entry["source"]] += rows
        for source, counts in truth["stages"][name].items():
            assert counts["received"] == received[source]
            assert counts["received"] == sum(value for key, value in counts.items() if key != "received")
    assert truth["stages"]["first"]["footprint_activity"]["waiting"] > 0
    quarantined = Counter(row["rule"].split(".")[0] for row in truth["rows"])
    for source, counts in truth["sources"].items():
        assert counts["quarantined"] == quarantined[source]
        assert counts["received"] == counts["accepted"] + counts["duplicate"] + counts["quarantined"]
    assert len(list(world.first.glob("inbox/*/*"))) <= 22 and len(list(world.second.glob("inbox/*/*"))) <= 21


def test_bad_rows_stay_below_the_tolerated_share(world: World, truth: dict) -> None:
    rows = {entry["file"]: int(entry["rows"]) for entry in csv.DictReader((world.second / "manifest.csv").open(encoding="utf-8"))}
    for file, bad in Counter(row["file"] for row in truth["rows"]).items():
        assert bad / rows[file] < 0.15, file


def test_second_stage_changes_what_the_first_one_said(clean: duckdb.DuckDBPyConnection, world: World, truth: dict) -> None:
    restated = clean.execute(
        "select enterprise_id from enterprise group by all having count(distinct (enterprise_name, province_code)) > 1"
    )
    assert len(restated.fetchall()) == 20
    again = next(path for path in world.second.glob("inbox/enterprise/*again*"))
    first = next(world.first.glob("inbox/enterprise/*"))
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(first.read_bytes()).digest()
    ids = {}
    for stage, folder in (("first", world.first), ("second", world.second)):
        pattern = f"{folder}/inbox/product_footprint/*"
        query = f"select disclosure_id, revision from read_csv('{pattern}', all_varchar = true)"
        ids[stage] = set(duckdb.sql(query).fetchall())
    newer = {key for key, revision in ids["second"] if revision == "2"} & {key for key, _ in ids["first"]}
    older = {key for key, revision in ids["second"] if revision == "1"} & {key for key, revision in ids["first"] if revision == "2"}
    assert len(newer) > 20 and len(older - {key for key, revision in ids["first"] if revision == "1"}) == 3
    assert truth["stages"]["second"]["emission_factor"]["accepted"] == 9


def test_exchanged_footprints_hold_every_field_of_their_version_and_stand_under_labels(world: World, truth: dict) -> None:
    """What may be shared: documents whose version misses nothing, all but one of each version under a label of the same enterprise."""
    folder = world.folder / "exchange" / "inbox"
    with next((folder / "label_certificate").iterdir()).open(encoding="utf-8", newline="") as stream:
        labels = {row["disclosure_id"]: row["enterprise_id"] for row in csv.DictReader(stream)}
    seen = set()
    for path in sorted((folder / "product_footprint").iterdir()):
        content = json.loads(path.read_text(encoding="utf-8"))
        documents = content["data"] if isinstance(content, dict) else content
        assert {PACT.recognises(document) for document in documents} == {True}
        assert [missing_fields(document, version_of(document)) for document in documents] == [[]] * len(documents)
        assert sum(document["id"] not in labels for document in documents) == 1
        codes = {document["id"]: document["companyIds"][0].rpartition(":")[2] for document in documents}
        assert all(uscc.is_valid(code) for code in codes.values())
        assert all(labels[identifier] == code for identifier, code in codes.items() if identifier in labels)
        seen |= set(codes)
    assert set(labels) < seen and len(seen) == 8
    assert truth["stages"]["exchange"]["product_footprint"]["accepted"] == 8


def test_refused_files_are_what_their_names_say(world: World, truth: dict) -> None:
    reasons = {entry["file"]: entry["reason"] for entry in truth["rejected_files"]}
    assert set(reasons.values()) == {"column_missing", "header_repeated", "no_data_rows", "too_many_bad_rows", "unreadable"}
    paths = {path.name: path for path in world.refused.glob("inbox/*/*")}
    assert set(paths) == set(reasons)
    by_reason = {reason: paths[file] for file, reason in reasons.items()}
    assert b"industry_code" not in by_reason["column_missing"].read_bytes()
    header = by_reason["header_repeated"].read_text(encoding="utf-8").splitlines()[0].split(",")
    assert len(set(header)) < len(header)
    assert len(by_reason["no_data_rows"].read_text(encoding="utf-8").splitlines()) == 1
    codes = [row[0] for row in csv.reader(by_reason["too_many_bad_rows"].open(encoding="utf-8", newline=""))][1:]
    assert sum(not uscc.is_valid(code) for code in codes) / len(codes) > 0.2


def hash_files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()
    }


def test_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    worlds = [make_world(tmp_path / name, enterprises=120, seed=seed) for name, seed in (("a", 7), ("b", 7), ("c", 8))]
    first, same, other = (hash_files(world.folder) for world in worlds)
    assert first == same
    assert all(first[file] != other[file] for file in first if "refused" not in file and ("footprint" in file or "enterprise.csv" in file))
    again = make_world(tmp_path / "c", enterprises=120, seed=7)
    assert hash_files(again.folder) == first, "an older world in the folder leaves nothing behind"


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_smallest_world_has_everything_for_any_seed(tmp_path: Path, seed: int) -> None:
    world = make_world(tmp_path, enterprises=120, seed=seed)
    truth = json.loads(world.truth.read_text(encoding="utf-8"))
    assert {row["rule"] for row in truth["rows"]} == {f"{source}.{rule}" for source, rules in RULES.items() for rule in rules.split()}
    assert truth["stages"]["first"]["footprint_activity"]["waiting"] > 0
    outlier = next(row for row in truth["rows"] if row["rule"] == "product_footprint.outlier")
    with (world.second / "inbox" / "product_footprint" / outlier["file"]).open(encoding="utf-8", newline="") as file:
        product = list(csv.DictReader(file))[outlier["row_number"] - 1]["product_code"]
    first = f"read_csv('{world.first}/inbox/product_footprint/*', all_varchar = true)"
    peers = duckdb.sql(f"select count(distinct disclosure_id) from {first} where product_code = '{product}'").fetchone()
    assert peers is not None and peers[0] >= 20, "the outlier rule needs 20 disclosures of the product"


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_lines_set_the_size_in_both_formats(tmp_path: Path, file_format: str) -> None:
    world = make_world(tmp_path, lines=100_000, file_format=file_format)
    files = list((world.first / "inbox" / "footprint_activity").glob(f"*.{file_format}"))
    assert len(files) == 2
    pattern = f"'{world.first}/inbox/footprint_activity/*.{file_format}'"
    counted = duckdb.sql(f"select count(*) from {'read_csv' if file_format == 'csv' else 'read_parquet'}({pattern})").fetchone()
    assert counted is not None and 0.95 < counted[0] / 100_000 < 1.05


def test_a_million_lines_take_well_under_a_minute(tmp_path: Path) -> None:
    started = time.process_time()  # of both cores, and not of what else the machine does
    world = make_world(tmp_path, lines=1_000_000, file_format="parquet")
    assert time.process_time() - started < 60
    assert 0.95 < world.line_count / 1_000_000 < 1.05


def test_wrong_arguments_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 120 enterprises, found 5"):
        make_world(tmp_path, enterprises=5)
    with pytest.raises(ValueError, match="csv or parquet, found xlsx"):
        make_world(tmp_path, file_format="xlsx")


def test_readme_says_in_both_languages_what_is_synthetic(world: World) -> None:
    assert "synthetic" in (world.folder / "README.md").read_text(encoding="utf-8")
    assert "合成" in (world.folder / "README.zh.md").read_text(encoding="utf-8")
    assert f"{world.line_count}" in (world.folder / "README.zh.md").read_text(encoding="utf-8")
