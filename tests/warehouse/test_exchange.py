"""What leaves as files: nothing is run by a spreadsheet or cut by it, everything reads back, and only what may be shared is shared."""

from __future__ import annotations

import csv
import json
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

from warehouse.exchange.cbam import list_gaps, read_headings, read_requirements
from warehouse.exchange.files import open_source, write_export
from warehouse.exchange.pact import Asked, FilterError, parse_filter, parse_moment, validity_of
from warehouse.exchange.tables import guard_text
from warehouse.reading.files import Reader, audience_file, parse_reader, reader_files, release_at
from warehouse.settings import SettingsError

pytestmark = pytest.mark.xdist_group("release")


@pytest.fixture(scope="session")
def odd_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's file with the texts and numbers that spreadsheets are known to spoil."""
    path = tmp_path_factory.mktemp("odd") / "odd.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("create schema marts")
        con.execute(
            "create table marts.ets__odd (enterprise_id varchar, note varchar, big_count bigint, cost_cny decimal(28,8), total_t_co2e double,"
            " verified_share double, is_verified boolean, issued_on date, submitted_at timestamp)"
        )
        con.executemany(
            "insert into marts.ets__odd values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    "911301005866012345",
                    "=cmd|'/c calc'!A1",
                    1234567890123456789,
                    Decimal("0.1"),
                    1234.5,
                    0.5,
                    True,
                    date(2026, 1, 2),
                    datetime(2026, 1, 2, 3, 4),
                ),
                ("000123", "+1+1", 7, Decimal("12345678901234567890.12345678"), 0.00012, None, False, None, None),
                ("1E5", "@SUM(A1)", None, None, -5e-7, 0.0004, None, date(1949, 10, 1), None),
                ("2026-01", '多行\\n"引号", 逗号', 0, Decimal(0), 0.0, 1.0, True, None, None),
            ],
        )
    return path


def test_csv_has_a_mark_of_order_and_runs_nothing_in_a_spreadsheet(odd_file: Path, tmp_path: Path) -> None:
    [path] = write_export("csv", odd_file, [], tmp_path, "zh")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = {row["enterprise_id"]: row for row in csv.DictReader(stream)}
    assert set(rows) == {"\t911301005866012345", "\t000123", "\t1E5", "\t2026-01"}, "texts that a spreadsheet takes for numbers"
    assert [rows[key]["note"][0] for key in ("\t911301005866012345", "\t000123", "\t1E5")] == ["'", "'", "'"]
    assert not [cell for row in rows.values() for cell in row.values() if cell and cell[0] in "=+@"]
    assert rows["\t911301005866012345"]["big_count"] == "\t1234567890123456789", "nineteen digits stay nineteen"
    assert rows["\t000123"]["cost_cny"] == "12345678901234567890.12345678"
    assert rows["\t2026-01"]["note"] == '多行\\n"引号", 逗号'


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("440000", "\t440000"), ("91130100586601", "\t91130100586601"), ("91130100762459758U", "91130100762459758U"), ("3/4", "\t3/4"),
        ("=1", "'=1"), ("-1", "'-1"), ("河北", "河北"), ("cradle_to_gate", "cradle_to_gate"), ("１２３", "\t１２３"), ("", ""),
    ],
)  # fmt: skip
def test_text_is_marked_exactly_where_a_spreadsheet_would_guess(text: str, written: str) -> None:
    assert guard_text(text) == written


