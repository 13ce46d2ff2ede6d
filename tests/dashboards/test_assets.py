"""The committed assets, without a server: what they refer to exists, in both languages alike, and nothing is computed in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from dashboards import assets
from dashboards.charts import LINK
from dashboards.definitions import LANGUAGES, MARTS, read_definitions, read_tables, speak
from dashboards.explained import show_texts
from dashboards.named_columns import EVIDENCE, name_columns
from dashboards.names import read_names
from dashboards.tiles import write_map

GUARDED = re.compile(r"case when count\(\*\) = 1 then max\((\w+)\) end")
COUNTED = re.compile(r"count\(\*\)( filter \(where (\w+) = '\w+'\))?")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# One product, boundary and GWP set: what footprints must share to stand in one chart.
COMPARABLE = {"product", "boundary", "gwp_set"}

DEFINITIONS = read_definitions()
FILES: dict[str, Any] = {
    path.relative_to(assets.ASSETS).as_posix(): yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted(assets.ASSETS.rglob("*.yaml"))
}
# Maps of tiles, whose figures tests/dashboards/test_tiles.py holds against their rows.
MAPPED = "weighted_mean_kg_co2e"
ROOT = Path(__file__).parents[2]
MAPS = {
    write_map(MAPPED, lang, {name: speak(entry["column"], lang) for name, entry in board["filters"].items()})
    for board in DEFINITIONS.dashboards
    for lang in LANGUAGES
    if any(chart["kind"] == "tiles" for chart in board["charts"].values())
}
DATASETS = {content["uuid"]: content for path, content in FILES.items() if path.startswith("datasets/")}
CHARTS = {content["uuid"]: content for path, content in FILES.items() if path.startswith("charts/")}
BOARDS = {content["slug"]: content for path, content in FILES.items() if path.startswith("dashboards/")}
# Those of one product, boundary and GWP set at a time.
DASHBOARDS = {lang: BOARDS[f"sector-footprints-{lang}"] for lang in LANGUAGES}


def test_generated_files_are_up_to_date() -> None:
    assert assets.find_drift(assets.render_assets(read_definitions())) == []


def test_drift_names_changed_missing_and_stray_files(tmp_path: Path) -> None:
    rendered = {"charts/one.yaml": "1\n", "charts/two.yaml": "2\n"}
    assets.write_assets(rendered, tmp_path)
    assert assets.find_drift(rendered, tmp_path) == []
    (tmp_path / "charts" / "one.yaml").write_text("9\n", encoding="utf-8")
    (tmp_path / "charts" / "stray.yaml").write_text("3\n", encoding="utf-8")
    (tmp_path / "charts" / "two.yaml").unlink()
    assert assets.find_drift(rendered, tmp_path) == ["charts/one.yaml", "charts/stray.yaml", "charts/two.yaml"]


def test_uuids_are_stable_and_distinct() -> None:
    """Golden values: another identifier would leave the old asset beside the new one on every installed server."""
    assert FILES["databases/tanlian.yaml"]["uuid"] == "73b9cf22-db55-5a63-bdc1-091e172123b5"
    assert FILES["datasets/tanlian/footprint__sectors_by_year.yaml"]["uuid"] == "1bf9ffe1-1130-530a-bf6a-00fc895f1a08"
    assert FILES["charts/trend_zh.yaml"]["uuid"] == "035ebe9e-436d-5422-ae91-1122da73a7d4"
    assert {lang: DASHBOARDS[lang]["uuid"] for lang in LANGUAGES} == {
        "en": "4bfbbcbf-87f9-5e1a-807f-4512d8401607",
        "zh": "c1225109-910d-5dea-b104-ec320ccc2eec",
    }
    identifiers = [content["uuid"] for content in FILES.values()]
    assert len(identifiers) == len(set(identifiers)) == len(assets.render_assets(read_definitions()))


def test_database_is_read_only_and_holds_no_path_of_a_machine() -> None:
    database = FILES["databases/tanlian.yaml"]
    assert database["sqlalchemy_uri"] == "duckdb:///${TANLIAN_DATA}/releases/current/ministry.duckdb"
    arguments = database["extra"]["engine_params"]["connect_args"]
    assert arguments == {"read_only": True, "config": {"enable_external_access": False, "lock_configuration": True}}
    assert not any(database[right] for right in ("allow_dml", "allow_ctas", "allow_cvas", "allow_file_upload"))


def test_datasets_are_tables_of_the_marts_without_sql() -> None:
    assert DATASETS
    for dataset in DATASETS.values():
        assert dataset["schema"] == "marts"
        assert dataset["sql"] is None
        columns = DEFINITIONS.tables[dataset["table_name"]]["columns"]
        worked_out = {column["column_name"]: column["expression"] for column in dataset["columns"] if column["expression"]}
        # Only names of codes are worked out, texts that stay such beside links, and the links that explain: no figure is.
        named = {name: sql for name, sql in worked_out.items() if not name.startswith(f"{LINK}_")}
        assert named.items() <= (name_columns(columns) | show_texts(columns)).items()
        assert not set(worked_out) & set(columns)
        for metric in dataset["metrics"]:
            assert re.fullmatch(r"(max|min)\(\w+\)", metric["expression"]), "only an order of a list may be a saved metric"


# A count's width is the engine's affair, and a decimal is a number to Superset.
WIDTHS = {
    "BIGINT": ("BIGINT", "INTEGER", "UBIGINT", "HUGEINT"),
    "INTEGER": ("INTEGER", "BIGINT"),
    "DOUBLE": ("DOUBLE", "DECIMAL"),
}


def test_dataset_columns_exist_in_the_release_with_their_type(release_file: Path) -> None:
    missing = []
    with duckdb.connect(str(release_file), read_only=True) as connection:
        for dataset in DATASETS.values():
            table = dataset["table_name"]
            held = {row[0]: row[1] for row in connection.execute(f"describe marts.{table}").fetchall()}
            for column in (column for column in dataset["columns"] if not column["expression"]):
                name, wanted = column["column_name"], WIDTHS.get(column["type"], (column["type"],))
                found = held.get(name, "nothing").split("(")[0]
                if found not in wanted:
                    missing.append(f"{table}.{name}: expected {wanted}, found {found}")
    assert missing == []


def list_metrics(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from params.get("metrics", []) + params.get("metrics_b", [])
    if "metric" in params:
        yield params["metric"]


def list_columns(chart: dict[str, Any]) -> set[str]:
    """Every column a chart names, in its parameters and its stored queries."""
    params = chart["params"]
    columns = {*params.get("all_columns", []), *params.get("groupby", []), *params.get("groupby_b", [])}
    columns |= {entry["subject"] for key in ("adhoc_filters", "adhoc_filters_b") for entry in params.get(key, [])}
    columns |= {json.loads(entry)[0] for entry in params.get("order_by_cols", [])}
    columns |= {entry["column"] for entry in params.get("conditional_formatting", [])}
    columns |= {params["x_axis"]} if "x_axis" in params else set()
    columns |= set(params.get("column_config", {}))
    for query in json.loads(chart["query_context"])["queries"]:
        columns |= set(query["columns"]) | {entry["col"] for entry in query["filters"]}
    columns |= {params[name] for name in ("entity", "source", "target") if name in params}
    columns |= {match[2] for metric in list_metrics(params) if (match := COUNTED.fullmatch(metric["sqlExpression"])) and match[2]}
    columns |= {MAPPED for metric in list_metrics(params) if metric["sqlExpression"] in MAPS}
    return columns | {match[1] for metric in list_metrics(params) if (match := GUARDED.fullmatch(metric["sqlExpression"]))}


@pytest.mark.parametrize("chart", CHARTS.values(), ids=lambda chart: str(chart["uuid"])[:8])
def test_chart_uses_columns_of_its_dataset_only(chart: dict[str, Any]) -> None:
    known = {column["column_name"] for column in DATASETS[chart["dataset_uuid"]]["columns"]}
    used = list_columns(chart)
    assert used or [metric["sqlExpression"] for metric in list_metrics(chart["params"])] == ["count(*)"]
    assert used - known == set()


@pytest.mark.parametrize("chart", CHARTS.values(), ids=lambda chart: str(chart["uuid"])[:8])
def test_metrics_show_a_row_or_count_rows_and_never_compute(chart: dict[str, Any]) -> None:
    expressions = [metric["sqlExpression"] for metric in list_metrics(chart["params"])]
    assert expressions or chart["params"]["query_mode"] == "raw"
    computed = [sql for sql in expressions if not GUARDED.fullmatch(sql) and not COUNTED.fullmatch(sql) and sql not in MAPS]
    assert computed == []


def test_a_click_leaves_alone_what_a_filter_holds_to_one_value_of_the_same_column() -> None:
    """Of a year clicked and another one chosen, no row would be left."""
    met = 0
    for board in BOARDS.values():
        placed = {entry["meta"]["chartId"]: CHARTS[entry["meta"]["uuid"]] for entry in board["position"].values() if is_chart(entry)}
        for number, chart in placed.items():
            params = chart["params"]
            clicked = {params.get("x_axis"), *(column for column in params.get("groupby", []) if isinstance(column, str))}
            left = set(
                board["metadata"]["chart_configuration"].get(str(number), {}).get("crossFilters", {}).get("scope", {}).get("excluded", [])
            )
            for entry in board["metadata"]["native_filter_configuration"]:
                if entry["controlValues"]["enableEmptyFilter"] and entry["targets"][0]["column"]["name"] in clicked:
                    met += 1
                    assert number in left and set(placed) - set(entry["scope"]["excluded"]) <= left, (board["slug"], chart["slice_name"])
    assert met > 20


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_footprint_chart_obeys_the_filters_that_make_it_comparable(lang: str) -> None:
    """Superset drops a filter without a word where a chart's table lacks its column, and would then show all products."""
    board = DASHBOARDS[lang]
    placed = {entry["meta"]["chartId"]: CHARTS[entry["meta"]["uuid"]] for entry in board["position"].values() if is_chart(entry)}
    assert len(placed) == 14
    for number, chart in placed.items():
        dataset = DATASETS[chart["dataset_uuid"]]
        known = {column["column_name"] for column in dataset["columns"]}
        obeyed = set()
        for entry in board["metadata"]["native_filter_configuration"]:
            if number not in entry["scope"]["excluded"] and entry["targets"][0]["column"]["name"] in known:
                obeyed.add(entry["id"].removeprefix("NATIVE_FILTER-"))
        if dataset["table_name"].startswith("footprint__"):
            assert obeyed >= COMPARABLE, chart["slice_name"]
        # What a filter is said to leave alone and what it cannot reach must be the same charts.
        unreached = [
            entry["id"]
            for entry in board["metadata"]["native_filter_configuration"]
            if number not in entry["scope"]["excluded"]
            and dataset["table_name"].startswith("footprint__")
            and entry["targets"][0]["column"]["name"] not in known
        ]
        assert unreached == [], chart["slice_name"]


