"""Wall and processor seconds of named stages. Processor seconds barely move with what else the machine does; wall seconds do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass


@dataclass
class Span:
    """Seconds on the clock, and seconds of processor time of this process and the children it has waited for."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Span) -> Span:
        return Span(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Span) -> Span:
        return Span(self.wall - other.wall, self.cpu - other.cpu)


def read_clocks() -> Span:
    used = os.times()
    return Span(time.perf_counter(), used.user + used.system + used.children_user + used.children_system)


class Stopwatch:
    """Stages by name; a stage entered again goes on adding."""

    def __init__(self) -> None:
        self.spans: dict[str, Span] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = read_clocks()
        try:
            yield
        finally:
            self.add(name, read_clocks() - begun)

    def add(self, name: str, span: Span) -> None:
        self.spans[name] = self.spans.get(name, Span()) + span

    def as_dict(self) -> dict[str, dict[str, float]]:
        return {name: asdict(span) for name, span in self.spans.items()}
