"""What is inside a workbook's zip besides cells: which kind of document it is, its sheets, and what makes it unsafe (ECMA-376 parts 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from ingest.faults import FileRefused, unreadable
from ingest.readers.archive import expand, unsafe

_MACROS = ("vbaproject.bin", "vbaprojectsignature.bin")
_RELATIONSHIP = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATIONSHIP = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
MOST_SHEETS = 250

Element = ElementTree.Element


@dataclass(frozen=True)
class Sheet:
    """One worksheet: its name, whether a person sees it, and its XML."""

    name: str
    is_visible: bool
    xml: bytes

    @property
    def has_cells(self) -> bool:
        """Whether any cell holds a value; old programs add two empty sheets to every workbook."""
        return any(mark in self.xml for mark in (b":v>", b"<v>", b"<is>", b":is>", b"<f>", b":f>", b"<v ", b"<f "))


def _refuse_other_kinds(names: set[str], members: dict[str, bytes]) -> None:
    if any(name.rsplit("/", 1)[-1] in _MACROS for name in names) or any(name.startswith("xl/macrosheets/") for name in names):
        raise unsafe(
            "工作簿含有宏，不予读取。请另存为“Excel 工作簿（*.xlsx）”后重报。",
            "The workbook holds macros and is not read: save it as “Excel Workbook (*.xlsx)” and deliver again.",
        )
    if any(name.startswith("xl/externallinks/") for name in names):
        raise unsafe(
            "工作簿引用了其他工作簿。请把公式“选择性粘贴”为数值并断开链接后重报。",
            "The workbook takes values from other workbooks: paste them as values, break the links and deliver again.",
        )
    kind = members.get("mimetype", b"")[:80]
    if kind.startswith(b"application/vnd.oasis.opendocument"):
        raise unreadable(
            "OpenDocument 表格（.ods）不在受理格式内，请另存为 XLSX 或 CSV（UTF-8）。",
            "OpenDocument sheets (.ods) are not taken: save as XLSX or CSV (UTF-8).",
        )
    if "xl/workbook.bin" in names:
        raise unreadable("二进制工作簿（.xlsb）不在受理格式内，请另存为 XLSX。", "Binary workbooks (.xlsb) are not taken: save as XLSX.")
    if "word/document.xml" in names or "ppt/presentation.xml" in names:
        raise unreadable("这是文档或演示文稿，不是数据表。", "This is a text or a presentation, not a table.")


def _parse(members: dict[str, bytes], name: str) -> Element:
    content = members.get(name)
    if content is None:
        raise _not_a_workbook()
    try:
        return ElementTree.fromstring(content)  # its DTD and entities were refused before
    except ElementTree.ParseError as error:
        raise unreadable(f"工作簿内的 {name} 损坏。", f"{name} inside the workbook is broken.") from error


def _not_a_workbook() -> FileRefused:
    return unreadable(
        "这是 ZIP 压缩包而不是工作簿，请解压后逐个文件报送（或用 gzip 压缩单个文件）。",
        "This is a zip archive, not a workbook: deliver its files one by one (or compress a single file with gzip).",
    )


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _resolve(target: str) -> str:
    """A relationship's target below `xl/`, as a member's name."""
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def read_package(data: bytes) -> list[Sheet]:
    """The worksheets of an XLSX file, in its own order, after every check that needs no cell.

    Raises:
        FileRefused: `unreadable` (no XLSX workbook, broken) or `unsafe` (macros, external links, and what `archive.expand` refuses).
    """
    members = expand(data)
    names = {name.casefold() for name in members}
    _refuse_other_kinds(names, members)
    if b"macroEnabled" in members.get("[Content_Types].xml", b""):
        _refuse_other_kinds({"xl/vbaproject.bin"}, {})
    targets = {
        item.get("Id"): (_resolve(item.get("Target", "")), item.get("Type", ""))
        for item in _parse(members, "xl/_rels/workbook.xml.rels")
        if item.get("TargetMode") != "External"
    }
    sheets = []
    for element in _parse(members, "xl/workbook.xml").iter():
        if _local(element) != "sheet":
            continue
        place, kind = targets.get(element.get(_RELATIONSHIP) or element.get(_STRICT_RELATIONSHIP), ("", ""))
        if kind.endswith("/worksheet") and place in members:
            sheets.append(Sheet(element.get("name", ""), element.get("state", "visible") == "visible", members[place]))
    if not sheets or len(sheets) > MOST_SHEETS or len({sheet.name for sheet in sheets}) != len(sheets):
        raise unreadable(
            "工作簿没有可读的工作表，或工作表重名、过多。", "The workbook has no sheet that can be read, or too many, or two of one name."
        )
    return sheets