def is_chart(entry: Any) -> bool:
    return isinstance(entry, dict) and entry["type"] == "CHART"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_filters_take_exactly_one_value(lang: str) -> None:
    filters = DASHBOARDS[lang]["metadata"]["native_filter_configuration"]
    assert {entry["id"].removeprefix("NATIVE_FILTER-") for entry in filters} == {*COMPARABLE, "year", "province"}
    for entry in filters:
        controls = entry["controlValues"]
        assert (controls["multiSelect"], controls["enableEmptyFilter"], controls["defaultToFirstItem"]) == (False, True, True)


def blank_texts(node: Any) -> Any:
    """The structure alone: names of columns and settings stay, what a person reads does not."""
    if isinstance(node, dict):
        return {blank_texts(key): blank_texts(value) for key, value in node.items() if key not in ("uuid", "slug", "query_context")}
    if isinstance(node, list):
        return [blank_texts(value) for value in node]
    if isinstance(node, str):
        plain = re.sub(r"(?<=_)(zh|en)\b", "lang", node)
        return plain if re.fullmatch(r"[\w,.%~+:#=*()\"\[\]-]*|case .*|metric_.*", plain, re.ASCII) and "_" in plain else "text"
    return node


def test_zh_and_en_have_the_same_structure() -> None:
    pairs = [path for path in FILES if path.endswith("_zh.yaml")]
    assert len(pairs) == (len(CHARTS) + len(BOARDS)) / 2
    for path in pairs:
        # Series are coloured by their names, which differ.
        zh, en = (json.loads(json.dumps(FILES[path.replace("_zh.", f"_{lang}.")])) for lang in LANGUAGES)
        colours = [content.get("metadata", {}).pop("label_colors", {}) for content in (zh, en)]
        assert blank_texts(zh) == blank_texts(en), path
        assert sorted(colours[0].values()) == sorted(colours[1].values())


