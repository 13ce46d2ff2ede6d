"""Connectors that list files: what is new, and whole, is copied once."""

from __future__ import annotations

import fnmatch
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from ingest.connectors.deadline import Deadline, try_again
from ingest.connectors.declaration import FilesystemConnector, FolderConnector
from ingest.connectors.faults import ConnectorFault, refused, too_large, unreachable
from ingest.connectors.memory import Brings
from ingest.connectors.progress import Pull
from ingest.delivery import is_waiting_file

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One file as listed: its path below the place, its size, and a stamp that changes with its content."""

    key: str
    size: int
    stamp: str
    is_file: bool = True


class Store(Protocol):
    """A place that lists and gives files."""

    # Whether a file can be seen while it is still being written.
    grows: bool

    def entries(self) -> Iterable[Entry]: ...

    def look(self, key: str) -> Entry | None: ...

    def chunks(self, key: str) -> Iterator[bytes]: ...

    def place(self, key: str) -> str: ...


def wanted(connector: FolderConnector | FilesystemConnector, entry: Entry) -> bool:
    """Whether the pattern asks for a file, and its name does not say that it is unfinished."""
    path = PurePosixPath(entry.key)
    shown = entry.key if "/" in connector.pattern else path.name
    return fnmatch.fnmatchcase(shown, connector.pattern) and is_waiting_file(Path(path.name))


def pull_listed(connector: FolderConnector | FilesystemConnector, store: Store, pull: Pull, deadline: Deadline) -> None:
    """Copy what is new into the inbox, by name: that is the order of receipt within a source.

    One file that cannot be had stops no other; it is told and asked for again the next time.
    """
    known = pull.memory.stamps(connector.name)

    def look() -> dict[str, Entry]:
        listed = try_again(connector, deadline, lambda: list(store.entries()))
        return {entry.key: entry for entry in listed if wanted(connector, entry) and known.get(entry.key) != entry.stamp}

    found = look()
    if found and store.grows and connector.settle_seconds:
        time.sleep(min(connector.settle_seconds, max(deadline.left, 0)))
        again = look()
        pull.unsettled += sum(again.get(key) != entry for key, entry in found.items())
        found = {key: entry for key, entry in found.items() if again.get(key) == entry}
    for key in sorted(found):
        deadline.check()
        try:
            _take(connector, store, found[key], pull, deadline)
        except ConnectorFault as fault:
            if fault.code == "out_of_time":
                raise
            pull.fail(fault)


def _take(connector: FolderConnector | FilesystemConnector, store: Store, entry: Entry, pull: Pull, deadline: Deadline) -> None:
    if not entry.is_file:
        raise refused(
            "unsafe", f"{entry.key} 不是普通文件（链接、管道或设备），未取。", f"{entry.key} is no regular file (a link, a pipe, a device)."
        )
    if entry.size > connector.largest_bytes:
        raise too_large(entry.key, connector.largest_bytes)
    if pull.dry_run:
        pull.would_take(entry.key, entry.size, store.place(entry.key))
        return

    def copy(out: IO[bytes]) -> None:
        out.seek(0)
        out.truncate()
        for chunk in store.chunks(entry.key):
            deadline.check()
            if out.tell() + len(chunk) > connector.largest_bytes:
                raise too_large(entry.key, connector.largest_bytes)
            out.write(chunk)
            pull.tell(out.tell())
        if out.tell() != entry.size:
            raise unreachable(
                f"{entry.key} 应有 {entry.size:,} 字节，取到 {out.tell():,}。",
                f"{entry.key} should be {entry.size:,} bytes, {out.tell():,} came.",
            )

    with pull.placer.fresh(entry.key) as (part, out):
        try_again(connector, deadline, lambda: copy(out))
        out.close()
        if store.grows and store.look(entry.key) != entry:
            part.unlink()
            pull.unsettled += 1
            return
        pull.took(pull.placer.place(part, entry.key, store.place(entry.key), Brings(seen={entry.key: entry.stamp})))


class FolderStore:
    """A folder of this machine. Links are not followed; nothing in it is changed."""

    grows = True

    def __init__(self, connector: FolderConnector) -> None:
        self._root = connector.path
        self._recursive = connector.recursive

    def entries(self) -> Iterator[Entry]:
        try:
            yield from self._below(self._root)
        except OSError as error:
            raise refused(
                "folder_unreadable",
                f"读不到文件夹 {self._root}（{error.strerror}）。",
                f"The folder {self._root} cannot be read ({error.strerror}).",
            ) from error

    def _below(self, folder: Path) -> Iterator[Entry]:
        with os.scandir(folder) as found:
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    if self._recursive:
                        yield from self._below(Path(item.path))
                    continue
                yield self._entry(Path(item.path).relative_to(self._root).as_posix(), item.stat(follow_symlinks=False))

    def look(self, key: str) -> Entry | None:
        try:
            return self._entry(key, (self._root / key).lstat())
        except OSError:
            return None

    @staticmethod
    def _entry(key: str, status: os.stat_result) -> Entry:
        stamp = f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"
        return Entry(key, status.st_size, stamp, stat.S_ISREG(status.st_mode))

    def chunks(self, key: str) -> Iterator[bytes]:
        try:
            handle = os.open(self._root / key, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise refused("unreadable", f"读不到 {key}（{error.strerror}）。", f"{key} cannot be read ({error.strerror}).") from error
        with os.fdopen(handle, "rb") as stream:
            # What was listed as a file may have been put in the place of one since.
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise refused("unsafe", f"{key} 不是普通文件。", f"{key} is no regular file.")
            try:
                while chunk := stream.read(_CHUNK):
                    yield chunk
            except OSError as error:
                raise unreachable(f"读 {key} 时出错（{error.strerror}）。", f"Reading {key} failed ({error.strerror}).") from error

    def place(self, key: str) -> str:
        return str(self._root / key)
