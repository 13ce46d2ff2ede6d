"""Explanations of figures of the acceptance world against the same shares worked out by other queries, and against hostile conditions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from markupsafe import escape

from dashboards.reports.figures import head_column, name_code, write_figure
from dashboards.reports.wording import say
from ingest.contract import read_contracts
from warehouse.ledger import Ledger
from warehouse.lineage.condition import ConditionError, read_condition
from warehouse.lineage.explanation import FigureNotReproduced, FigureUnclear, explain, write_unit
from warehouse.lineage.named import measure, write_exact
from warehouse.lineage.opened import Opened
from warehouse.lineage.page import FIRST_ROWS, render_page
from warehouse.lineage.picture import BOX_HEIGHT, BOX_WIDTH, WIDTH, Picture, draw
from warehouse.lineage.plan import plan_figure
from warehouse.lineage.steps import LineageError, read_steps
from warehouse.lineage.trace import CARRIES, Tracer
from warehouse.lineage.tree import show_explanation
from warehouse.lineage.verdicts import Verdicts
from warehouse.replay import Replay
from warehouse.settings import Settings
from warehouse.terminal import Terminal

pytestmark = pytest.mark.xdist_group("lineage")
# One figure of each kind of share, of every mart that has a figure made of rows.
ADDITIVE = [
    ("footprint__sectors_by_year", "weighted_mean_kg_co2e"),
    ("footprint__sectors_by_year", "disclosure_count"),
    ("footprint__sectors_by_year", "p25_kg_co2e"),
    ("footprint__sectors_by_year", "stddev_kg_co2e"),
    ("footprint__sectors_by_year", "yoy_change_kg_co2e"),
    ("footprint__benchmarks_by_year", "p80_kg_co2e"),
    ("footprint__products", "recalculated_kg_co2e"),
    ("footprint__product_tiers", "declared_kg_co2e"),
    ("footprint__sectors_by_year_public", "total_t_co2e"),
    ("ets__positions_by_year", "verified_t_co2e"),
    ("ets__positions_by_year", "surrendered_allowance_t_co2e"),
    ("ets__positions_by_year", "cost_cny"),
    ("ets__prices_by_day", "turnover_cny"),
    ("ets__prices_by_year", "vwap_cny_per_t"),
    ("ets__product_costs_by_year", "net_cost_cny"),
    ("ccer__ledger", "issued_t_co2e"),
    ("eia__region_increments_by_year", "increment_t_co2e"),
    ("finance__borrowers", "outstanding_cny"),
    ("finance__portfolios", "outstanding_cny"),
    ("policy__standard_priorities", "total_t_co2e"),
    ("policy__target_progress_by_month", "value"),
    ("ccer__findings", "quantity_t_co2e"),
    ("ccer__offset_uses_by_year", "cancelled_ets_offset_t_co2e"),
    ("eia__assessments", "intensity_kg_co2e"),
    ("ets__benchmarks_by_year", "benchmarked_t_co2e"),
]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """Of a ledger that knows of nothing: these rows never were deliveries."""
    settings = Settings(data=tmp_path_factory.mktemp("data"))
    return Verdicts(settings, Ledger(settings.ledger))


@pytest.fixture(scope="module")
def ask(opened: Opened, verdicts: Verdicts) -> Callable[..., dict[str, Any]]:
    def explained(mart: str, where: str, column: str) -> dict[str, Any]:
        return explain(opened, verdicts, mart, where, column)

    return explained


@dataclass(frozen=True)
class Cell:
    """Conditions that name the cell with most disclosures: its grain, and its row of the country."""

    place: str
    country: str


@pytest.fixture(scope="module")
def cell(opened: Opened) -> Cell:
    found = opened.con.execute(
        "select product_code, boundary, gwp_set, reporting_year from warehouse.marts.footprint__sectors_by_year"
        " where province_code = '000000' and yoy_change_kg_co2e is not null order by disclosure_count desc, product_code, gwp_set limit 1"
    ).fetchone()
    assert found
    place = f"product_code = '{found[0]}' and boundary = '{found[1]}' and gwp_set = '{found[2]}' and reporting_year = {found[3]}"
    return Cell(place, f"{place} and province_code = '000000'")


def shares_of(document: dict[str, Any], source: str) -> dict[tuple[str, int], float]:
    (entry,) = [item for item in document["sources"] if item["source"] == source]
    return {(row["file"], row["row_number"]): row["share"] for row in entry["rows"] if row["share"] is not None}


def test_replayed_models_equal_what_dbt_built(opened: Opened, world_warehouse: Path) -> None:
    with duckdb.connect() as con:
        con.execute("attach ':memory:' as again")
        con.execute(f"attach '{world_warehouse}' as warehouse (read_only)")
        read = {place: f"warehouse.{place}" for place in opened.leaves if place.startswith(("landing.", "reference."))}
        replay = Replay(con, opened.graph, "again", read)
        replay.run(opened.graph.models.values())
        marts = opened.graph.marts()
        assert len(marts) >= 19
        for mart in marts:
            differing = con.execute(
                f"select count(*) from ((from again.{mart.place} except all from warehouse.{mart.place})"
                f" union all (from warehouse.{mart.place} except all from again.{mart.place}))"
            ).fetchone()
            described = [con.execute(f"describe {database}.{mart.place}").fetchall() for database in ("again", "warehouse")]
            assert differing == (0,), mart.name
            assert [row[:2] for row in described[0]] == [row[:2] for row in described[1]], mart.name


def test_every_column_of_every_mart_has_a_lineage(opened: Opened) -> None:
    for mart in opened.graph.marts():
        assert mart.key, f"{mart.name}: no unique_combination test names its key"
        for column in mart.outputs:
            plan = plan_figure(opened.steps, opened.steps.final[mart.place], {column})
            assert plan.leaves, (mart.name, column)
            assert all(place.startswith(("landing.", "reference.")) for place in plan.leaves), (mart.name, column)


def test_model_whose_lineage_cannot_be_read_is_refused_by_name(opened: Opened) -> None:
    from dataclasses import replace

    models = {model.name: model for model in opened.graph.models.values()}
    columns = {place: [row[0] for row in opened.con.execute(f"describe {table}").fetchall()] for place, table in opened.leaves.items()}
    python = replace(models["int_footprint__network_solved"], lineage=[])
    with pytest.raises(LineageError, match=r"int_footprint__network_solved.*meta\.lineage"):
        read_steps([python], columns)
    nested = replace(models["stg_loans"], code='select * from "warehouse"."landing"."loan" as l where exists (select 1)')
    with pytest.raises(LineageError, match="stg_loans"):
        read_steps([nested], columns)


def test_weighted_mean_is_shared_out_by_output_times_footprint(ask: Callable[..., dict[str, Any]], opened: Opened, cell: Cell) -> None:
    document = ask("footprint__sectors_by_year", cell.country, "weighted_mean_kg_co2e")
    rows = opened.con.execute(
        "select l._source_file, l._row_number, d.declared_kg_co2e * d.output_quantity as part"
        " from warehouse.intermediate.int_footprint__disclosures_resolved as d"
        " inner join (select disclosure_id, revision, _source_file, _row_number from warehouse.landing.product_footprint) as l using (disclosure_id, revision)"
        f" where {cell.place} and d.output_quantity is not null"
    ).fetchall()
    whole = sum(part for _, _, part in rows)
    expected = {(file, number): part / whole for file, number, part in rows}
    shares = shares_of(document, "product_footprint")
    assert shares == pytest.approx(expected, rel=1e-9)
    assert len(shares) > 3
    assert document["steps"][0]["sql"].count("weighted_mean_kg_co2e") == 1
    assert document["method"]["texts"][0]["code"] == "M3"
    assert "加权" in document["rule"]["zh"]


def test_percentile_rests_on_its_neighbours(ask: Callable[..., dict[str, Any]], opened: Opened, cell: Cell) -> None:
    document = ask("footprint__sectors_by_year", cell.country, "p25_kg_co2e")
    values = sorted(
        opened.con.execute(
            "select d.declared_kg_co2e, l._source_file, l._row_number from warehouse.intermediate.int_footprint__disclosures_resolved as d"
            " inner join (select disclosure_id, revision, _source_file, _row_number from warehouse.landing.product_footprint) as l using (disclosure_id, revision)"
            f" where {cell.place}"
        ).fetchall()
    )
    position = (len(values) - 1) * 0.25
    low = int(position)
    between = position - low
    figure = values[low][0] * (1 - between) + values[min(low + 1, len(values) - 1)][0] * between
    expected = {values[low][1:]: values[low][0] * (1 - between) / figure}
    if between:
        expected[values[low + 1][1:]] = values[low + 1][0] * between / figure
    assert document["value"] == pytest.approx(figure)
    assert shares_of(document, "product_footprint") == pytest.approx(expected, rel=1e-9)
    (entry,) = [item for item in document["sources"] if item["source"] == "product_footprint"]
    assert entry["row_count"] >= len(values), "the others are compared with"


@pytest.mark.parametrize(("mart", "column"), ADDITIVE)
def test_shares_of_an_additive_figure_add_up_to_one(opened: Opened, mart: str, column: str) -> None:
    model = opened.graph.models[f"marts.{mart}"]
    start = opened.steps.final[model.place]
    plan = plan_figure(opened.steps, start, {column, *model.key})
    tracer = Tracer(opened.con, opened.graph, opened.steps, opened.leaves)
    tracer.prepare(plan)
    chosen = f'__id in (select __id from trace."{start}" where {column} is not null and {column} <> 0 order by hash(__id) limit 1)'
    assert tracer.start(start, column, chosen) == 1
    tracer.walk(plan)
    sums = opened.con.execute(
        f"select step, col, sum(share) from selected where role = {CARRIES} and share is not null and step like 'landing.%' group by all"
    ).fetchall()
    each = [total for _, _, total in sums if total == pytest.approx(1, abs=1e-9)]
    assert each or sum(total for _, _, total in sums) == pytest.approx(1, abs=1e-9), sums


def test_document_is_json_and_names_file_row_and_delivery(ask: Callable[..., dict[str, Any]], cell: Cell) -> None:
    document = json.loads(
        json.dumps(
            ask(
                "footprint__benchmarks_by_year",
                cell.place,
                "p50_kg_co2e",
            ),
            default=str,
        )
    )
    row = document["sources"][0]["rows"][0]
    assert row["file"].endswith(".csv")
    assert row["row_number"] >= 1
    assert row["delivery"]["sequence"] >= 1
    assert row["cells"]["total_kg_co2e"]["role"] == "carries"
    assert {entry["list"] for entry in document["lists"]} >= {"unit", "product_catalogue"}


def test_figure_that_the_models_do_not_give_is_not_explained(opened: Opened, verdicts: Verdicts, cell: Cell, tmp_path: Path) -> None:
    import dataclasses
    import shutil

    shutil.copyfile(opened.folder / "ministry.duckdb", tmp_path / "ministry.duckdb")
    with duckdb.connect(str(tmp_path / "ministry.duckdb")) as con:
        con.execute("update marts.footprint__sectors_by_year set weighted_mean_kg_co2e = weighted_mean_kg_co2e + 1")
    changed = dataclasses.replace(opened, folder=tmp_path)
    with pytest.raises(FigureNotReproduced):
        explain(changed, verdicts, "footprint__sectors_by_year", cell.country, "weighted_mean_kg_co2e")


@pytest.mark.parametrize(
    ("mart", "where", "column", "key"),
    [
        ("footprint__nothing", "a = 1", "a", "explain.no_mart"),
        ("footprint__products", "revision = 1", "secret", "explain.no_column"),
        ("footprint__products", "disclosure_id = ''", "revision", "explain.no_row"),
        ("footprint__products", "revision >= 1", "revision", "explain.many_rows"),
        ("footprint__products", "revision = 'steel'", "revision", "explain.not_comparable"),
    ],
)
def test_unclear_question_says_what_is_missing(ask: Callable[..., dict[str, Any]], mart: str, where: str, column: str, key: str) -> None:
    with pytest.raises(FigureUnclear) as caught:
        ask(mart, where, column)
    assert caught.value.key == key


COLUMNS = ["product_code", "reporting_year", "approved_on"]
HOSTILE = [
    "1 = 1; drop table marts.x",
    "reporting_year = (select 2025)",
    "reporting_year in (select 2025)",
    "exists (select 1)",
    "getenv('HOME') = ''",
    "product_code = read_text('/etc/passwd')",
    "1 = 1 union select 1",
    "1 = 1 order by 1",
    "1 = 1 limit 1",
    "1 = 1 group by 1",
    "1 = 1 window w as (order by 1)",
    "secret = 1",
    "marts.product_code = ''",
    "other.product_code = ''",
    "product_code = $1",
    "product_code = ?",
    "product_code::json = ''",
    "cast(product_code as date) is null",
    "product_code = current_user",
    "case when true then true end",
    "row_number() over () = 1",
    "product_code similar to 'a'",
    "(" * 2000,
    "(" * 400 + "true" + ")" * 400,
    " or ".join(["reporting_year = 1"] * 120),
    "",
    "'",
    "product_code = 'a",
    "*",
    "columns(*) = 1",
    "[1] = [1]",
    "{'a': 1} = {'a': 1}",
    "x -> x",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:24])
def test_condition_that_is_more_than_one_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        read_condition(text, COLUMNS)


@pytest.mark.parametrize(("text", "told"), [("nonsense =", "nonsense ="), ("", "''"), ("a = 1 and (b", "a = 1 and (b")])
def test_condition_that_cannot_be_read_is_told_in_the_words_that_were_typed(text: str, told: str) -> None:
    with pytest.raises(ConditionError) as caught:
        read_condition(text, COLUMNS)
    assert str(caught.value) == told


def test_column_that_is_nearly_one_is_suggested() -> None:
    with pytest.raises(ConditionError, match=r"product_cod \(→ product_code\?\)"):
        read_condition("product_cod = 'steel'", ["product_code", "boundary"])


def test_plain_condition_means_what_it_says() -> None:
    text = (
        "product_code in ('a''b', 'c;--') and not (reporting_year <> 2025 or approved_on is null)"
        " and approved_on between date '2025-01-01' and date '2025-12-31' and product_code like 'a%' /* hint */"
    )
    condition = read_condition(text, COLUMNS)
    assert "hint" not in condition
    with duckdb.connect() as con:
        con.execute("create table t (product_code varchar, reporting_year integer, approved_on date)")
        con.execute("insert into t values ('a''b', 2025, '2025-06-01'), ('a''b', 2024, '2025-06-01'), ('c;--', 2025, '2025-06-01')")
        assert con.execute(f"select count(*) from t where {condition}").fetchone() == (1,)


def test_page_shows_hostile_texts_and_obeys_none(ask: Callable[..., dict[str, Any]], cell: Cell) -> None:
    document = ask("footprint__sectors_by_year", cell.country, "mean_kg_co2e")
    wicked = "</span><script>alert(1)</script>\u202e\x1b[31m"
    row = document["sources"][0]["rows"][0]
    row["file"] = row["key"]["disclosure_id"] = wicked
    row["cells"]["total_kg_co2e"]["value"] = wicked
    document["lists"][0]["rows"][0]["cells"]["citation"] = wicked
    page = render_page(document, "zh")
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 4
    assert not {"\u202e", "\x1b"} & set(page)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", ""), "the page needs nothing else"
    assert page.count("<svg") == 1
    assert page.count('lang="zh"') == page.count('lang="en"') > 10


def test_delivered_figures_bear_their_units(ask: Callable[..., dict[str, Any]], cell: Cell) -> None:
    """Tonnes beside kilograms: without its unit the larger figure may be the smaller amount."""
    document = ask("footprint__sectors_by_year", cell.country, "weighted_mean_kg_co2e")
    source = next(source for source in document["sources"] if source["source"] == "product_footprint")
    row = next(row for row in source["rows"] if {"output_quantity", "total_kg_co2e"} <= set(row["cells"]))
    unit = row["cells"]["output_quantity"]["unit"]
    assert unit and row["cells"]["total_kg_co2e"]["unit"] == f"kgCO₂e/{unit}"
    page = render_page(document, "en")
    assert f"{write_exact(row['cells']['output_quantity']['value'])} {unit}</span>" in page
    assert f"{write_exact(row['cells']['total_kg_co2e']['value'])} kgCO₂e/{unit}</span>" in page


@pytest.mark.parametrize(
    ("source", "column", "row", "unit"),
    [
        ("footprint_activity", "quantity", {"quantity": 1.0, "unit": "kWh"}, "kWh"),
        ("emission_factor", "kg_co2e_per_unit", {"kg_co2e_per_unit": 0.5, "unit": "kWh"}, "kgCO₂e/kWh"),
        ("market_quote", "close_cny_per_t", {"close_cny_per_t": 90}, "CNY/t"),
        ("product_footprint", "total_kg_co2e", {"total_kg_co2e": 1.0, "declared_unit": None}, None),
        ("product_footprint", "total_kg_co2e", {"total_kg_co2e": None, "declared_unit": "t"}, None),
        ("product_footprint", "boundary", {"boundary": "cradle_to_gate"}, None),
    ],
)
def test_unit_of_a_delivered_figure(source: str, column: str, row: dict[str, Any], unit: str | None) -> None:
    assert write_unit(read_contracts()[source], column, row) == unit


def test_page_says_when_the_data_are_synthetic(ask: Callable[..., dict[str, Any]], cell: Cell) -> None:
    document = ask("footprint__sectors_by_year", cell.country, "mean_kg_co2e")
    said = say("demonstration")
    for is_synthetic in (False, True):
        page = render_page(document | {"release": document["release"] | {"is_demonstration": is_synthetic}}, "en")
        assert (said.zh in page, escape(said.en) in page) == (is_synthetic, is_synthetic)


def test_refused_versions_of_a_row_stand_in_the_tree_and_on_the_page(
    ask: Callable[..., dict[str, Any]], cell: Cell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    document = ask("footprint__sectors_by_year", cell.country, "weighted_mean_kg_co2e")
    row = next(row for source in document["sources"] for row in source["rows"] if row["role"] == "carries")
    why = {"code": "required", "column_name": "boundary", "value": "", "message_zh": "须填", "message_en": "wanted <script>\x1b[31m"}
    event = {"event": "quarantined", "at": "2026-03-01T01:00:00", "sequence": 7, "delivery_id": "d", "file": "early.csv", "row_number": 31}
    row["history"] = [event | {"reasons": [why], "settled_by": 9, "settled_at": "2026-04-01T01:00:00"}, *row["history"]]
    show_explanation(Terminal("en"), document)
    tree = capsys.readouterr().out
    assert "refused before: delivery 7, early.csv row 31" in tree and "put right by delivery 9" in tree and "\x1b[31m" not in tree
    page = render_page(document, "zh")
    assert page.count("early.csv") == 2 and "须填" in page and "wanted &lt;script&gt;" in page and "\x1b" not in page


def _points(path: str) -> list[tuple[float, float]]:
    """A drawn path in small steps: a curve `M x y C …` or a straight `M x y v h`."""
    found = [float(number) for number in re.findall(r"-?[\d.]+", path)]
    if "v" in path:
        return [(found[0], found[1] + found[2] * step / 40) for step in range(41)]
    corners = list(zip(found[::2], found[1::2], strict=True))
    weights = [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in (step / 40 for step in range(41))]
    return [
        (sum(w * x for w, (x, _) in zip(weight, corners, strict=True)), sum(w * y for w, (_, y) in zip(weight, corners, strict=True)))
        for weight in weights
    ]


def _check_picture(picture: Picture, most_width: int) -> None:
    """No line behind a box, no box on another, nothing outside, and no text wider than its box."""
    assert picture.width <= most_width
    for box in picture.boxes:
        assert box.x >= 0 and box.x + BOX_WIDTH <= picture.width and box.y + BOX_HEIGHT <= picture.height
        for line in picture.lines:
            inside = [(x, y) for x, y in _points(line.path) if box.x < x < box.x + BOX_WIDTH and box.y < y < box.y + BOX_HEIGHT]
            assert not inside, f"{line.path} runs behind {box.name}"
        for other in picture.boxes:
            assert other is box or abs(other.x - box.x) > BOX_WIDTH or abs(other.y - box.y) > BOX_HEIGHT, (box, other)
        for text in [*box.label["zh"], *box.label["en"]]:
            assert measure(text, 13) <= BOX_WIDTH


def test_no_line_runs_behind_a_box(ask: Callable[..., dict[str, Any]], cell: Cell) -> None:
    document = ask("footprint__sectors_by_year", cell.country, "weighted_mean_kg_co2e")
    picture = draw(document)
    assert {box.name for box in picture.boxes} >= {step["model"] for step in document["steps"]}
    _check_picture(picture, WIDTH)


def test_picture_of_many_sources_keeps_to_the_page() -> None:
    words = {"zh": "每家企业最新交付的一行" * 4, "en": "the newest delivered row of every enterprise " * 4}
    names = [f"model_{number}" for number in range(9)]
    steps = [
        {
            "model": name,
            "description": words,
            "row_count": 9,
            "reads": [*names[at + 1 : at + 4], *(f"source_{n}" for n in range(at % 2, 12, 2)), "list"],
        }
        for at, name in enumerate(names)
    ]
    sources = [{"source": f"source_{number}", "title": words, "row_count": 3, "carrying_count": number % 3} for number in range(12)]
    picture = draw({"mart": names[0], "steps": steps, "sources": sources, "lists": [{"list": "list", "title": words, "row_count": 1}]})
    assert len(picture.boxes) == 22
    assert {line.carries for line in picture.lines} == {True, False}
    _check_picture(picture, WIDTH + 40 * len(picture.boxes))


def test_page_says_words_and_figures_as_the_reports_do(ask: Callable[..., dict[str, Any]], cell: Cell) -> None:
    document = ask("footprint__sectors_by_year", cell.country, "weighted_mean_kg_co2e")
    page = render_page(document, "en")
    title = head_column("weighted_mean_kg_co2e")
    assert f'<h1><span lang="zh">{title.zh}</span><span lang="en">{title.en}</span></h1>' in page
    assert write_figure("weighted_mean_kg_co2e", document["value"]) in page and write_exact(document["value"]) in page
    assert name_code("boundary", document["key"]["boundary"]).zh in page
    assert f'<data value="{document["value"]}">' in page
    assert page.index("行业统计与变化分解") > 0 and "methods.md" not in page.split("<pre>")[0]
    for source in document["sources"]:
        carrying = sum(row["role"] == "carries" for row in source["rows"])
        assert f'<span lang="en">Rows: {source["row_count"]:,}; making up the figure: {source["carrying_count"]:,}.</span>' in page
        assert carrying <= FIRST_ROWS or f"further rows: {carrying - FIRST_ROWS}" in page
    assert "T0" not in re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL), "instants are written for people"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (18039000.0, "18,039,000"),
        (2438.322, "2438.322"),
        (Decimal("304382945.50000000"), "304,382,945.5"),
        (2024, "2024"),
        (1e-9, "0.000000001"),
        (-0.5, "-0.5"),
        (None, "—"),
    ],
)
def test_exact_digits_are_all_there_and_no_more(value: Any, text: str) -> None:
    assert write_exact(value) == text
