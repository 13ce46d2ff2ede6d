"""Receive a file: regular files only, within limits, its bytes kept once by their sha256, on disk before anybody is told."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ingest.contract import Message
from ingest.faults import FileRefused

_CHUNK = 1 << 22
LONGEST_NAME = 255
IGNORED_SUFFIXES = (".part", ".tmp", ".crdownload")
IGNORED_PREFIXES = ("~$", ".")


@dataclass(frozen=True)
class Received:
    """The bytes as kept: `delivery_id` is their sha256."""

    delivery_id: str
    path: Path
    size: int


def is_waiting_file(path: Path) -> bool:
    """Whether a name in the inbox is a file to be taken: not a half-copied, temporary or hidden one."""
    name = path.name
    return not name.startswith(IGNORED_PREFIXES) and not name.lower().endswith(IGNORED_SUFFIXES)


def describe_name(path: Path) -> str:
    """A file's name as text that can stand in a receipt, a log or a terminal: what is not printable (line ends, escape sequences, marks
    that turn the direction of writing, bytes that are no text) is written out as an escape.
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in path.name
    )
    return shown if len(shown) <= LONGEST_NAME else shown[: LONGEST_NAME - 1] + "…"


def is_stable(path: Path, wait_seconds: float = 0.2, settled_seconds: float = 2.0) -> bool:
    """Whether a file has stopped growing: untouched for a while, or the same size and time a moment later."""
    before = path.lstat()
    if time.time() - before.st_mtime > settled_seconds:
        return True
    time.sleep(wait_seconds)
    after = path.lstat()
    return (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def _unsafe(zh: str, en: str) -> FileRefused:
    return FileRefused("unsafe", Message(zh, en))


def receive_bytes(path: Path, store: Path, largest: int) -> Received:
    """Copy a file's bytes into the content-addressed store.

    Args:
        path: the file; links are not followed, and pipes, devices and folders are refused before a byte is read.
        store: the `deliveries` folder.
        largest: refuse files of more bytes.

    Raises:
        FileRefused: `unsafe`, `too_large`, or `unreadable` where there is no file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise FileRefused("unreadable", Message("没有这个文件。", "There is no such file.")) from error
    except OSError as error:
        raise _unsafe(
            "不是可读的普通文件（链接、管道或设备）。", "Not a regular file that can be read (a link, a pipe or a device)."
        ) from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise _unsafe("不是普通文件（链接、管道、设备或文件夹）。", "Not a regular file (a link, a pipe, a device or a folder).")
    with os.fdopen(handle, "rb") as stream:
        if status.st_size > largest:
            raise FileRefused("too_large", Message(f"文件超过 {largest} 字节。", f"The file is larger than {largest} bytes."))
        return _store(stream, store, largest)


def _store(stream: IO[bytes], store: Path, largest: int) -> Received:
    store.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    size = 0
    handle, name = tempfile.mkstemp(prefix=".receiving-", dir=store)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > largest:
                    raise FileRefused("too_large", Message(f"文件超过 {largest} 字节。", f"The file is larger than {largest} bytes."))
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        delivery_id = digest.hexdigest()
        kept = store / delivery_id[:2] / delivery_id
        if kept.exists():
            return Received(delivery_id, kept, size)
        kept.parent.mkdir(exist_ok=True)
        temporary.chmod(0o440)
        temporary.replace(kept)
        sync_folder(kept.parent)
        return Received(delivery_id, kept, size)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
