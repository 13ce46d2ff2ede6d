"""Edits of one sheet's XML as text: a cell gets another style, a comment, a list to choose from. What is not named stays as it was, to the byte.

A library that reads a workbook and writes it anew changes what it does not model (rich text, number forms, the way a text is stored), so
nothing is parsed and written back here: the few places concerned are found and changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_ROW = re.compile(r"<(?:\w+:)?row\b([^>]*?)(/?)>")
_CELL = re.compile(r"<((?:\w+:)?)c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_REFERENCE = re.compile(r"\br\s*=\s*[\"']([A-Z]*)(\d+)[\"']")
_STYLE = re.compile(r"\bs\s*=\s*[\"'](\d+)[\"']")
# What may follow in a worksheet, in the schema's order (ECMA-376 part 1, 18.3.1.99).
_TAIL = [
    "sheetCalcPr", "sheetProtection", "protectedRanges", "scenarios", "autoFilter", "sortState", "dataConsolidate", "customSheetViews",
    "mergeCells", "phoneticPr", "conditionalFormatting", "dataValidations", "hyperlinks", "printOptions", "pageMargins", "pageSetup",
    "headerFooter", "rowBreaks", "colBreaks", "customProperties", "cellWatches", "ignoredErrors", "smartTags", "drawing",
    "legacyDrawing", "legacyDrawingHF", "drawingHF", "picture", "oleObjects", "controls", "webPublishItems", "tableParts", "extLst",
]  # fmt: skip


class CannotEdit(ValueError):
    """A workbook built in a way that these edits do not know; it is left alone, and its rows go back in a new one."""


@dataclass(frozen=True)
class Choice:
    """A list to choose from in a column: `source` is a formula (a range, or the values in quotes)."""

    area: str
    source: str
    title: str
    prompt: str


def column_letters(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def text_of(data: bytes) -> str:
    """A part as text.

    Raises:
        CannotEdit: not UTF-8, or with markup that hides other markup.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotEdit("not UTF-8") from error
    if "<!" in text:
        raise CannotEdit("comments, CDATA or a DTD")
    return text


def prefix_of(xml: str, element: str) -> str:
    found = re.search(rf"<((?:\w+:)?){element}\b", xml)
    if found is None:
        raise CannotEdit(f"no {element}")
    return found[1]


def _restyled(cell: re.Match[str], style: Callable[[int], int]) -> str:
    head = cell[2]
    found = _STYLE.search(head)
    number = style(int(found[1]) if found else 0)
    new = _STYLE.sub(f's="{number}"', head, count=1) if found else f'{head.rstrip()} s="{number}"'
    text = cell[0]
    start = cell.start(2) - cell.start(0)
    return text[:start] + new + text[start + len(head) :]


def _styled_row(body: str, row: int, prefix: str, marks: Mapping[int, Callable[[int], int]]) -> str:
    """A row's cells with some of them in another style; an absent cell is added, empty."""
    parts: list[str] = []
    left = dict(sorted(marks.items()))
    last, end = -1, 0
    for cell in _CELL.finditer(body):
        reference = _REFERENCE.search(cell[2])
        column = column_number(reference[1]) if reference and reference[1] else last + 1
        parts.append(body[end : cell.start()])
        for wanted in [place for place in left if place < column]:
            parts.append(f'<{prefix}c r="{column_letters(wanted)}{row}" s="{left.pop(wanted)(0)}"/>')
        style = left.pop(column, None)
        parts.append(cell[0] if style is None else _restyled(cell, style))
        last, end = column, cell.end()
    parts.append(body[end:])
    parts += [f'<{prefix}c r="{column_letters(wanted)}{row}" s="{style(0)}"/>' for wanted, style in left.items()]
    return "".join(parts)


def style_cells(xml: str, marks: Mapping[int, Mapping[int, Callable[[int], int]]]) -> str:
    """Give cells another style: row (from 1) -> column (from 0) -> new style, given the old one.

    Raises:
        CannotEdit: a row that is not there, or a sheet without rows.
    """
    prefix = prefix_of(xml, "worksheet")
    start, stop = xml.find(f"<{prefix}sheetData"), xml.find(f"</{prefix}sheetData>")
    if start < 0 or stop < 0:
        raise CannotEdit("no rows")
    parts: list[str] = []
    end, last, met = 0, 0, set()
    closing = f"</{prefix}row>"
    for found in _ROW.finditer(xml, start, stop):
        reference = _REFERENCE.search(found[1])
        last = int(reference[2]) if reference else last + 1
        if last not in marks:
            continue
        met.add(last)
        if found[2]:
            cells = _styled_row("", last, prefix, marks[last])
            parts += [xml[end : found.start()], f"<{prefix}row{found[1]}>", cells, closing]
            end = found.end()
        else:
            closed = xml.index(closing, found.end())
            parts += [xml[end : found.end()], _styled_row(xml[found.end() : closed], last, prefix, marks[last])]
            end = closed
    if met != set(marks):
        raise CannotEdit(f"rows not found: {sorted(set(marks) - met)[:5]}")
    return "".join([*parts, xml[end:]])


def _place(xml: str, element: str) -> int:
    """Where an element may be inserted: before the first that follows it in the schema's order."""
    start = xml.rindex("</" + prefix_of(xml, "worksheet") + "sheetData>")
    later = "|".join(_TAIL[_TAIL.index(element) + 1 :])
    found = re.search(rf"<(?:\w+:)?(?:{later})\b|</(?:\w+:)?worksheet>", xml[start:])
    if found is None:
        raise CannotEdit("no end")
    return start + found.start()


def add_choices(xml: str, choices: list[Choice]) -> str:
    """Offer lists to choose from; other values stay possible, since several forms of a value are understood."""
    if not choices:
        return xml
    prefix = prefix_of(xml, "worksheet")
    made = "".join(
        f'<{prefix}dataValidation type="list" errorStyle="warning" allowBlank="1" showInputMessage="1" showErrorMessage="1"'
        f" errorTitle={quoteattr(choice.title[:32])} error={quoteattr(choice.prompt[:200])} sqref={quoteattr(choice.area)}>"
        f"<{prefix}formula1>{escape(choice.source)}</{prefix}formula1></{prefix}dataValidation>"
        for choice in choices
    )
    tail = xml.rindex(f"</{prefix}sheetData>")
    found = re.compile(rf"<{prefix}dataValidations\b([^>]*)>").search(xml, tail)
    if found is None:
        place = _place(xml, "dataValidations")
        return f'{xml[:place]}<{prefix}dataValidations count="{len(choices)}">{made}</{prefix}dataValidations>{xml[place:]}'
    closed = xml.index(f"</{prefix}dataValidations>", found.end())
    counted = re.sub(r'\bcount\s*=\s*["\'](\d+)["\']', lambda count: f'count="{int(count[1]) + len(choices)}"', found[0], count=1)
    return xml[: found.start()] + counted + xml[found.end() : closed] + made + xml[closed:]


def add_legacy_drawing(xml: str, relation: str) -> str:
    """Tie the drawing of the comments' boxes to the sheet."""
    prefix = prefix_of(xml, "worksheet")
    place = _place(xml, "legacyDrawing")
    return f'{xml[:place]}<{prefix}legacyDrawing xmlns:r="{RELATIONSHIPS}" r:id="{relation}"/>{xml[place:]}'


def deselect(xml: str) -> str:
    """A sheet that is not the selected one: two selected sheets are edited together, which nobody wants."""
    return re.sub(r"(<(?:\w+:)?sheetView\b[^>]*?)\s+tabSelected\s*=\s*[\"'](?:1|true)[\"']", r"\1", xml)