def list_texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from list_texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from list_texts(value)
    elif isinstance(node, str):
        yield node


# Documents are cited by the name that they have.
DOCUMENTS = ("[中文]", "环气候〔2024〕30号")


def strip_names(text: str) -> str:
    for name in DOCUMENTS:
        text = text.replace(name, "")
    return text


def test_english_assets_hold_no_chinese_and_chinese_titles_do() -> None:
    for path, content in FILES.items():
        if path.endswith("_en.yaml"):
            # The one exception is the link to the other language, which speaks to its reader.
            assert [text for text in list_texts(content) if CHINESE.search(strip_names(text))] == [], path
        if path.startswith("charts/") and path.endswith("_zh.yaml"):
            assert CHINESE.search(content["slice_name"]), path


def test_every_gate_has_a_name() -> None:
    gates = {"audiences.isolation", "dbt.data_tests", *(f"marts.{path.stem}" for path in (ROOT / "expectations/marts").glob("[a-z]*.py"))}
    assert set(read_names()["suite"]) == gates


def test_titles_are_questions() -> None:
    assert [chart["slice_name"] for chart in CHARTS.values() if not chart["slice_name"].endswith(("?", "？"))] == []


def test_every_dashboard_shows_the_release_and_links_to_the_others() -> None:
    assert len(BOARDS) == 22
    for slug, board in BOARDS.items():
        placed = {CHARTS[entry["meta"]["uuid"]]["uuid"] for entry in board["position"].values() if is_chart(entry)}
        lang = slug[-2:]
        assert {assets.name_uuid("chart", name, lang) for name in ("release", "sources")} <= placed
        text = board["position"]["MARKDOWN-header"]["meta"]["code"]
        assert "tanlian explain" in text
        other = "en" if lang == "zh" else "zh"
        linked = set(re.findall(r"/superset/dashboard/([\w-]+)/", text))
        assert linked == {found for found in BOARDS if found[-2:] == lang} | {f"{slug[:-2]}{other}"}


