"""What a layout may say and what it may not; and a publication in several files, whatever is in the zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ingest.contract import Contract, Message
from ingest.faults import FileRefused
from ingest.layout import LayoutError, read_layout
from ingest.readers import read

Shelf = Any

SMALL = """\
layout: small
source: enterprise
version: 1.0.0
title: {zh: 小, en: small}
publisher: made in this test
citation: made in this test
"""
MATCH = "match: {headers: [who, place]}\n"
RECORDS = """\
records:
  - name: company
    columns:
      enterprise_id: concat('name:', who)
      enterprise_name: {header: who}
      province_code: {constant: "990000"}
      industry_code: place
"""


@pytest.fixture
def with_layout(tmp_path: Path, contracts: dict[str, Contract], make_shelf: Callable[..., Shelf]) -> Callable[..., Shelf]:
    """A shelf whose source `enterprise` has one layout, given as YAML."""

    def make(text: str, name: str = "small") -> Shelf:
        folder = tmp_path / f"layouts_{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return make_shelf(contracts | {"enterprise": replace(contracts["enterprise"], layouts=(path,))})

    return make


def landed(prepared: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(prepared.landing).to_pylist()
    return rows


@pytest.mark.parametrize(
    "text",
    [
        SMALL + MATCH + RECORDS + "surprise: 1\n",
        SMALL + MATCH + RECORDS + "refuse: {zh: 否, en: no}\n",
        SMALL + MATCH,
        SMALL + MATCH + RECORDS.replace("    columns:", "    when: who <> ''\n    columns:"),
        SMALL + "tables:\n  one: {file: one, headers: [who, place]}\n" + RECORDS,
        SMALL + "tables:\n  one: {file: one, headers: [who, place], sheet: 1}\nfrom: one\n" + RECORDS,
        SMALL + "match: {headers: [who, place], surprise: 1}\n" + RECORDS,
        (SMALL + MATCH + RECORDS).replace("layout: small", "layout: other"),
    ],
)
def test_a_layout_says_only_what_is_understood(tmp_path: Path, text: str) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LayoutError):
        read_layout(path)


@pytest.mark.parametrize(
    "changes",
    [
        RECORDS.replace("industry_code: place", "no_such_column: place"),
        RECORDS.replace("industry_code: place", "industry_code: no_such_cell"),
        RECORDS + "absent:\n  enterprise_name: {zh: 无, en: none}\n",
    ],
)
def test_a_layout_that_does_not_fit_its_contract_is_our_error_and_not_the_senders(with_layout: Callable[..., Shelf], changes: str) -> None:
    with pytest.raises(LayoutError):
        with_layout(SMALL + MATCH + changes).deliver("enterprise", b"who,place\nA,3011\n")


def test_rows_that_are_no_data_are_counted_with_their_reason_and_never_land(with_layout: Callable[..., Shelf]) -> None:
    text = SMALL + MATCH + RECORDS + "not_data:\n  - {kind: total, when: who = 'Total', zh: 合计行, en: a row of totals}\n"
    prepared = with_layout(text).deliver("enterprise", b"who,place\nA,3011\nTotal,9\nB,3011\n")
    assert prepared.not_data == [{"kind": "total", "count": 1, "zh": "合计行", "en": "a row of totals"}]
    assert prepared.counts["received"] == 2 and [row["_row_number"] for row in landed(prepared)] == [1, 3]
    with pytest.raises(FileRefused) as refused:
        with_layout(text).deliver("enterprise", b"who,place\nTotal,9\n")
    assert refused.value.code == "no_data_rows" and "1" in refused.value.message.zh


def test_a_tolerance_of_its_own_reaches_the_gate(with_layout: Callable[..., Shelf]) -> None:
    text = SMALL + MATCH + RECORDS + "tolerance: {share: 1, zh: 范围更广, en: wider scope}\n"
    assert with_layout(text).deliver("enterprise", b"who,place\nA,3011\n").contract.tolerance == 1
    assert with_layout(SMALL + MATCH + RECORDS).deliver("enterprise", b"who,place\nA,3011\n").contract.tolerance == 0.2


@pytest.mark.parametrize(
    "header",
    ["_row", "_not_data", "ID", "Who", "x\"; drop table spread; --", "who ", "'", "{place}", "enterprise_name", "=1+1", "ＷＨＯ２", "_table"],
)  # fmt: skip
def test_no_other_header_of_the_file_reaches_an_expression(with_layout: Callable[..., Shelf], header: str) -> None:
    """What the layout does not name stands beside the row and nowhere else, whatever it is called."""
    quoted = header.replace('"', '""')
    data = f'"{quoted}",place,who,id\nhostile,3011,A,1\nhostile,3011,B,2\n'.encode()
    if header in ("who ", "_table"):
        with pytest.raises(FileRefused):
            with_layout(SMALL + MATCH + RECORDS).deliver("enterprise", data)
        return
    if header == "Who":
        with pytest.raises(FileRefused, match="header_repeated"):
            with_layout(SMALL + MATCH + RECORDS).deliver("enterprise", data)
        return
    prepared = with_layout(SMALL + MATCH + RECORDS).deliver("enterprise", data)
    assert [(row["enterprise_name"], row["_row_number"]) for row in landed(prepared)] == [("A", 1), ("B", 2)]
    assert all("hostile" in row["_extra"] for row in landed(prepared))


@pytest.mark.parametrize("cell", ["'); drop table spread; --", '" or 1=1', "{{ 7*7 }}", "=cmd()", "a'b''c"])
def test_cells_stay_text_in_maps_constants_and_expressions(with_layout: Callable[..., Shelf], cell: str) -> None:
    text = (
        SMALL + MATCH + RECORDS.replace("industry_code: place", "industry_code: {map: code, of: place}") + "maps: {code: {it's: '3011'}}\n"
    )
    data = f'who,place\n"{cell.replace(chr(34), chr(34) * 2)}",it\'s\n'.encode()
    (row,) = landed(with_layout(text).deliver("enterprise", data))
    assert (row["enterprise_name"], row["industry_code"]) == (cell, "3011")


def test_years_side_by_side_become_rows(with_layout: Callable[..., Shelf]) -> None:
    text = SMALL + "match: {headers: [who]}\nunpivot: {headers: '(19|20)\\d\\d', name: year, value: code}\n"
    text += RECORDS.replace("industry_code: place", "industry_code: code").replace("concat('name:', who)", "concat('name:', who, year)")
    prepared = with_layout(text).deliver("enterprise", "2024, 2025 ,who,2025年\n3011,3012,A,x\n,3011,B,y\n".encode())
    assert prepared.counts["received"] == 4 and prepared.fault_counts == {"required": 1}
    assert sorted((row["enterprise_id"], row["_row_number"]) for row in landed(prepared)) == [
        ("name:A2024", 1),
        ("name:A2025", 1),
        ("name:B2025", 2),
    ]
    with pytest.raises(FileRefused) as refused:
        with_layout(text).deliver("enterprise", "who,2025年\nA,x\n".encode(), layout="small")
    assert refused.value.code == "column_missing"


def test_an_expression_that_fails_on_a_cell_refuses_the_file_in_one_sentence(with_layout: Callable[..., Shelf]) -> None:
    text = SMALL + MATCH + RECORDS.replace("industry_code: place", "industry_code: cast(cast(place as integer) as varchar)")
    with pytest.raises(FileRefused) as refused:
        with_layout(text).deliver("enterprise", b"who,place\nA,x\n")
    assert refused.value.code == "layout_failed" and "small" in refused.value.message.en


def test_two_layouts_that_fit_ask_for_a_name(with_layout: Callable[..., Shelf], tmp_path: Path, contracts: dict[str, Contract]) -> None:
    shelf = with_layout(SMALL + MATCH + RECORDS)
    other = tmp_path / "twin.yaml"
    other.write_text((SMALL + MATCH + RECORDS).replace("layout: small", "layout: twin"), encoding="utf-8")
    shelf.contracts["enterprise"] = replace(shelf.contracts["enterprise"], layouts=(*shelf.contracts["enterprise"].layouts, other))
    with pytest.raises(FileRefused) as refused:
        shelf.deliver("enterprise", b"who,place\nA,3011\n")
    assert "small, twin" in refused.value.message.en
    assert shelf.deliver("enterprise", b"who,place\nA,3011\n", layout="twin").layout == "twin"


def test_a_refusal_holds_also_where_the_layout_is_named(with_layout: Callable[..., Shelf]) -> None:
    shelf = with_layout(SMALL + "match: {any: [[who, [place, town]], [name, town]], exact: true}\nrefuse: {zh: 不是, en: it is not}\n")
    for data in (b"who,place\nA,1\n", b"town,name\nA,1\n", b"who,town\nA,1\n"):
        with pytest.raises(FileRefused) as refused:
            shelf.deliver("enterprise", data)
        assert (refused.value.code, refused.value.message) == ("layout_refused", Message("不是", "it is not"))
    with pytest.raises(FileRefused, match="column_missing"):
        shelf.deliver("enterprise", b"who,place,more\nA,1,2\n")
    with pytest.raises(FileRefused, match="layout_refused"):
        shelf.deliver("enterprise", b"other\n1\n", layout="small")


# A publication in several files


def packed(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


ONE = ("one.csv", b"who,place\nA,3011\n")
TWO = ("two.csv", b"who,code\nA,1\nB,2\n")


def test_the_tables_of_a_zip_stand_under_one_another() -> None:
    raw = read(packed(TWO, ONE, ("__MACOSX/._one.csv", b"\x00\x01"), (".DS_Store", b"\x00")))
    assert raw.headers == ["who", "place", "code", "_table"]
    assert [column.to_pylist() for column in raw.columns] == [
        ["A", "A", "B"],
        ["3011", "", ""],
        ["", "1", "2"],
        ["one.csv", "two.csv", "two.csv"],
    ]
    assert raw.notes == {"tables": "one.csv 1, two.csv 2"}


def test_a_zip_of_one_table_is_that_table() -> None:
    raw = read(packed(ONE))
    assert raw.headers == ["who", "place"] and raw.notes["compression"] == "zip"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ([("../one.csv", ONE[1]), TWO], "unsafe"), ([("/etc/one.csv", ONE[1]), TWO], "unsafe"), ([("a/one.csv", ONE[1]), ("b/ONE.csv", ONE[1])], "unreadable"),
        ([("in.zip", packed(ONE)), TWO], "unreadable"), ([("one.csv", b""), TWO], "unreadable"), ([("one.csv", b"who,who\nA,B\n"), TWO], "header_repeated"),
        ([("one.csv", b"who,_table\nA,B\n"), TWO], "unreadable"), ([("one.csv", b"who,place\nA\n"), TWO], "unreadable"),
        ([(f"{number}.csv", ONE[1]) for number in range(65)], "unreadable"), ([("__MACOSX/x", b"a")], "unreadable"),
    ],
)  # fmt: skip
def test_what_is_not_a_bundle_of_tables_is_refused(members: list[tuple[str, bytes]], code: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read(packed(*members))
    assert refused.value.code == code


def test_tables_meet_on_their_keys_and_rows_that_are_looked_up_are_counted(with_layout: Callable[..., Shelf]) -> None:
    text = (
        SMALL
        + "tables:\n  one: {file: '^one', headers: [who, place]}\n  two: {file: '^two', headers: [who, code], key: [who], joined: true}\n"
    )
    text += "from: (select one.*, code from one left join (select who, code from two) using (who))\n"
    text += RECORDS.replace("enterprise_name: {header: who}", "enterprise_name: concat(who, code)")
    prepared = with_layout(text).deliver("enterprise", packed(ONE, TWO, ("three.csv", b"who\nZ\n")))
    assert [(row["enterprise_name"], row["_row_number"], row["_extra"].count("one.csv")) for row in landed(prepared)] == [("A1", 1, 1)]
    assert {kind["kind"]: kind["count"] for kind in prepared.not_data} == {"joined_table": 2, "other_table": 1}
    with pytest.raises(FileRefused, match="table_key_repeated"):
        with_layout(text).deliver("enterprise", packed(ONE, ("two.csv", b"who,code\nA,1\nA,2\n")))
    with pytest.raises(FileRefused, match="column_missing"):
        with_layout(text).deliver("enterprise", b"who,place\nA,3011\n", layout="small")
