"""Take back what a returned workbook carried, when it comes again with something still to be put right: a cell that is right now is not red."""

from __future__ import annotations

import re
from collections.abc import Collection
from xml.sax.saxutils import quoteattr

from warehouse.repair import mark
from warehouse.repair.package import AUTHOR, Style, Workbook
from warehouse.repair.sheet import prefix_of, style_cells

_CELL = re.compile(r"<(?:\w+:)?c\b[^>]*>")
_PLACE = re.compile(r"\br\s*=\s*[\"']([A-Z]+)(\d+)[\"']")
_STYLE = re.compile(r"\bs\s*=\s*[\"'](\d+)[\"']")


def is_returned(book: Workbook) -> bool:
    return mark.PART in book.parts and mark.PROPERTY.encode() in book.parts[mark.PART]


def restore(book: Workbook, added: Collection[str], colours: Collection[str]) -> None:
    """Take the added sheets, colours, comments and lists out of a workbook that was returned before; of any other nothing.

    Args:
        added: names of the sheets that were added.
        colours: fills that were given (RRGGBB).
    """
    if not is_returned(book):
        return
    for name in added:
        _remove_sheet(book, name)
    for part in book.sheets().values():
        _remove_comments(book, part)
        _remove_choices(book, part)
        _remove_colours(book, part, colours)


def _remove_sheet(book: Workbook, name: str) -> None:
    part = book.sheets().get(name)
    if part is None:
        return
    xml = book.text(book.main)
    place = list(book.sheets()).index(name)
    relation = next(key for key, value in book.related(book.main, "worksheet").items() if value == part)
    xml = re.sub(rf"<(?:\w+:)?sheet\b[^>]*?:id\s*=\s*[\"']{re.escape(relation)}[\"'][^>]*?/>", "", xml)
    xml = re.sub(rf"<(?:\w+:)?definedName\b[^>]*localSheetId\s*=\s*[\"']{place}[\"'].*?</(?:\w+:)?definedName>", "", xml, flags=re.DOTALL)
    xml = re.sub(r"\blocalSheetId\s*=\s*[\"'](\d+)[\"']", lambda found: f'localSheetId="{int(found[1]) - (int(found[1]) > place)}"', xml)
    book.put(book.main, re.sub(r"\s+(?:activeTab|firstSheet)\s*=\s*[\"']\d+[\"']", "", xml))
    _drop_relation(book, book.main, relation)
    _drop_part(book, part)


def _drop_relation(book: Workbook, part: str, relation: str) -> None:
    name = book.relations(part)
    book.put(name, re.sub(rf"<(?:\w+:)?Relationship\b[^>]*\bId\s*=\s*[\"']{re.escape(relation)}[\"'][^>]*?/>", "", book.text(name)))


def _drop_part(book: Workbook, part: str) -> None:
    book.parts.pop(part, None)
    book.parts.pop(book.relations(part), None)
    types = book.text("[Content_Types].xml")
    book.put("[Content_Types].xml", re.sub(rf"<(?:\w+:)?Override\b[^>]*PartName\s*=\s*[\"']/{re.escape(part)}[\"'][^>]*?/>", "", types))


def _remove_comments(book: Workbook, part: str) -> None:
    """Our author's comments and their boxes."""
    boxes = list(book.related(part, "vmlDrawing").values())
    for comments in book.related(part, "comments").values():
        xml = book.text(comments)
        prefix = prefix_of(xml, "comments")
        authors = re.findall(rf"<{prefix}author>(.*?)</{prefix}author>|<{prefix}author\s*/>", xml, re.DOTALL)
        ours = [str(number) for number, author in enumerate(authors) if author == AUTHOR]
        places = set()
        for found in list(re.finditer(rf"<{prefix}comment\b([^>]*)>.*?</{prefix}comment>", xml, re.DOTALL)):
            author, place = re.search(r'\bauthorId\s*=\s*["\'](\d+)', found[1]), re.search(r'\bref\s*=\s*["\']([A-Z]+\d+)', found[1])
            if author and place and author[1] in ours:
                xml = xml.replace(found[0], "", 1)
                places.add(place[1])
        book.put(comments, xml)
        for drawing in boxes:
            _remove_boxes(book, drawing, places)


def _remove_boxes(book: Workbook, drawing: str, places: set[str]) -> None:
    text = book.parts[drawing].decode("utf-8", errors="strict")
    for found in list(re.finditer(r"<v:shape\b(?!type).*?</v:shape>", text, re.DOTALL)):
        row, column = re.search(r"<x:Row>(\d+)</x:Row>", found[0]), re.search(r"<x:Column>(\d+)</x:Column>", found[0])
        if row and column and _address(int(row[1]), int(column[1])) in places:
            text = text.replace(found[0], "", 1)
    book.put(drawing, text)


def _address(row: int, column: int) -> str:
    letters, column = "", column + 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row + 1}"


def _remove_choices(book: Workbook, part: str) -> None:
    xml = book.text(part)
    prefix = prefix_of(xml, "worksheet")
    group = re.search(rf"<{prefix}dataValidations\b([^>]*)>(.*?)</{prefix}dataValidations>", xml, re.DOTALL)
    if group is None:
        return
    one = rf"<{prefix}dataValidation\b[^>]*?(?:/>|>.*?</{prefix}dataValidation>)"
    kept = [item for item in re.findall(one, group[2], re.DOTALL) if f"errorStyle={quoteattr('warning')}" not in item]
    made = f'<{prefix}dataValidations count="{len(kept)}">{"".join(kept)}</{prefix}dataValidations>' if kept else ""
    book.put(part, xml[: group.start()] + made + xml[group.end() :])


def _remove_colours(book: Workbook, part: str, colours: Collection[str]) -> None:
    coloured = book.styles_filled(colours)
    if not coloured:
        return
    xml = book.text(part)
    marks: dict[int, dict[int, object]] = {}
    for found in _CELL.finditer(xml):
        style, place = _STYLE.search(found[0]), _PLACE.search(found[0])
        if style and place and int(style[1]) in coloured:
            column = 0
            for letter in place[1]:
                column = column * 26 + ord(letter) - 64
            marks.setdefault(int(place[2]), {})[column - 1] = None
    bare = {row: dict.fromkeys(columns, lambda old: book.style(old, Style(fill="none"))) for row, columns in marks.items()}
    book.put(part, style_cells(xml, bare))
