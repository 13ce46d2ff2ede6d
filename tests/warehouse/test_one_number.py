"""One number: a figure of a release that stands on several surfaces, in either language, is the same to its displayed precision.

Surfaces: the four reports for a reader as page, PDF and workbook in both languages, the exports, the reading interface, and the charts of the
dashboards by their own queries.
"""

from __future__ import annotations

import csv
import html
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
import yaml

from dashboards.reports.audience_report import KINDS, Content, collect_content, render_page, write_pdf
from dashboards.reports.exhibit import Cell, drawing_in
from dashboards.reports.figures import is_figure, write_figure
from dashboards.reports.numbers import MINUS
from dashboards.reports.report_workbook import write_workbook
from warehouse.exchange.files import write_export
from warehouse.reading.files import Reader, audience_file, parse_reader, reader_files, release_at

pytestmark = pytest.mark.xdist_group("release")
ASSETS = Path(__file__).parents[2] / "dashboards" / "superset" / "assets"
# Counted or compared in a report's own query over a mart; every other figure of a table must stand in a mart as it is.
COUNTED = re.compile(r"^(\w+_count|value|target_value|gap|country_mean_kg_co2e|country_gap_ratio|next_cut_\w+)$")
DATA = re.compile(r'<data value="([^"]+)">([^<]*)</data>')
ONLY_ROW = re.compile(r"case when count\(\*\) = 1 then max\((\w+)\) end")


@dataclass(frozen=True)
class Surface:
    """A report of one reader, with the file that it read."""

    kind: str
    content: Content
    file: Path


@pytest.fixture(scope="module")
def surfaces(exchanged: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Surface]]:
    settings = exchanged.settings
    folder = release_at(settings, None, None)  # type: ignore[arg-type]
    assert folder is not None
    first = {kind: next(name for name in exchanged.keys if name.startswith(kind)) for kind in ("region", "bank", "enterprise", "ministry")}
    made = []
    for kind in KINDS.values():
        reader = parse_reader(first[kind.audience])
        with reader_files(settings, folder, reader) as (file, before), drawing_in():
            made.append(Surface(kind.name, collect_content(kind, reader.member, file, before), file))
    yield made


def numbers(content: Content, *, drawn: bool = False) -> list[Cell]:
    """The table cells with a figure, in the order in which every format writes them; with those of drawings, as a workbook has them."""
    found = [exhibit for _, exhibits in content.sections for exhibit in exhibits]
    tables = [table for exhibit in found for table in (exhibit.table, exhibit.drawn if drawn else None) if table]
    return [cell for table in tables for row in table.rows for cell in row if cell.value is not None]


def show(value: float, form: str) -> str:
    """A number in a spreadsheet's format, for the formats that the workbooks use."""
    if form == "0":
        return f"{value:.0f}"
    plain = form.split(";")[2]
    if "E" in plain:
        return (MINUS if value < 0 else "+" if form.startswith("+") else "") + f"{abs(value):.2e}"
    digits = f"{abs(value) * (100 if '%' in plain else 1):{',' if ',' in plain else ''}.{len(plain.rstrip('%').partition('.')[2])}f}"
    text = digits + ("%" if "%" in plain else "")
    if not re.search("[1-9]", digits):
        return text
    return MINUS + text if value < 0 else ("+" if form.startswith("+") else "") + text


def test_figures_of_the_reports_are_those_of_the_marts_and_written_one_way(surfaces: list[Surface], exchanged: Any) -> None:
    folder = release_at(exchanged.settings, None, None)  # type: ignore[arg-type]
    shown: dict[tuple[str, float], set[str]] = defaultdict(set)
    asked: dict[str, set[float]] = defaultdict(set)
    for surface in surfaces:
        for cell in numbers(surface.content):
            assert cell.display.zh == cell.display.en
            if cell.column is not None:
                shown[cell.column, float(cell.value or 0)].add(cell.display.zh)
                asked[cell.column].add(float(cell.value or 0))
    assert len(shown) > 400 and len(asked) > 40
    assert not {place: found for place, found in shown.items() if len(found) > 1}
    with duckdb.connect(str(audience_file(folder, Reader("ministry"))), read_only=True) as con:  # type: ignore[arg-type]
        for column, values in asked.items():
            if not COUNTED.match(column):
                tables = con.execute(
                    "select table_name from duckdb_columns() where schema_name = 'marts' and column_name = ?", [column]
                ).fetchall()
                assert tables, column
                held = {
                    float(row[0])
                    for (table,) in tables
                    for row in con.execute(f'select distinct "{column}" from marts."{table}" where "{column}" is not null').fetchall()
                }
                assert values <= held, (column, sorted(values - held)[:3])


