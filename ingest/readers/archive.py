"""The zip container of a workbook, looked through before anything opens it: what it holds, what it expands to, what hides in it.

Checked here because the library that reads the cells checks none of it: it believes declared sizes, follows the directory and
expands what it is given (ECMA-376 part 2 says what a package is; a package needs no links, no repeated names and no DTD).
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from pathlib import PurePosixPath

from ingest.contract import Message
from ingest.faults import FileRefused, unreadable

MOST_MEMBERS = 2_000
LARGEST_RATIO = 100
SMALLEST_LIMIT = 64 << 20  # a small workbook of equal rows compresses well
LARGEST_EXPANDED = 4 << 30
_XML = (".xml", ".rels", ".vml")
_DTD = (b"<!DOCTYPE", b"<!ENTITY")
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00")
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*\bencoding\s*=\s*["']([^"']*)["']""")


def unsafe(zh: str, en: str) -> FileRefused:
    return FileRefused("unsafe", Message(zh, en))


# What the standard library raises where a zip's own structure is broken; it has no class for all of it.
BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, RuntimeError, NotImplementedError)


def _open(data: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except BROKEN_ZIP as error:
        raise unreadable(
            "压缩结构损坏或不完整，请重新另存后报送。", "The zip structure is broken or cut short: save the file again."
        ) from error


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if not name or name.startswith("/") or "\\" in name or ":" in name or ".." in path.parts or not name.isprintable():
        raise unsafe("压缩包内有指向包外的文件名。", "A name inside the zip points outside of it.")


def _check_directory(members: list[zipfile.ZipInfo], size: int) -> None:
    if len(members) > MOST_MEMBERS:
        raise unsafe(f"压缩包内的文件超过 {MOST_MEMBERS} 个。", f"The zip holds more than {MOST_MEMBERS} members.")
    seen: set[str] = set()
    for member in members:
        _check_name(member.filename)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise unsafe("压缩包内有符号链接。", "The zip holds a symbolic link.")
        if member.flag_bits & 0x1:
            raise unreadable("文件设有密码，请取消密码后重报。", "The file is protected by a password: remove it and deliver again.")
        if member.filename.casefold() in seen:
            raise unsafe("压缩包内有重名文件。", "Two members of the zip have one name.")
        seen.add(member.filename.casefold())
    limit = min(LARGEST_EXPANDED, max(SMALLEST_LIMIT, LARGEST_RATIO * size))
    if sum(member.file_size for member in members) > limit:
        raise unsafe("解压后体积超过限制。", "The file expands beyond the limit.")


def _expand(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes: never more than the directory declares, and right by its checksum."""
    try:
        with archive.open(member) as stream:
            return stream.read()
    except BROKEN_ZIP as error:
        raise unreadable(
            "压缩包内有损坏或无法解压的文件，请重新另存后报送。",
            "A member of the zip is broken or cannot be expanded: save the file again.",
        ) from error


def _check_xml(data: bytes) -> None:
    if data.startswith(_WIDE):
        raise unreadable("工作簿内的 XML 不是 UTF-8 编码。", "The XML inside the workbook is not UTF-8.")
    encoding = _ENCODING.match(data.removeprefix(b"\xef\xbb\xbf"))
    if encoding and encoding[1].lower() not in (b"utf-8", b"utf8", b"us-ascii", b"ascii"):
        raise unreadable("工作簿内的 XML 不是 UTF-8 编码。", "The XML inside the workbook is not UTF-8.")
    if any(mark in data for mark in _DTD):
        raise unsafe("工作簿内的 XML 含有 DTD 或实体声明。", "The XML inside the workbook declares a DTD or entities.")


def expand(data: bytes) -> dict[str, bytes]:
    """Every member of a zip by its name.

    Raises:
        FileRefused: `unreadable` (broken, a password, XML in another encoding) or `unsafe` (too many, too large, links, names that
            point outside, repeated names, sizes that lie, a DTD or entities).
    """
    with _open(data) as archive:
        _check_directory(archive.infolist(), len(data))
        members = [member for member in archive.infolist() if not member.is_dir()]
        expanded = {member.filename: _expand(archive, member) for member in members}
    for name, content in expanded.items():
        if name.casefold().endswith(_XML):
            _check_xml(content)
    return expanded