def test_readers_get_the_charts_that_their_tables_fill_and_identifiers_of_their_own() -> None:
    tables = frozenset({"ets__prices_by_day", "release__summary", "release__sources"})
    bundle = assets.build_assets(DEFINITIONS, assets.Reader("public", "public", {"zh": "公众", "en": "Public"}, tables))
    assert {path.split("/")[-1] for path in bundle if path.startswith("datasets/")} == {f"{table}.yaml" for table in tables}
    assert {content["slug"] for path, content in bundle.items() if path.startswith("dashboards/")} == {
        f"public-{slug}-{lang}" for slug in ("carbon-market", "data-quality") for lang in LANGUAGES
    }
    assert not {content["uuid"] for content in bundle.values()} & {content["uuid"] for content in FILES.values()}
    assert {content["database_uuid"] for path, content in bundle.items() if path.startswith("datasets/")} == {
        bundle["databases/public.yaml"]["uuid"]
    }
    assert bundle["databases/public.yaml"]["expose_in_sqllab"] is False
    row = bundle["dashboards/public__carbon_market_zh.yaml"]["position"]["ROW-1"]
    assert row["children"] == ["CHART-market_price"]


def test_filters_reach_a_column_of_their_table() -> None:
    tables = read_tables() | DEFINITIONS.shared["tables"]
    for board in DEFINITIONS.dashboards:
        for lang in LANGUAGES:
            for entry in speak(board["filters"], lang).values():
                columns = tables[entry["dataset"]]["columns"]
                assert entry["column"] in {*columns, *name_columns(columns)}, (board["slug"], entry)


def list_shown(chart: dict[str, Any]) -> set[str]:
    """The columns whose values a reader reads."""
    return {chart[key] for key in ("x", "series") if key in chart} | (set(chart["columns"]) if chart["kind"] == "table" else set())


def test_pages_show_names_where_there_are_any_and_not_codes() -> None:
    for lang in LANGUAGES:
        for board in DEFINITIONS.dashboards:
            for name, chart in speak(DEFINITIONS.list_charts(board), lang).items():
                columns = DEFINITIONS.tables[chart["dataset"]]["columns"]
                named = {column for column, kind in columns.items() if kind == "BOOLEAN" or column in read_names()}
                assert list_shown(chart) & named == set(), f"{board['slug']}: {name} shows codes or true and false"
            for name, entry in speak(board["filters"], lang).items():
                assert entry["column"] not in read_names(), f"{board['slug']}: filter {name} offers codes"


