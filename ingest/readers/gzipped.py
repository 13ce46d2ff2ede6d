"""gzip undone within limits: a small file that expands beyond reason is refused before it fills the memory."""

from __future__ import annotations

import zlib

from ingest.contract import Message
from ingest.faults import FileRefused, unreadable

MAGIC = b"\x1f\x8b"
LARGEST_EXPANDED_BYTES = 8 * 1024**3
LARGEST_RATIO = 200
_MOST_MEMBERS = 10_000


def _expand_member(rest: bytes, room: int) -> tuple[bytes, bytes]:
    """The first member of concatenated ones, and what follows it."""
    member = zlib.decompressobj(wbits=31)
    try:
        part = member.decompress(rest, room + 1)
        # Output that just fits leaves the end of the stream unread.
        if not member.eof and len(part) <= room:
            part += member.decompress(member.unconsumed_tail, room + 1 - len(part) or 1)
    except zlib.error as error:
        raise unreadable("gzip 压缩损坏，无法解压。", "The gzip compression is broken and cannot be undone.") from error
    if len(part) > room:
        raise FileRefused("unsafe", Message("解压后体积超过限制。", "The file expands beyond the limit."))
    if not member.eof:
        raise unreadable("gzip 文件不完整。", "The gzip file is cut short.")
    return part, member.unused_data


def expand(data: bytes) -> bytes:
    """Undo gzip.

    Raises:
        FileRefused: `unreadable` (broken, cut short, bytes behind its end) or `unsafe` (too large once expanded, or compressed twice).
    """
    limit = min(LARGEST_EXPANDED_BYTES, max(len(data) * LARGEST_RATIO, 1 << 20))
    parts: list[bytes] = []
    total = 0
    rest = data
    while rest:
        if not rest.startswith(MAGIC):
            raise unreadable(
                "gzip 数据之后还有其他内容，请重新压缩后报送。",
                "Other bytes follow the gzip data: compress the file again and deliver again.",
            )
        if len(parts) == _MOST_MEMBERS:
            raise FileRefused("unsafe", Message("gzip 分段过多。", "The gzip file has too many members."))
        part, rest = _expand_member(rest, limit - total)
        total += len(part)
        parts.append(part)
    expanded = b"".join(parts) if len(parts) > 1 else parts[0]
    if expanded.startswith(MAGIC):
        raise FileRefused(
            "unsafe", Message("文件被 gzip 压缩了两次，只压缩一次即可。", "The file is compressed with gzip twice: once is enough.")
        )
    return expanded
