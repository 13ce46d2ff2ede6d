"""Put fetched bytes into the inbox: written aside under a `.part` name, on disk before they get their name, entered before and confirmed after."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ingest.connectors.address import safe_name
from ingest.connectors.declaration import Connector
from ingest.connectors.memory import Brings, Memory, now_text
from ingest.delivery import sync_folder

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Placed:
    """One file of the inbox and where it came from."""

    file: str
    size: int
    sha256: str
    place: str
    original_name: str


class Placer:
    """Puts one connector's files into its source's inbox."""

    def __init__(self, connector: Connector, inbox: Path, memory: Memory) -> None:
        self.connector = connector
        self.memory = memory
        self.folder = inbox / connector.source
        self.placed: list[Placed] = []
        self._last_moment = ""

    def part(self, key: str) -> Path:
        """Where the bytes of a key are gathered: always the same, so that an interrupted download is found again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:24]
        return self.folder / f".{self.connector.name}_{digest}.part"

    @contextmanager
    def fresh(self, key: str) -> Iterator[tuple[Path, IO[bytes]]]:
        """A new part file; what is not placed in the end is removed."""
        part = self.part(key)
        part.unlink(missing_ok=True)
        try:
            # Exclusive: a link that somebody put there is not written through.
            with part.open("xb") as out:
                yield part, out
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def place(self, part: Path, original_name: str, place: str, brings: Brings) -> Placed | None:
        """Give a whole part its name in the inbox; None when this connector has delivered the same bytes before.

        Args:
            original_name: the name at the remote, whatever it holds; kept as text, never used as a path.
            place: where it was fetched from, without secrets.
            brings: what is known from now on.
        """
        sha256, size = _settle_on_disk(part)
        if self.memory.has_bytes(self.connector.name, sha256):
            self.memory.remember(self.connector.name, brings)
            part.unlink()
            return None
        name = f"{self._moment()}_{self.connector.name}_{safe_name(original_name)}"
        entry = {
            "connector": self.connector.name,
            "source": self.connector.source,
            "file": name,
            "part": part.name,
            "sha256": sha256,
            "size": size,
            "layout": self.connector.layout,
            "place": place.encode("utf-8", "replace").decode(),
            "original_name": original_name.encode("utf-8", "backslashreplace").decode(),
            "fetched_at": now_text(),
        }
        number = self.memory.enter(entry, brings)
        self._name(part, self.folder / name)
        self.memory.confirm(number)
        placed = Placed(name, size, sha256, str(entry["place"]), str(entry["original_name"]))
        self.placed.append(placed)
        return placed

    def finish_interrupted(self, deliveries: Path) -> None:
        """Bring what an earlier pull had entered to its end: named by now, still to be named, or lost and to be fetched again."""
        for row in self.memory.unconfirmed(self.connector.name):
            part, named = self.folder / row["part"], self.folder / row["file"]
            if part.is_file() and _settle_on_disk(part)[0] == row["sha256"]:
                self._name(part, named)
                self.memory.confirm(row["id"])
            elif named.exists() or (deliveries / row["sha256"][:2] / row["sha256"]).exists():
                self.memory.confirm(row["id"])
            else:
                self.memory.withdraw(row["id"])

    def _name(self, part: Path, named: Path) -> None:
        part.rename(named)
        sync_folder(self.folder)

    def _moment(self) -> str:
        """The day first, and later for every file: names sorted are the order of receipt."""
        while (moment := f"{datetime.now(UTC):%Y-%m-%dT%H%M%S%fZ}") <= self._last_moment:
            pass
        self._last_moment = moment
        return moment


def _settle_on_disk(part: Path) -> tuple[str, int]:
    """Hash and size of a part, after its bytes are on disk."""
    digest = hashlib.sha256()
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
        return digest.hexdigest(), stream.tell()
