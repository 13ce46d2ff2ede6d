"""The map of tiles: every province has its own place, the figure of its one row, its shade, and a link that chooses it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

import duckdb

from dashboards.definitions import LANGUAGES
from dashboards.names import read_names
from dashboards.tiles import read_tiles, write_map

TILE = re.compile(r'<(a|span)(?: href="([^"]*)")? class="tile (r\d) (c\d) (s\d|none)">([^<]+)<br>([^<]+)</\1>')
CHOICES = {"product": "product_name_zh", "boundary": "boundary_name_zh", "year": "reporting_year", "province": "province_name_zh"}
COLUMNS = "(province_code, province_name_zh, product_name_zh, boundary, reporting_year, figure)"


@dataclass(frozen=True)
class Tile:
    place: str
    shade: str
    figure: float | None
    province: str | None
    address: str


def read_map(html: str) -> dict[str, Tile]:
    """Short name -> what its tile says; `province` is the one that its link chooses."""
    tiles = {}
    for _, href, row, column, shade, name, figure in TILE.findall(html):
        address = unquote(href)
        chosen = re.search(r"NATIVE_FILTER-province:.*?value:!\('([^']+)'\)", address)
        value = None if figure == "–" else float(figure.replace(",", ""))
        tiles[name] = Tile(row + column, shade, value, chosen[1] if chosen else None, address)
    return tiles


def draw(rows: str) -> dict[str, Tile]:
    with duckdb.connect() as connection:
        sql = write_map("figure", "zh", CHOICES)
        html = connection.execute(f"select {sql} from (values {rows}) as mart {COLUMNS}").fetchall()[0][0]
    return read_map(html)


def test_every_province_has_one_tile_of_its_own() -> None:
    tiles = read_tiles()
    provinces = set(read_names()["province_code"]) - {"000000", "990000"}
    assert set(tiles) == provinces
    assert len({(tile["row"], tile["column"]) for tile in tiles.values()}) == len(provinces)
    for lang in LANGUAGES:
        assert len({tile[lang] for tile in tiles.values()}) == len(provinces)


def test_a_tile_shows_the_figure_of_its_one_row_and_leads_to_its_province() -> None:
    cell = "'水泥', 'cradle_to_gate', 2025"
    tiles = draw(
        f"('000000', '全国', {cell}, 99.0), ('130000', '河北', {cell}, 1261.4), ('110000', '北京', {cell}, 0.5),"
        f" ('370000', '山东', {cell}, null), ('440000', '广东', {cell}, 3.0), ('440000', '广东', {cell}, 4.0)"
    )
    assert len(tiles) == 34
    assert {name: tile.figure for name, tile in tiles.items() if tile.figure is not None} == {"冀": 1261, "京": 0.5}
    assert (tiles["冀"].shade, tiles["京"].shade, tiles["鲁"].shade, tiles["粤"].shade) == ("s4", "s0", "none", "none")
    assert (tiles["冀"].province, tiles["鲁"].province) == ("河北", None)
    for chosen in ("val:!('水泥')", "val:!('摇篮到大门')", "val:!(2025)", "val:!('河北')"):
        assert chosen in tiles["冀"].address


def test_shades_part_the_provinces_into_fifths() -> None:
    codes = sorted(read_tiles())[:10]
    names = read_names()["province_code"]
    rows = ", ".join(f"('{code}', '{names[code]['zh']}', '水泥', 'cradle_to_gate', 2025, {number}.0)" for number, code in enumerate(codes))
    tiles = draw(rows)
    shades = [tiles[read_tiles()[code]["zh"]].shade for code in codes]
    assert shades == sorted(shades)
    assert {shade: shades.count(shade) for shade in set(shades)} == {f"s{number}": 2 for number in range(5)}


def test_nothing_drawn_is_no_map_with_figures() -> None:
    with duckdb.connect() as connection:
        sql = write_map("figure", "zh", CHOICES)
        asked = f"select {sql} from (values ('130000', '河北', '水泥', 'cradle_to_gate', 2025, 1.0)) as mart {COLUMNS} where false"
        html = connection.execute(asked).fetchall()[0][0]
    assert all(tile.figure is None for tile in read_map(html).values()) and len(read_map(html)) == 34
    assert "href" not in html


def test_a_name_of_the_data_cannot_become_html() -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    with duckdb.connect() as connection:
        sql = write_map("figure", "zh", CHOICES)
        asked = f"select {sql} from (values ('130000', '{hostile}', '{hostile}', '{hostile}', 2025, 1.0)) as mart {COLUMNS}"
        html = connection.execute(asked).fetchall()[0][0]
    assert hostile not in html and "<img" not in html
    assert hostile in read_map(html)["冀"].address
    assert set(re.findall(r"</?(\w+)", html)) == {"div", "a", "span", "br"}