def test_every_code_that_a_mart_may_hold_has_a_name() -> None:
    nameless = []
    for path in sorted(MARTS.glob("*/_*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models") or []:
            for column in model["columns"]:
                for test in column.get("data_tests", []):
                    listed = test.get("accepted_values", {}).get("arguments", {}) if isinstance(test, dict) else {}
                    missing = {str(value) for value in listed.get("values", [])} - set(read_names().get(column["name"], {}))
                    nameless += [f"{model['name']}.{column['name']}: {code}" for code in sorted(missing)]
    assert nameless == []


def test_names_are_worked_out_as_they_stand() -> None:
    columns = {"verdict": "VARCHAR", "is_verified": "BOOLEAN", "province_code": "VARCHAR", "activity_code": "VARCHAR", "as_of": "DATE"}
    named = name_columns(columns)
    asked = "('lagging', true, '130000', null, date '2026-06-30'), ('it''s new', null, '999999', 'coke', null)"
    with duckdb.connect() as connection:
        rows = connection.execute(f"select {', '.join(named.values())} from (values {asked}) as mart ({', '.join(columns)})").fetchall()
    found = [dict(zip(named, row, strict=True)) for row in rows]
    assert [row["verdict_name_zh"] for row in found] == ["落后", "it's new"], "a code without a name is shown as it is"
    assert [row["is_verified_name_en"] for row in found] == ["Yes", None]
    assert [row["province_name_zh"] for row in found] == ["河北", "999999"]
    assert [row["activity_name_en"] for row in found] == ["No single activity", "Coke"]
    assert [row["as_of_name_en"] for row in found] == ["2026-06-30", None]
    assert "product_name_zh" not in name_columns({"product_code": "VARCHAR", "product_name_zh": "VARCHAR"}), "the mart's own name stays"


def test_evidence_paths_and_rules_are_told_in_words() -> None:
    named = name_columns({"evidence": "VARCHAR", "path": "VARCHAR", "source": "VARCHAR", "rule": "VARCHAR"})
    asked = """
        ('{"matched_by":"facility","first_covered_year":2023}', '["D-1","D-2"]', 'market_quote', 'required'),
        ('{"cancelled_t_co2e":12000.00000000,"surrendered_offset_t_co2e":0.0}', '[]', 'market_quote', 'new_rule'),
        ('{"what":"else"}', null, 'market_quote', null),
        ('no json', 'no list', 'nobody', 'required'),
        ('{"issued_t_co2e":"many"}', null, 'nobody', null)"""
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"select {', '.join(named.values())} from (values {asked}) as mart (evidence, path, source, rule)"
        ).fetchall()
    found = [dict(zip(named, row, strict=True)) for row in rows]
    assert [row["evidence_name_zh"] for row in found] == [
        "对应依据 设施编号；首个纳管年度 2023",
        "注销量（吨） 12,000；已清缴抵销量（吨） 0",
        '{"what":"else"}',
        "no json",
        "签发量（吨） many",
    ]
    assert found[0]["evidence_name_en"] == "Matched by the facility; First covered year 2023"
    assert [row["path_name_en"] for row in found] == ["D-1 → D-2", "—", "—", "no list", "—"]
    assert [row["rule_name_en"] for row in found] == ["a required cell should not be empty", "new_rule", None, "required", None]


def test_every_part_of_the_findings_evidence_is_known() -> None:
    model = (MARTS / "ccer" / "ccer__findings.sql").read_text(encoding="utf-8")
    written = {
        part
        for block in re.findall(r"json_text\(\{(.*?)\}\)", model, re.DOTALL)
        for part in re.findall(r"^\s*'(\w+)':", block, re.MULTILINE)
    }
    assert written == set(EVIDENCE)


def test_half_translated_text_is_refused() -> None:
    with pytest.raises(ValueError, match="needs zh and en"):
        speak({"title": {"zh": "价格"}}, "zh")
    with pytest.raises(ValueError, match="unquoted comma"):
        speak(yaml.safe_load("{zh: 变化, en: Change, in kg}"), "en")


def test_no_chart_takes_a_text_of_the_data_for_html() -> None:
    """Tables show cells as text, and no kind of chart is used that builds its page from rows."""
    charts = [content for path, content in assets.build_assets(read_definitions()).items() if path.startswith("charts/")]
    tables = [chart["params"] for chart in charts if chart["viz_type"] == "table"]
    assert len(tables) > 10
    shown = [params for params in tables if params.get("allow_render_html") is not False]
    # Maps of tiles, into which a text of the data comes only within an encoded address (tests/dashboards/test_tiles.py).
    maps = [params for params in shown if params["query_mode"] == "aggregate"]
    assert [params for params in maps if [metric["sqlExpression"] for metric in params["metrics"]] not in [[sql] for sql in MAPS]] == []
    assert not any(params["groupby"] for params in maps)
    # And tables with links, whose texts are made texts again (tests/dashboards/test_explained.py).
    linked = [params for params in shown if params["query_mode"] != "aggregate"]
    assert all(any(column.startswith(f"{LINK}_") for column in params["all_columns"]) for params in linked) and len(linked) > 20
    assert not {chart["viz_type"] for chart in charts} & {"handlebars", "markup", "iframe"}
