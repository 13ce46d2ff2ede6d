"""One pull as it goes: what was taken, what failed, and what a person watching is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.connectors.faults import ConnectorFault
from ingest.connectors.memory import Memory
from ingest.connectors.placing import Placed, Placer

Progress = Callable[[int, int], None]


@dataclass
class Pull:
    """What a pull works with and what it has come to.

    Attributes:
        dry_run: only look; nothing is written.
        same: answers whose bytes or items this connector had before.
        unsettled: files still being written, left for the next time.
    """

    memory: Memory
    placer: Placer
    progress: Progress
    dry_run: bool = False
    files: list[Placed] = field(default_factory=list)
    faults: list[ConnectorFault] = field(default_factory=list)
    same: int = 0
    unsettled: int = 0
    byte_count: int = 0

    def took(self, placed: Placed | None) -> None:
        """Count a part that was placed, or one whose bytes were known."""
        if placed is None:
            self.same += 1
            return
        self.files.append(placed)
        self.byte_count += placed.size
        self.tell(0)

    def would_take(self, name: str, size: int, place: str) -> None:
        """Count what a pull that is no dry run would take; its size is 0 where nobody said it."""
        self.files.append(Placed("", size, "", place, name))

    def fail(self, fault: ConnectorFault) -> None:
        self.faults.append(fault)

    def tell(self, unfinished_bytes: int) -> None:
        self.progress(len(self.files), self.byte_count + unfinished_bytes)
