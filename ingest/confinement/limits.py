"""How much reading one file may take. A small file gets what promise R17 allows at most; a large honest one in proportion to its size."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

_MIB = 1 << 20
_LEAST_MEMORY = 768 * _MIB
_MEMORY_PER_BYTE = 64  # a workbook expands tenfold, and its cells take four times that as objects
_LEAST_CPU_SECONDS = 20
_CPU_SECONDS_PER_MIB = 2  # the slowest honest format, a workbook, takes a fifth of a second
MOST_WAITS = 100  # a reading is waited for again if it had this part of its CPU seconds since the last look


@dataclass(frozen=True)
class Limits:
    """Limits of one reading: bytes of memory beyond the program itself, bytes of its result, seconds of CPU, and seconds of the clock
    that it may stand still.
    """

    memory_bytes: int
    result_bytes: int
    cpu_seconds: int
    wall_seconds: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def limits_for(size: int) -> Limits:
    """Limits for a file of so many bytes as delivered: 768 MiB + 64 x size (at most three quarters of the machine's memory), 20 s of CPU
    + 2 s per MiB, and on the clock twice that and 10 s more without any progress: a busy machine is no fault of the file.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    memory = min(_LEAST_MEMORY + _MEMORY_PER_BYTE * size, max(_LEAST_MEMORY, machine * 3 // 4))
    cpu = _LEAST_CPU_SECONDS + _CPU_SECONDS_PER_MIB * size // _MIB
    return Limits(memory_bytes=memory, result_bytes=memory, cpu_seconds=cpu, wall_seconds=2 * cpu + 10)