def test_every_format_and_language_of_a_report_shows_the_same_digits(surfaces: list[Surface], tmp_path: Path) -> None:
    for surface in surfaces:
        expected = [(str(cell.value), cell.display.zh) for cell in numbers(surface.content)]
        assert len(expected) > 30, surface.kind
        for language in ("zh", "en"):
            page = render_page(surface.content, language)  # type: ignore[arg-type]
            assert [(value, html.unescape(text)) for value, text in DATA.findall(page)] == expected
            expected_in_book = [(str(cell.value), cell.display.zh) for cell in numbers(surface.content, drawn=True)]
            book = tmp_path / f"{surface.kind}_{language}.xlsx"
            write_workbook(surface.content, language, book)  # type: ignore[arg-type]
            found = [
                (str(cell.value), show(cell.value, cell.number_format))
                for sheet in openpyxl.load_workbook(book).worksheets[1:-1]
                for row in sheet.iter_rows(min_row=6)
                for cell in row
                if cell.data_type == "n" and cell.value is not None
            ]
            assert [text for _, text in found] == [text for _, text in expected_in_book], (surface.kind, language)
            assert [float(value) for value, _ in found] == pytest.approx([float(value) for value, _ in expected_in_book], rel=1e-14)


def test_printed_report_shows_the_same_digits(surfaces: list[Surface], tmp_path: Path) -> None:
    import pypdf

    surface = next(found for found in surfaces if found.kind == "enterprise-card")
    for language in ("zh", "en"):
        out = tmp_path / f"card_{language}.pdf"
        write_pdf(render_page(surface.content, language), out)  # type: ignore[arg-type]
        reader = pypdf.PdfReader(out)
        text = re.sub(r"\s", "", "".join(page.extract_text() for page in reader.pages))
        assert not [cell.display.zh for cell in numbers(surface.content) if re.sub(r"\s", "", cell.display.zh) not in text]
        fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]  # type: ignore[index]
        inner = [font["/DescendantFonts"][0].get_object()["/FontDescriptor"] for font in fonts]
        assert fonts and all({"/FontFile2", "/FontFile3"} & set(found) for found in inner), "every font is embedded"
        assert any("CJK" in str(font["/BaseFont"]) for font in fonts)


def test_exports_and_the_interface_hold_the_very_figures(exchanged: Any, tmp_path: Path) -> None:
    folder = release_at(exchanged.settings, None, None)  # type: ignore[arg-type]
    name = next(reader for reader in exchanged.keys if reader.startswith("bank_"))
    file = audience_file(folder, parse_reader(name))  # type: ignore[arg-type]
    assert file is not None
    marts = ["finance__portfolios", "finance__borrowers", "ets__positions_by_year", "footprint__sectors_by_year_public"]
    write_export("csv", file, marts, tmp_path, "zh")
    for lang in ("zh", "en"):
        write_export("xlsx", file, marts, tmp_path, lang)
    books = {lang: openpyxl.load_workbook(tmp_path / f"marts_{lang}.xlsx") for lang in ("zh", "en")}
    compared = 0
    with duckdb.connect(str(file), read_only=True) as con:
        for place, mart in enumerate(marts):
            cursor = con.execute(f'select * from marts."{mart}" order by all')
            names = [column[0] for column in cursor.description or []]
            rows = cursor.fetchall()
            answer = exchanged.client.get(f"/v1/marts/{mart}?limit=5000", headers={"X-API-Key": exchanged.keys[name]}).json()["rows"]
            with (tmp_path / f"{mart}.csv").open(encoding="utf-8-sig", newline="") as stream:
                written = list(csv.DictReader(stream))
            sheets = {lang: list(book.worksheets[place].iter_rows(min_row=3)) for lang, book in books.items()}
            assert len(rows) == len(answer) == len(written) == len(sheets["zh"]) == len(sheets["en"]) > 0
            for number, row in enumerate(rows):
                for spot, (column, value) in enumerate(zip(names, row, strict=True)):
                    if not is_figure(value):
                        continue
                    compared += 1
                    assert answer[number][column] == float(value) == float(written[number][column].strip()), (mart, column)
                    for lang in ("zh", "en"):
                        cell = sheets[lang][number][spot]
                        assert cell.value == pytest.approx(float(value), rel=1e-14, abs=0)
                        assert show(cell.value, cell.number_format) == write_figure(column, value), (mart, column, value)
    assert compared > 1500


