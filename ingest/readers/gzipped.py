"""gzip undone within limits: a small file that expands beyond reason is refused before it fills the memory."""

from __future__ import annotations

import zlib

from ingest.contract import Message
from ingest.faults import FileRefused, unreadable

MAGIC = b"\x1f\x8b"
LARGEST_EXPANDED_BYTES = 8 * 1024**3
LARGEST_RATIO = 200
_CHUNK = 1 << 14  # what follows a member is copied, so little is fed at a time; block-compressed files have members by the ten thousand


def _expand_member(data: bytes, start: int, room: int) -> tuple[list[bytes], int]:
    """The parts of the member that begins at `start`, and where it ends."""
    member = zlib.decompressobj(wbits=31)
    parts: list[bytes] = []
    while not member.eof:
        if start >= len(data):
            raise unreadable("gzip 文件不完整。", "The gzip file is cut short.")
        rest = data[start : start + _CHUNK]
        start += len(rest)
        while rest and not member.eof:
            try:
                part = member.decompress(rest, max(room, 0) + 1)
            except zlib.error as error:
                raise unreadable("gzip 压缩损坏，无法解压。", "The gzip compression is broken and cannot be undone.") from error
            room -= len(part)
            if room < 0:
                raise FileRefused("unsafe", Message("解压后体积超过限制。", "The file expands beyond the limit."))
            parts.append(part)
            rest = member.unconsumed_tail
    return parts, start - len(member.unused_data)


def expand(data: bytes) -> bytes:
    """Undo gzip.

    Raises:
        FileRefused: `unreadable` (broken, cut short, bytes behind its end) or `unsafe` (too large once expanded, or compressed twice).
    """
    room = min(LARGEST_EXPANDED_BYTES, max(len(data) * LARGEST_RATIO, 1 << 20))
    found: list[bytes] = []
    place = 0
    while place < len(data):
        if not data.startswith(MAGIC, place):
            raise unreadable(
                "gzip 数据之后还有其他内容，请重新压缩后报送。",
                "Other bytes follow the gzip data: compress the file again and deliver again.",
            )
        parts, place = _expand_member(data, place, room)
        room -= sum(map(len, parts))
        found += parts
    expanded = b"".join(found)
    if expanded.startswith(MAGIC):
        raise FileRefused(
            "unsafe", Message("文件被 gzip 压缩了两次，只压缩一次即可。", "The file is compressed with gzip twice: once is enough.")
        )
    return expanded
