"""XLSX: the cells as they are stored. Nothing is computed, text stays text, and what the fast reader would lose is looked up in the XML.

A line or two above the header, each a single cell (a table's title, its unit), are common in China: they are passed over and kept in the
receipt. Everything else about the shape is refused rather than guessed.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import python_calamine

from ingest.faults import unreadable
from ingest.readers import RawTable
from ingest.readers.cell_text import write_cell, write_column
from ingest.readers.delimited import no_data_rows
from ingest.readers.limits import check_columns
from ingest.readers.package import Sheet, read_package
from ingest.readers.sheet_xml import (
    agrees_on_rows,
    check_extent,
    find_lost_cells,
    find_merged,
    has_repeated_cell,
    holds_only_values,
    is_plain,
)

MOST_TITLES = 5

Rows = list[list[Any]]


def _names(sheets: list[Sheet]) -> str:
    return "、".join(sheet.name[:40] for sheet in sheets[:10])


def choose_sheet(sheets: list[Sheet], wanted: tuple[str, ...]) -> Sheet:
    """The visible sheet of a wanted name, else the only visible sheet that holds anything.

    Raises:
        FileRefused: `unreadable` where no sheet or several would do, or the one of that name is hidden.
    """
    folded = {name.casefold() for name in wanted if name}
    named = [sheet for sheet in sheets if sheet.name.strip().casefold() in folded]
    visible = [sheet for sheet in named if sheet.is_visible]
    if len(visible) == 1:
        return visible[0]
    if named:
        raise unreadable(
            f"工作表“{_names(named)}”被隐藏或不止一个。请取消隐藏并只留一个后重报。",
            f"The sheet {_names(named)!r} is hidden or stands twice: show it, keep one and deliver again.",
        )
    filled = [sheet for sheet in sheets if sheet.is_visible and sheet.has_cells]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        raise unreadable("工作簿没有可见且有内容的工作表。", "The workbook has no visible sheet with anything in it.")
    example = wanted[0] if wanted else "data"
    raise unreadable(
        f"工作簿有多个工作表（{_names(filled)}），不知以何为准。请将要报送的一个命名为 {example}，或只留一个。",
        f"The workbook has several sheets ({_names(filled)}): name the one to be read {example}, or keep one only.",
    )


def _read_rows(data: bytes, sheet: Sheet) -> Rows:
    """The sheet's cells by row from A1 on, as long as the widest."""
    try:
        with python_calamine.load_workbook(io.BytesIO(data)) as book:
            rows: Rows = book.get_sheet_by_name(sheet.name).to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, ValueError, OverflowError) as error:
        raise unreadable(
            f"工作簿无法读取（{str(error)[:120]}）。请用 Excel 或 WPS 另存后重报。",
            f"The workbook cannot be read ({str(error)[:120]}): open it in Excel or WPS, save it again and deliver again.",
        ) from error
    return rows


def _put_back(rows: Rows, lost: dict[tuple[int, int], str]) -> None:
    """Write the texts of lost cells to their places, of which some may lie beyond what was read."""
    height = max((row for row, _ in lost), default=-1) + 1
    width = max((column for _, column in lost), default=-1) + 1
    if rows and width > len(rows[0]):
        for row in rows:
            row.extend([""] * (width - len(row)))
    width = max(width, len(rows[0]) if rows else 0)
    rows.extend([""] * width for _ in range(height - len(rows)))
    for place, text in lost.items():
        rows[place[0]][place[1]] = text


def _count_filled(rows: Rows) -> list[int]:
    """How many cells of each row hold anything."""
    return [len(row) - row.count("") for row in rows]


def _find_header(filled: list[int], places: list[int]) -> int:
    """Which of the filled rows is the header: the first, or the first of several cells below titles of one cell each."""
    for number, place in enumerate(places[: MOST_TITLES + 1]):
        if filled[place] > 1:
            return number
    return 0


def _check_merged(xml: bytes, header: int) -> None:
    """Refuse merged cells in the header or below: the value stands in the first cell only, and the others would come out empty."""
    merged = [area for area in find_merged(xml) if area.last_row >= header]
    if merged:
        shown = ", ".join(area.address for area in merged[:5])
        raise unreadable(
            f"数据区有合并单元格（{shown}）：合并后只有首格有值。请取消合并、逐格填写后重报。",
            f"Cells are merged within the table ({shown}), and only the first of them holds the value: unmerge, fill each and deliver again.",
        )


def _check_count(xml: bytes, filled: int, cells: int, plain: bool) -> None:
    """Count rows and cells a second time, by the XML: quickly, and where that disagrees, thoroughly."""
    if not agrees_on_rows(xml, filled, plain):
        raise unreadable(
            f"两种方式数出的行数不一致（读到 {filled} 行）：工作表内有重号的行。",
            f"Two ways of counting disagree on the rows ({filled} were read): rows of the sheet share a number.",
        )
    if xml.count(b"<v>") != cells and has_repeated_cell(xml):
        raise unreadable("工作表中有两个单元格同一地址。", "Two cells of the sheet have one address.")


def read(data: bytes, wanted: tuple[str, ...] = ()) -> RawTable:
    """Read one sheet as all-text columns.

    Args:
        data: the XLSX file.
        wanted: names of the sheet that is meant, the first of which is proposed to a sender.

    Raises:
        FileRefused: `unreadable`, `unsafe` or `no_data_rows`.
    """
    sheet = choose_sheet(read_package(data), wanted)
    plain = is_plain(sheet.xml)
    check_extent(sheet.xml, plain)
    rows = _read_rows(data, sheet)
    filled = _count_filled(rows)
    is_whole = holds_only_values(sheet.xml, sum(filled), plain)
    if not is_whole:
        _put_back(rows, find_lost_cells(sheet.xml, plain))
        filled = _count_filled(rows)
    places = [place for place, count in enumerate(filled) if count]
    if not places:
        raise unreadable("工作表没有内容。", "The sheet is empty.")
    first = _find_header(filled, places)
    header = places[first]
    _check_merged(sheet.xml, header)
    below = places[first + 1 :]
    if not below:
        raise no_data_rows()
    notes = {"format": "xlsx", "sheet": sheet.name, "header_row": str(header + 1)}
    if first:
        notes["title"] = " / ".join(write_cell(next(cell for cell in rows[place] if cell != ""))[:100] for place in places[:first])
    table = _table(rows, header, below, notes)
    if not is_whole:
        _check_count(sheet.xml, len(places), sum(filled), plain)
    return table


def _table(rows: Rows, header: int, below: list[int], notes: dict[str, str]) -> RawTable:
    """The columns below a header; those without a header and without any cell are left out."""
    headers = [write_cell(cell) for cell in rows[header]]
    check_columns(len(headers))
    body = rows[header + 1 :] if below[-1] - header == len(below) else [rows[place] for place in below]
    del body[len(below) :]
    kept, columns = [], []
    try:
        for name, cells in zip(headers, zip(*body, strict=True), strict=True):
            column = write_column(cells)
            if name or pc.any(pc.not_equal(column, "")).as_py():
                kept.append(name)
                columns.append(pa.chunked_array([column]))
    except UnicodeEncodeError as error:
        raise unreadable("单元格中有半个代理对，不是合法文字。", "A cell holds half of a surrogate pair: it is no text.") from error
    return RawTable(kept, columns, notes, pa.array(np.asarray(below, dtype=np.int32) + 1))