def show_d3(value: float, form: str) -> tuple[float, float]:
    """What a chart's number format shows of a value, and half a unit of its last digit. d3-format's `d`, `f`, `%`, `r` and `s`."""
    match = re.fullmatch(r"[+]?,?(?:\.(\d+))?~?([dfr%s])", form)
    assert match, form
    digits, kind = int(match.group(1) or 0), match.group(2)
    if kind in "df%":
        places = {"d": 0, "f": digits, "%": digits + 2}[kind]
    else:
        places = digits - 1 - (math.floor(math.log10(abs(value))) if value else 0)
    return round(value, places), 0.5 * 10.0**-places


def read_display(text: str) -> tuple[float, float]:
    """A displayed number as a number, and half a unit of its last digit."""
    plain = text.replace(",", "").replace(MINUS, "-")
    scale = 0.01 if plain.endswith("%") else 1.0
    plain = plain.rstrip("%")
    mantissa, _, power = plain.partition("e")
    unit = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    return float(plain) * scale, 0.5 * unit * scale


def chart_pairs() -> dict[str, dict[str, Any]]:
    """Chart -> language -> its asset."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for path in sorted((ASSETS / "charts").rglob("*.yaml")):
        stem, _, language = path.stem.rpartition("_")
        found[f"{path.parent.name}/{stem}"][language] = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return found


def test_charts_of_both_languages_show_the_figures_of_the_marts(exchanged: Any) -> None:
    folder = release_at(exchanged.settings, None, None)  # type: ignore[arg-type]
    tables, worked_out = {}, {}
    for path in (ASSETS / "datasets").rglob("*.yaml"):
        dataset = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
        tables[dataset["uuid"]] = dataset["table_name"]
        # Names of codes, as the dataset works them out.
        names = [f'{column["expression"]} as "{column["column_name"]}"' for column in dataset["columns"] if column["expression"]]
        worked_out[dataset["table_name"]] = ", ".join(["*", *names])
    pairs, compared = chart_pairs(), 0
    assert len(pairs) >= 5
    with duckdb.connect(str(audience_file(folder, Reader("ministry"))), read_only=True) as con:  # type: ignore[arg-type]
        there = {row[0] for row in con.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()}
        for name, pair in pairs.items():
            assert set(pair) == {"zh", "en"}, name
            mart = tables[pair["zh"]["dataset_uuid"]]
            if mart not in there:
                continue
            shown = {
                language: run_chart(con, f'(select {worked_out[mart]} from marts."{mart}")', asset) for language, asset in pair.items()
            }
            assert sorted(shown["zh"]) == sorted(shown["en"]), name  # rows may be named, and so ordered, by the language
            form = pair["zh"]["params"].get("y_axis_format") or pair["zh"]["params"].get("number_format")
            assert form == (pair["en"]["params"].get("y_axis_format") or pair["en"]["params"].get("number_format")), name
            for column, value in shown["zh"]:
                if not re.fullmatch(r"[+]?,?(?:\.\d+)?~?[dfr%s]", form or ""):
                    continue
                compared += 1
                chart, half = show_d3(value, form)
                report, other = read_display(write_figure(column, value))
                assert abs(chart - report) <= (half + other) * (1 + 1e-9) + 1e-12, (name, column, value)
    assert compared > 200


def run_chart(con: duckdb.DuckDBPyConnection, relation: str, asset: dict[str, Any]) -> list[tuple[str, float]]:
    """(column, value) of everything that a chart shows as one row's own figure, by the query that it asks."""
    found = []
    for query in json.loads(asset["query_context"])["queries"]:
        metrics = [
            metric["sqlExpression"] for metric in query.get("metrics") or [] if isinstance(metric, dict) and metric.get("sqlExpression")
        ]
        wanted = [(match.group(1), sql) for sql in metrics if (match := ONLY_ROW.fullmatch(sql))]
        columns = [column if isinstance(column, str) else column.get("sqlExpression") for column in query.get("columns") or []]
        if not wanted or not all(columns):
            continue
        tests, values = ["true"], []
        for entry in query.get("filters") or []:
            if entry["op"] in ("==", "!="):
                tests.append(f'"{entry["col"]}" {"=" if entry["op"] == "==" else "<>"} ?')
                values.append(entry["val"])
        selected, grouped = ", ".join([*columns, *(sql for _, sql in wanted)]), ", ".join(columns) or "all"
        sql = f"select {selected} from {relation} where {' and '.join(tests)} group by {grouped} order by all"
        for row in con.execute(sql, values).fetchall():
            found += [(column, float(value)) for (column, _), value in zip(wanted, row[len(columns) :], strict=True) if is_figure(value)]
    return found
