"""The process that keeps the readers loaded and forks one child per file, so that each file meets a clean process at the cost of a fork.

Started by `client` with one socket as its only way out. It never reads a delivery itself: it passes the two open files on, waits, and
says how the child ended. It ends with the process that started it.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from ingest.confinement.exchange import write_refusal, write_table
from ingest.confinement.limits import MOST_WAITS, Limits
from ingest.confinement.restrict import forbid_everything_else, limit_resources
from ingest.faults import FileRefused
from ingest.readers import load_all, read

LARGEST_MESSAGE = 1 << 16
OUT_OF_MEMORY, BROKEN, NO_ROOM = 3, 4, 5  # exit codes of a child
_MOST_THREADS = 4


class _WithoutPandas(MetaPathFinder):
    """Arrow loads pandas at its first array if it is there; no reader needs it, and each child would load it anew."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def _warm_up() -> None:
    """Load what a reader would otherwise load on its first file, once for all children."""
    sys.meta_path.insert(0, _WithoutPandas())
    load_all()
    pa.array([""])
    for encoding in ("gb18030", "utf-16-le", "utf-16-be", "idna"):
        "".encode(encoding)
    gc.collect()
    gc.freeze()
    gc.disable()  # a child lives for one file, and no reader makes cycles


def _read_one(request: dict[str, Any], given: int, result: int) -> int:
    """In the child: confine, read, write the result; the exit code."""
    limit_resources(Limits(**request["limits"]))
    pa.set_cpu_count(min(_MOST_THREADS, os.cpu_count() or 1))
    forbid_everything_else()
    with os.fdopen(given, "rb") as source, os.fdopen(result, "wb") as out:
        try:
            table = read(source.read(), tuple(request["sheet_names"]), tuple(request["documents"]))
        except FileRefused as refusal:
            write_refusal(refusal, out)
        except (MemoryError, pa.ArrowMemoryError):
            return OUT_OF_MEMORY
        else:
            write_table(table, out)
    return 0


def _run_child(request: dict[str, Any], given: int, result: int) -> None:
    """The whole life of a child; whatever happens, it ends here."""
    code = BROKEN
    try:
        code = _read_one(request, given, result)
    except MemoryError:
        code = OUT_OF_MEMORY
    except OSError as error:
        code = {errno.EFBIG: OUT_OF_MEMORY, errno.ENOSPC: NO_ROOM, errno.EDQUOT: NO_ROOM}.get(error.errno or 0, BROKEN)
        traceback.print_exc()
    except BaseException:
        traceback.print_exc()  # nothing above would
        raise
    finally:
        os._exit(code)


def _read_cpu_seconds(child: int) -> float:
    fields = Path(f"/proc/{child}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait(child: int, limits: dict[str, int], parent: socket.socket) -> bool:
    """Whether a child ends in time; false, too, where the process that asked is gone.

    The clock's limit is for a child that hangs. One that works is waited for again, until its limit of CPU time ends it: on a busy
    machine a sound file must not be refused because others had the processor.
    """
    handle = os.pidfd_open(child)
    worked = 0.0
    try:
        while True:
            ready, _, _ = select.select([handle, parent.fileno()], [], [], limits["wall_seconds"])
            if ready:
                return handle in ready
            before, worked = worked, _read_cpu_seconds(child)
            if worked - before < limits["cpu_seconds"] / MOST_WAITS:
                return False
    finally:
        os.close(handle)


def _handle(request: dict[str, Any], given: int, result: int, parent: socket.socket) -> dict[str, Any]:
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        parent.close()
        _run_child(request, given, result)
    in_time = _wait(child, request["limits"], parent)
    if not in_time:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    return {
        "in_time": in_time,
        "exit": os.waitstatus_to_exitcode(status),
        "seconds": round(time.monotonic() - started, 3),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_bytes": usage.ru_maxrss * 1024,
    }


def _probe() -> tuple[str, ...]:
    """What this kernel will hold a child to, found out by a child that is thrown away."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, ",".join(forbid_everything_else()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        held = stream.read()
    os.waitpid(child, 0)
    return tuple(name for name in held.split(",") if name)


def serve(handle: int) -> None:
    """Answer requests until the other side is gone."""
    parent = socket.socket(fileno=handle)
    _warm_up()
    parent.send(json.dumps({"held": _probe()}).encode())
    while True:
        message, files, _, _ = socket.recv_fds(parent, LARGEST_MESSAGE, 2)
        if not message:
            return
        given, result = files
        answer = _handle(json.loads(message), given, result, parent)
        for file in files:
            os.close(file)
        parent.send(json.dumps(answer).encode())


if __name__ == "__main__":
    serve(int(sys.argv[1]))