def test_workbook_holds_texts_as_texts_and_numbers_in_their_shown_digits(odd_file: Path, tmp_path: Path) -> None:
    [path] = write_export("xlsx", odd_file, [], tmp_path, "zh")
    sheet = openpyxl.load_workbook(path)["ets odd"]
    names = [cell.value for cell in sheet[2]]
    rows = {row[0].value: dict(zip(names, row, strict=True)) for row in sheet.iter_rows(min_row=3)}
    first, second = rows["911301005866012345"], rows["000123"]
    assert not [cell.coordinate for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert first["note"].value == "=cmd|'/c calc'!A1" and first["note"].data_type == "s" and first["enterprise_id"].number_format == "@"
    assert first["big_count"].value == "1234567890123456789", "a number beyond fifteen digits is text"
    assert first["total_t_co2e"].value == 1234.5 and first["total_t_co2e"].number_format.startswith("#,##0;")
    assert first["verified_share"].number_format.startswith("#,##0.0%") and first["issued_on"].value == datetime(2026, 1, 2)
    assert second["total_t_co2e"].number_format.startswith("#,##0.000000;") and second["verified_share"].value is None
    assert rows["1E5"]["total_t_co2e"].number_format.startswith("0.00E+00;"), "below a millionth"
    assert sheet.column_dimensions["A"].width > 20 and sheet.freeze_panes == "A3"


def test_parquet_is_the_mart(exchanged: Any, tmp_path: Path) -> None:
    folder = release_at(exchanged.settings, None, None)  # type: ignore[arg-type]
    file = audience_file(folder, Reader("public"))  # type: ignore[arg-type]
    assert file is not None
    written = write_export("parquet", file, [], tmp_path, "en")
    with duckdb.connect(str(file), read_only=True) as con:
        for path in written:
            assert con.execute(f"(from marts.\"{path.stem}\" except all from read_parquet('{path}'))").fetchall() == []
            assert con.execute(f"(from read_parquet('{path}') except all from marts.\"{path.stem}\")").fetchall() == []
    assert len(written) >= 5
    with pytest.raises(SettingsError, match="finance__borrowers"):
        write_export("parquet", file, ["finance__borrowers"], tmp_path, "en")


def test_sdmx_structure_and_data_read_back_with_every_figure(exchanged: Any, tmp_path: Path) -> None:
    import sdmx
    from sdmx.model import v30

    folder = release_at(exchanged.settings, None, None)  # type: ignore[arg-type]
    file = audience_file(folder, Reader("public"))  # type: ignore[arg-type]
    assert file is not None
    structure, data = write_export("sdmx", file, [], tmp_path, "en")
    message = sdmx.read_sdmx(structure)
    [dsd] = message.structure.values()
    assert isinstance(dsd, v30.DataStructureDefinition)
    assert [d.id for d in dsd.dimensions.components] == ["PRODUCT", "BOUNDARY", "GWP_SET", "REF_AREA", "TIME_PERIOD"]
    assert len(dsd.measures.components) == 18
    assert str(message.codelist["CL_REF_AREA"]["000000"].name.localizations["zh"]) and len(message.codelist["CL_PRODUCT"]) > 3
    [found] = sdmx.read_sdmx(data, structure=dsd).data
    with duckdb.connect(str(file), read_only=True) as con:
        count, total = con.execute("select count(*), sum(total_t_co2e) from marts.footprint__sectors_by_year_public").fetchone() or (0, 0)
    assert len(found.obs) == count > 100
    with data.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sum(float(row["TOTAL_T_CO2E"]) for row in rows if row["TOTAL_T_CO2E"]) == pytest.approx(total)
    withheld = [row for row in rows if row["SUPPRESSION_REASON"]]
    assert withheld and not [row for row in withheld if row["TOTAL_T_CO2E"] or row["WEIGHTED_MEAN_KG_CO2E"]]


def test_shared_footprints_are_their_senders_words_and_gaps_are_named(exchanged: Any, tmp_path: Path) -> None:
    folder = release_at(exchanged.settings, None, None)  # type: ignore[arg-type]
    file = audience_file(folder, Reader("ministry"))  # type: ignore[arg-type]
    assert file is not None
    three, two, gaps = write_export("pact", file, [], tmp_path, "en")
    sent = {
        document["id"]: document
        for name in ("pact_v3_list.json", "pact_v2_array.json")
        for document in _documents(Path(__file__).parents[2] / "ingest/sources/product_footprint/fixtures/good" / name)
    }
    shared = json.loads(three.read_text(encoding="utf-8"))["data"] + json.loads(two.read_text(encoding="utf-8"))["data"]
    assert len(shared) >= 2
    assert all(document == sent[document["id"]] for document in shared)
    with gaps.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows and all("fossilCarbonContent" in row["missing_exchange_facts"] for row in rows)


def _documents(path: Path) -> list[dict[str, Any]]:
    held = json.loads(path.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = held["data"] if isinstance(held, dict) else held
    return found


def test_filters_of_pact_two_hold_what_they_say_and_refuse_the_rest() -> None:
    document = {
        "created": "2025-03-01T10:00:00+08:00",
        "productIds": ["urn:a:1"],
        "pcf": {"geographyCountry": "CN", "referencePeriodEnd": "2024-02-29T00:00:00Z"},
    }
    for text, holds in (
        ("created eq '2025-03-01T02:00:00Z'", True), ("created lt '2025-03-01T02:00:00Z'", False), ("(pcf/geographyCountry eq 'CN')", True),
        ("pcf/geographyCountry eq 'CN' and productIds/any(p:(p eq 'urn:a:1'))", True), ("productIds/any(p:(p eq 'urn:a:2'))", False),
        ("pcf/geographyCountry ne 'O''and''x'", True), ("nothing eq 'x'", False),
    ):  # fmt: skip
        assert parse_filter(text)(document) is holds, text
    for text in ("", "created", "created eq x", "a eq 'b' or c eq 'd'", "productIds/any(p:(q eq 'x'))", "created eq 'soon'"):
        with pytest.raises(FilterError):
            parse_filter(text)
    assert validity_of(document)[1] == parse_moment("2027-02-28T00:00:00Z")
    assert Asked(valid_on=parse_moment("2026-01-01T00:00:00Z")).admits(document)
    assert not Asked(valid_before=parse_moment("2026-01-01T00:00:00Z")).admits(document)


def test_gap_list_says_what_is_held_and_never_invents_a_code(exchanged: Any, tmp_path: Path) -> None:
    folder = release_at(exchanged.settings, None, None)  # type: ignore[arg-type]
    file = audience_file(folder, Reader("ministry"))  # type: ignore[arg-type]
    assert file is not None
    source = open_source(file)
    rows = list_gaps(source)
    requirements = read_requirements()["requirements"]
    assert len(rows) % len(requirements) == 0 and len(rows) > 100
    by_code = {item["code"]: [row for row in rows if row["requirement"] == item["code"]] for item in requirements}
    headings = {row["product_code"]: (row["state"], row["value"]) for row in by_code["goods_code"]}
    assert headings["CEMENT"] == ("recalled", "2523") and headings["STEEL-BF"] == ("recalled", "72")
    assert {found for product, found in headings.items() if product not in read_headings()} == {("unknown", None)}
    assert all(row["state"] in ("recalled", "unknown") for row in by_code["goods_code"]), "a heading is never certain"
    assert {"held", "missing", "unknown", "recalled"} == {row["state"] for row in rows}
    assert {row["state"] for row in by_code["verification"]} == {"missing", "unknown"}, "whose accreditation in the EU nobody knows"
    costs = {
        row["disclosure_id"]: row["net_cost_cny_per_declared_unit"] for row in source.read("select * from marts.ets__product_costs_by_year")
    }
    held = [row for row in by_code["carbon_price"] if row["state"] == "held"]
    assert held and all(row["value"] == costs[row["disclosure_id"]] for row in held)
    source.connection.close()
    [path] = write_export("cbam", file, [], tmp_path, "en")
    sheets = openpyxl.load_workbook(path, read_only=True).worksheets
    assert sum(1 for _ in sheets[1].iter_rows()) == len(rows) + 1


def test_enterprise_sees_its_own_rows_and_percentiles_of_public_cells_only(exchanged: Any) -> None:
    reader = parse_reader(next(name for name in exchanged.keys if name.startswith("enterprise_")))
    folder = release_at(exchanged.settings, None, None)
    ministry = audience_file(folder, Reader("ministry"))  # type: ignore[arg-type]
    with reader_files(exchanged.settings, folder, reader) as (file, _):  # type: ignore[arg-type]
        with duckdb.connect(str(file), read_only=True) as con:
            con.execute(f"attach '{ministry}' as whole (read_only)")
            marts = [
                row[0]
                for row in con.execute(
                    "select table_name from duckdb_tables() where schema_name = 'marts' and database_name <> 'whole'"
                ).fetchall()
            ]
            for mart in marts:
                names = {row[0] for row in con.execute(f'describe marts."{mart}"').fetchall()}
                if "enterprise_id" in names:
                    assert (
                        con.execute(
                            f'select distinct enterprise_id from marts."{mart}" where enterprise_id <> ?', [reader.member]
                        ).fetchall()
                        == []
                    )
            own = con.execute("select count(*) from whole.marts.footprint__products where enterprise_id = ?", [reader.member]).fetchone()
            assert con.execute("select count(*) from marts.footprint__products").fetchone() == own != (0,)
            assert "footprint__sectors_by_year" not in marts
            open_cells = con.execute(
                "select count(*) from marts.footprint__benchmarks_by_year b left join whole.marts.footprint__sectors_by_year_public p"
                " on (b.product_code, b.boundary, b.gwp_set, b.reporting_year, '000000') = (p.product_code, p.boundary, p.gwp_set, p.reporting_year, p.province_code)"
                " where p.suppression_reason is not null or p.enterprise_count is null or p.enterprise_count < 5"
            ).fetchone()
            assert open_cells == (0,)
            told = con.execute(
                "select count(*) from marts.footprint__product_tiers t left join marts.footprint__benchmarks_by_year b"
                " on (t.product_code, t.boundary, t.gwp_set, t.reporting_year) = (b.product_code, b.boundary, b.gwp_set, b.reporting_year)"
                " where b.product_code is null and (t.tier is not null or t.percentile_rank is not null)"
            ).fetchone()
            assert told == (0,)
        place = file
    assert not place.exists(), "the file is made for the moment"
    with (
        pytest.raises(SettingsError, match="holds nothing of enterprise_91110000NOBODY0001, enterprises with a code like it: 9"),
        reader_files(exchanged.settings, folder, Reader("enterprise", "91110000NOBODY0001")),
    ):  # type: ignore[arg-type]
        pass


def list_empty_texts(document: dict[str, Any]) -> list[str]:
    """Places of the catalogue where a word is missing in a language."""
    found = []
    for kind in ("marts", "sources", "lists"):
        for entry in document[kind]:
            held = [(entry["name"], entry)] + [(f"{entry['name']}.{column['name']}", column) for column in entry["columns"]]
            texts = [
                (place, part, words)
                for place, each in held
                for part, words in each.items()
                if part in ("text", "label", "title", "purpose")
            ]
            found += [f"{place} {part}" for place, part, words in texts if not words or not words["zh"] or not words["en"]]
    return found


def test_catalogue_lists_every_column_and_its_origins_and_loads_nothing(exchanged: Any, tmp_path: Path) -> None:
    from warehouse.exchange.catalogue import write_catalogue
    from warehouse.ledger import Ledger
    from warehouse.lineage.opened import open_release

    folder = release_at(exchanged.settings, None, None)  # type: ignore[arg-type]
    file = audience_file(folder, Reader("ministry"))  # type: ignore[arg-type]
    assert file is not None
    with open_release(exchanged.settings, Ledger(exchanged.settings.ledger), folder.name) as opened:
        page = write_catalogue(file, opened.steps, None, tmp_path).read_text(encoding="utf-8")
    document = json.loads((tmp_path / "catalogue.json").read_text(encoding="utf-8"))
    assert not re.search(
        r"(src|href)=|https?://(?!www\.w3\.org)", re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    )
    columns = {(mart["name"], column["name"]): column for mart in document["marts"] for column in mart["columns"]}
    assert len(columns) > 250
    assert list_empty_texts(document) == []
    # A table of the release's own has its own words, though a mart has a column of the same name.
    assert (
        columns["release__sources", "title_zh"]["text"]["en"].startswith("Source in Chinese")
        != columns["policy__tasks", "title_zh"]["text"]
    )
    assert columns["footprint__sectors_by_year", "weighted_mean_kg_co2e"]["origins"] == [
        "product_footprint.output_quantity", "product_footprint.total_kg_co2e", "unit.factor_to_base",
    ]  # fmt: skip
    assert "market_trade.turnover_cny" in columns["ets__prices_by_day", "vwap_cny_per_t"]["origins"]
    without = [place for place, column in columns.items() if not place[0].startswith("release__") and not column["from"]]
    assert len(without) < 0.05 * len(columns), "counts and constants have no column behind them, and they are few"
    assert len(document["sources"]) == 18 and {entry["name"] for entry in document["lists"]} >= {"ets_rule", "policy_target", "unit"}
    assert all(entry["citations"] for entry in document["lists"] if entry["name"] in ("ets_rule", "policy_target", "tier_cut"))
