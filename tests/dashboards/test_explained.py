"""The links beside the rows of the ministry's tables ask for exactly their row, and no text of the data is HTML beside them."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest

from dashboards.assets import Reader, build_assets
from dashboards.charts import LINK
from dashboards.definitions import LANGUAGES, read_definitions
from dashboards.explained import ADDRESS, name_link, show_texts, write_link
from warehouse.lineage.condition import read_condition

DEFINITIONS = read_definitions()
EXPLAINED = sorted(
    {(chart["dataset"], chart["explain"]) for node in DEFINITIONS.dashboards for chart in node["charts"].values() if "explain" in chart}
)
HOSTILE = [
    "<b>x</b>",
    "a < b",
    "&lt;i&gt;",
    "<img src=x onerror=alert(1)>",
    "</span><script>1</script>",
    "o'neill",
    "企业（一）",
    "a&b",
    '"><i>',
    "<",
]


class Seen(HTMLParser):
    """What a browser makes of a cell: its text and its elements."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        self.text, self.elements = "", []  # type: str, list[tuple[str, dict[str, str | None]]]
        self.feed(cell)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def read_link(cell: str) -> dict[str, str]:
    """What a cell with a link asks for."""
    ((tag, attributes),) = Seen(cell).elements
    assert tag == "a" and set(attributes) == {"href", "target"}
    address = urlsplit(str(attributes["href"]))
    assert (address.scheme, address.netloc, address.path) == ("", "", ADDRESS)
    return {name: value for name, (value,) in parse_qs(address.query, strict_parsing=True).items()}


@pytest.mark.parametrize(("mart", "column"), EXPLAINED)
def test_each_link_asks_for_the_rows_of_its_key_alone(release_file: Path, mart: str, column: str) -> None:
    with duckdb.connect(str(release_file), read_only=True) as connection:
        link = write_link(mart, DEFINITIONS.tables[mart], column, "zh", "来历")
        written = connection.execute(f"select {link}, rowid from marts.{mart} order by rowid limit 20").fetchall()
        assert written
        for cell, row in written:
            asked = read_link(cell)
            assert (asked["mart"], asked["column"], asked["lang"]) == (mart, column, "zh")
            where = read_condition(asked["where"], DEFINITIONS.tables[mart]["columns"])
            alike = " and ".join(f"m.{name} is not distinct from this.{name}" for name in DEFINITIONS.tables[mart]["key"])
            wanted = f"select m.rowid from marts.{mart} as m, marts.{mart} as this where this.rowid = {row} and {alike} order by 1"
            found = connection.execute(f"select rowid from marts.{mart} where {where} order by 1").fetchall()
            assert found == connection.execute(wanted).fetchall() != []
        (count,) = connection.execute(f"select count(*) from marts.{mart} where {link} is null").fetchone() or (None,)
    assert count == 0


def test_a_key_that_looks_like_markup_or_a_condition_names_its_row_alone() -> None:
    table = {"columns": {"id": "VARCHAR", "figure": "DOUBLE"}, "key": ["id"]}
    keys = [*HOSTILE, "' or 1=1 --", "a%27&where=1", "x\\", "a\nb", "a;b", "%"]
    with duckdb.connect() as connection:
        connection.execute("create table m (id varchar, figure double)")
        connection.executemany("insert into m values (?, 1)", [[text] for text in keys])
        cells = dict(connection.execute(f"select id, {write_link('m', table, 'figure', 'en', 'Explain')} from m").fetchall())
        for text in keys:
            where = read_condition(read_link(cells[text])["where"], table["columns"])
            assert connection.execute(f"select id from m where {where}").fetchall() == [(text,)]


def test_texts_beside_links_are_seen_as_they_were_sent() -> None:
    columns = {"sent_text": "VARCHAR", "product_code": "VARCHAR", "figure": "DOUBLE", "is_open": "BOOLEAN"}
    shown = show_texts(columns)
    assert set(shown) == {"shown_sent_text", "shown_product_code", "shown_product_name_zh", "shown_product_name_en"}
    with duckdb.connect() as connection:
        for text in HOSTILE:
            connection.execute("create or replace table m as select ? as sent_text, ? as product_code", [text, text])
            for name, sql in shown.items():
                (cell,) = connection.execute(f"select {sql} from m").fetchone() or ("",)
                # Without "<" Superset shows the cell as the text that it is; otherwise the browser makes the text of it.
                seen = Seen(cell) if "<" in cell else None
                assert (seen.text if seen else cell) == text, name
                assert seen is None or seen.elements == [("span", {})]
                assert seen is None or html.unescape(re.sub(r"</?span>", "", cell)) == text


def test_every_text_of_a_table_with_links_is_shown_as_such() -> None:
    mine = build_assets(DEFINITIONS)
    linked = 0
    for content in (content for path, content in mine.items() if path.startswith("charts/") and content["params"].get("allow_render_html")):
        columns = content["params"].get("all_columns")
        if not columns:
            continue
        (dataset,) = (found for path, found in mine.items() if path.startswith("datasets/") and found["uuid"] == content["dataset_uuid"])
        kinds = DEFINITIONS.tables[dataset["table_name"]]["columns"]
        texts = {name.removeprefix("shown_") for name in show_texts(kinds)}
        assert not texts & set(columns), content["slice_name"]
        asked = {column["column_name"] for column in dataset["columns"]}
        assert set(columns) <= asked
        linked += 1
    assert linked == 2 * sum("explain" in chart for node in DEFINITIONS.dashboards for chart in node["charts"].values())


def test_links_are_the_ministrys_only() -> None:
    assert EXPLAINED
    mine = build_assets(DEFINITIONS)
    assert {name_link(column, lang) for _, column in EXPLAINED for lang in LANGUAGES} <= {
        column["column_name"] for path, content in mine.items() if path.startswith("datasets/") for column in content["columns"]
    }
    bank = build_assets(DEFINITIONS, Reader("bank_1", "bank", {"zh": "银行", "en": "Bank"}, None, "1"))
    assert bank
    assert not any(f'"{LINK}_' in str(content) or f"'{LINK}_" in str(content) or ADDRESS in str(content) for content in bank.values())
