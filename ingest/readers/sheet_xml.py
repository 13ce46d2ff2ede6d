"""What a sheet's XML says that the fast cell reader does not tell: errors, formulas never computed, merged cells, how far apart cells lie.

The fast reader gives an error cell and a formula without a stored result as an empty cell, which would be a quiet loss. Both are rare,
so the XML is searched for their marks, and looked at closely only where there are any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, cast
from xml.etree import ElementTree

from ingest.faults import UNCOMPUTED, unreadable
from ingest.readers.archive import unsafe

LARGEST_AREA = 20_000_000  # cells of the rectangle around everything, for a sheet that fills little of it
_SPARSE = 50
_LARGE = 4 << 20
_ROW = re.compile(rb"<(?:\w+:)?row\b([^>]*)>")
_ROW_NUMBER = re.compile(rb"""\br\s*=\s*["'](\d{1,10})["']""")
_PLAIN_ROW = re.compile(rb'<row r="(\d{1,10})"')
_PLAIN_FAR_COLUMN = re.compile(rb'<c r="[A-Z]{3}')
_FAR_COLUMN = re.compile(rb"""\br\s*=\s*["'][A-Z]{3}\d""")
_REFERENCE = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br\s*=\s*["']([A-Z]{1,3})(\d{1,7})["']""")
_MERGED = re.compile(rb"""<(?:\w+:)?mergeCell\s[^>]*?\bref\s*=\s*["']([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})["']""")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
_COMPUTED = re.compile(rb"(?:</(?:\w+:)?f|<(?:\w+:)?f(?:\s[^>]*)?/)>\s*<(?:\w+:)?v(?:\s[^>]*)?>[^<]")
_ERROR = re.compile(rb"""\bt\s*=\s*["']e["']""")
_ADDRESS = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")


Parser: TypeAlias = "ElementTree.XMLPullParser[ElementTree.Element]"


@dataclass(frozen=True)
class Merged:
    """A range of merged cells; rows and columns from 0, the last ones included."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int
    address: str


def column_number(letters: str) -> int:
    """A -> 0, Z -> 25, AA -> 26."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def is_plain(xml: bytes) -> bool:
    """Whether the sheet's elements carry no prefix and no markup hides others, as common programs write it: a search of the bytes will do."""
    return b"<worksheet" in xml[:4096] and xml.count(b"spreadsheetml/2006/main") == 1 and not (b"!" in xml and b"<!" in xml)


def holds_only_values(xml: bytes, cells: int, plain: bool) -> bool:
    """Whether every value of the XML is one of so many filled cells that were read, and there is nothing but values: no formula, no text
    of its own. Then no error was read as empty, no row is lost and no cell stands twice, and nothing needs a closer look.
    """
    return plain and xml.count(b"</v>") == cells and b"inlineStr" not in xml and b"<f" not in xml


def _tallest(xml: bytes, plain: bool) -> tuple[int, int]:
    """The greatest row number given, and how many rows there are."""
    if plain:
        numbers = [int(number) for number in _PLAIN_ROW.findall(xml)]
    else:
        numbers = [int(found[1]) for text in _ROW.findall(xml) if (found := _ROW_NUMBER.search(text))]
    return max(numbers, default=0), len(numbers)


def check_extent(xml: bytes, plain: bool) -> None:
    """Refuse a sheet whose few cells lie so far apart that the rectangle around them would fill the memory.

    A large sheet is not searched: its rectangle is held by the limit on memory, which ends in a refusal as well.

    Raises:
        FileRefused: `unsafe`.
    """
    if len(xml) > _LARGE:
        return
    tallest, count = _tallest(xml, plain)
    is_far = (_PLAIN_FAR_COLUMN if plain else _FAR_COLUMN).search(xml) is not None
    if tallest <= 2 * count + 10_000 and not is_far:
        return
    places = _REFERENCE.findall(xml)
    if not places:
        return
    height = max(int(row) for _, row in places)
    width = max(column_number(letters.decode()) for letters in {letters for letters, _ in places}) + 1
    if height * width > LARGEST_AREA and height * width > _SPARSE * len(places):
        raise unsafe(
            f"工作表只有 {len(places)} 个单元格，却散布在 {height} 行 × {width} 列中。请删除表外的零散单元格后重报。",
            f"The sheet's {len(places)} cells are spread over {height} rows and {width} columns: delete what stands outside the table.",
        )


def find_merged(xml: bytes) -> list[Merged]:
    """The merged ranges of a sheet."""
    if b"mergeCell" not in xml:
        return []
    return [
        Merged(
            int(top) - 1, column_number(left.decode()), int(bottom) - 1, column_number(right.decode()),
            f"{left.decode()}{top.decode()}:{right.decode()}{bottom.decode()}",
        )
        for left, top, right, bottom in _MERGED.findall(xml)
    ]  # fmt: skip


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _lost_text(cell: ElementTree.Element) -> str | None:
    """The text that stands for a cell which the fast reader gives as empty: its error, or that it was never computed."""
    parts = {_local(part): part.text or "" for part in cell}
    kind = cell.get("t", "n")
    if kind == "e":
        return parts.get("v") or UNCOMPUTED
    # A formula whose result is the empty text says so by its type and an empty value.
    if "f" in parts and not parts.get("v") and not (kind == "str" and "v" in parts):
        return UNCOMPUTED
    return None


def _has_doubtful_cells(xml: bytes, plain: bool) -> bool:
    """Whether any formula stands without a value, or any error; yes where a search of the bytes could miss one."""
    if not plain:
        return True
    if (b'"e"' in xml or b"'e'" in xml) and _ERROR.search(xml):
        return True
    return b"<f" in xml and len(_FORMULA.findall(xml)) != len(_COMPUTED.findall(xml))


def find_lost_cells(xml: bytes, plain: bool) -> dict[tuple[int, int], str]:
    """Row and column (from 0) -> text, of the cells that hold an error or a formula without a stored result.

    Raises:
        FileRefused: `unreadable` where the XML is broken, or such a cell does not say where it stands.
    """
    if not _has_doubtful_cells(xml, plain):
        return {}
    found = {}
    for cell in _cells(xml):
        text = _lost_text(cell)
        if text is not None:
            address = _ADDRESS.fullmatch(cell.get("r", ""))
            if address is None:
                raise unreadable(
                    "工作表含有错误值或未计算的公式，且单元格没有地址。",
                    "The sheet has errors or formulas never computed in cells without an address.",
                )
            found[int(address[2]) - 1, column_number(address[1])] = text
    return found


def _events(parser: Parser) -> Iterator[tuple[str, ElementTree.Element]]:
    return cast(Iterator[tuple[str, ElementTree.Element]], parser.read_events())


def _cells(xml: bytes) -> list[ElementTree.Element]:
    """The cells that hold a formula or an error."""
    found = []
    try:
        parser: Parser = ElementTree.XMLPullParser(["end"])
        for start in range(0, len(xml), 1 << 20):
            parser.feed(xml[start : start + (1 << 20)])
            for _, element in _events(parser):
                name = _local(element)
                if name == "c" and (element.get("t") == "e" or any(_local(part) == "f" for part in element)):
                    found.append(element)
                elif name == "row":
                    element.clear()
        parser.close()
    except ElementTree.ParseError as error:
        raise unreadable("工作表的 XML 损坏。", "The XML of the sheet is broken.") from error
    return found


def agrees_on_rows(xml: bytes, filled: int, plain: bool) -> bool:
    """Whether a count that shares nothing with the cell reader finds no more rows with a value than it: rows at all, rows in which a
    value's mark stands, then cell by cell, each only where the quicker one does not agree.
    """
    if plain and (xml.count(b"<row ") == filled or _count_marked_rows(xml) == filled):
        return True
    return count_rows(xml) <= filled


def _count_marked_rows(xml: bytes) -> int:
    parts = xml.split(b"<row ")[1:]
    return sum(b"<v>" in part or b"<is>" in part or b"<f>" in part for part in parts)


def has_repeated_cell(xml: bytes) -> bool:
    """Whether two cells claim one address, of which the cell reader would keep the last."""
    places = _REFERENCE.findall(xml)
    return len(set(places)) != len(places)


def count_rows(xml: bytes) -> int:
    """Rows with any value, counted by another way than the cell reader's: by the parser of Python, cell by cell."""
    count = 0
    try:
        parser: Parser = ElementTree.XMLPullParser(["end"])
        for start in range(0, len(xml), 1 << 20):
            parser.feed(xml[start : start + (1 << 20)])
            for _, element in _events(parser):
                if _local(element) == "row":
                    count += any(_has_value(cell) for cell in element if _local(cell) == "c")
                    element.clear()
        parser.close()
    except ElementTree.ParseError as error:
        raise unreadable("工作表的 XML 损坏。", "The XML of the sheet is broken.") from error
    return count


def _has_value(cell: ElementTree.Element) -> bool:
    return any(_local(part) in ("v", "is", "f") and (part.text or len(part) or _local(part) == "f") for part in cell)
