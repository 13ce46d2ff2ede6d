"""Formats that are not taken, known by their first bytes, each refused by its name with what to do instead."""

from __future__ import annotations

import re

from ingest.contract import Message
from ingest.faults import FileRefused, unreadable

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SAVE = Message("请另存为 XLSX 或 CSV（UTF-8）后重报。", "save it as XLSX or CSV (UTF-8) and deliver again.")

_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "PDF 文件", "a PDF file"),
    (b"7z\xbc\xaf\x27\x1c", "7z 压缩包", "a 7z archive"),
    (b"Rar!", "RAR 压缩包", "a RAR archive"),
    (b"BZh", "bzip2 压缩文件", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "xz 压缩文件", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "zstd 压缩文件", "a zstd file"),
    (b"PARE", "加密的 Parquet 文件", "an encrypted Parquet file"),
    (b"ARROW1", "Arrow 文件", "an Arrow file"),
    (b"ORC", "ORC 文件", "an ORC file"),
    (b"SQLite format 3\x00", "SQLite 数据库", "an SQLite database"),
    (b"{\\rtf", "RTF 文档", "an RTF document"),
    (b"\x89PNG", "图片", "a picture"),
    (b"\xff\xd8\xff", "图片", "a picture"),
    (b"\x7fELF", "程序", "a program"),
    (b"MZ\x90\x00", "程序", "a program"),
    (b"MIME-Version:", "网页归档（MHTML）", "a web archive (MHTML)"),
)
_MARKUP = re.compile(rb"\s*<(\?xml|!doctype|html|table|meta|head|style|div|body|!--)", re.IGNORECASE)
_SPREADSHEET_XML = b"urn:schemas-microsoft-com:office:spreadsheet"


def _refused(zh: str, en: str) -> FileRefused:
    return unreadable(f"这是{zh}，不在受理格式内，{_SAVE.zh}", f"This is {en}, which is not taken: {_SAVE.en}")


def _refused_ole(data: bytes) -> FileRefused:
    """A compound file (MS-CFB): the names of its streams say what it is."""

    def holds(name: str) -> bool:
        return name.encode("utf-16-le") in data

    if holds("EncryptedPackage"):
        return unreadable("工作簿设有打开密码，请取消密码后重报。", "The workbook is protected by a password: remove it and deliver again.")
    if holds("Workbook") or holds("Book"):
        return _refused("旧式工作簿（.xls）", "an old workbook (.xls)")
    return _refused("旧式 Office 文档", "an old Office document")


def refuse_foreign(data: bytes) -> None:
    """Refuse what is known to be another format; anything else passes.

    Raises:
        FileRefused: `unreadable`.
    """
    if data.startswith(OLE[:4]):
        raise _refused_ole(data)
    for start, zh, en in _STARTS:
        if data.startswith(start):
            raise _refused(zh, en)
    head = data[:4096].removeprefix(b"\xef\xbb\xbf")
    if _MARKUP.match(head):
        if _SPREADSHEET_XML in head:
            raise _refused("“XML 表格 2003”文件", "an “XML Spreadsheet 2003” file")
        raise _refused(
            "网页或 XML 文件（常见于以 .xls 命名的系统导出）", "a web page or XML file (as many systems export under the name .xls)"
        )
