"""Run one side in a process of its own: its whole time and the most memory it and its children held at once."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.stopwatch import Span, read_clocks

ROOT = Path(__file__).parent.parent
SAMPLE_SECONDS = 0.05


class ChildFailed(RuntimeError):
    """A measured process did not finish; carries the end of what it said."""


@dataclass(frozen=True)
class Run:
    """What a child said on its standard output, and what it took. `peak_bytes`: resident memory of its tree, pages they share counted in each."""

    said: str
    whole: Span
    peak_bytes: int


def _resident_bytes(process: psutil.Process) -> int:
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


class _Watcher(threading.Thread):
    """Looks at a tree of processes twenty times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            try:
                self.peak_bytes = max(self.peak_bytes, _resident_bytes(self._process))
            except psutil.NoSuchProcess:
                return

    def stop(self) -> int:
        self._over.set()
        self.join()
        return self.peak_bytes


def _clean_environment(more: dict[str, str]) -> dict[str, str]:
    """This process's environment without settings of the pipeline, which would make two runs differ."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TANLIAN_")} | more


def run_child(command: Sequence[str], environment: dict[str, str] | None = None) -> Run:
    """Run a command in the checkout to its end.

    Raises:
        ChildFailed: its exit code was not 0.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        begun = read_clocks()
        with subprocess.Popen(
            command, cwd=ROOT, env=_clean_environment(environment or {}), stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process:
            watcher = _Watcher(process.pid)
            watcher.start()
            said, _ = process.communicate()
            peak = watcher.stop()
        whole = read_clocks() - begun
        if process.returncode != 0:
            errors.seek(0)
            raise ChildFailed(f"{' '.join(command)}: {process.returncode}\n" + "\n".join(errors.read().splitlines()[-20:]))
    return Run(said, whole, peak)
