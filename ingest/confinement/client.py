"""The side of the process that judges: start the reading process once, hand it a file, make a table or a refusal of what comes back."""

from __future__ import annotations

import atexit
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from ingest.confinement.exchange import read_result
from ingest.confinement.limits import MOST_WAITS, Limits, limits_for
from ingest.contract import Message
from ingest.faults import FileRefused, unreadable
from ingest.inert import visible_line
from ingest.readers import RawTable

log = logging.getLogger(__name__)

_START_SECONDS = 60
_GRACE_SECONDS = 15
_LARGEST_MESSAGE = 1 << 16
_OUT_OF_MEMORY, _NO_ROOM = 3, 5
# Ends that come from outside and say nothing about the file; SIGKILL does where the CPU's limit was not reached.
_INTERRUPTED = (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, -signal.SIGKILL)
_SERVER = ["-m", "ingest.confinement.server"]
_WANTED = {"landlock", "seccomp"}


class ConfinementBroken(RuntimeError):
    """The reading process cannot be started, or was ended from outside: nothing is said about the file, which is judged another time."""


class _ReadingProcess:
    """One reading process and the socket to it."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Nothing of the environment but where modules lie: credentials have no business where hostile bytes are read.
        environment = {
            "PYTHONPATH": os.pathsep.join(str(Path(path or ".").absolute()) for path in sys.path),
            "PYTHONUTF8": "1",
            "ARROW_DEFAULT_MEMORY_POOL": "system",  # the other pools reserve address space by the gigabyte
            "MALLOC_ARENA_MAX": "2",
        }
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, *_SERVER, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
            )
        self.held = set(self._receive(_START_SECONDS).get("held", ()))
        for name in sorted(_WANTED - self.held):
            log.warning("This system lacks %s: what is read is confined by limits on memory and time, and by what else there is", name)

    def _receive(self, seconds: float) -> dict[str, Any]:
        self.socket.settimeout(seconds)
        message = self.socket.recv(_LARGEST_MESSAGE)
        if not message:
            raise ConfinementBroken(f"the reading process ended: {self._take_errors()}")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _take_errors(self) -> str:
        """What was said on the standard error since the last time, for the log."""
        handle = self._errors.fileno()
        said = os.pread(handle, _LARGEST_MESSAGE, max(0, os.fstat(handle).st_size - _LARGEST_MESSAGE))
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        return visible_line(said.decode("utf-8", "replace").strip())

    def ask(self, request: dict[str, Any], given: int, result: int) -> dict[str, Any]:
        socket.send_fds(self.socket, [json.dumps(request).encode()], [given, result])
        answer = self._receive(request["limits"]["wall_seconds"] * (MOST_WAITS + 1) + _GRACE_SECONDS)
        if answer["exit"]:
            log.warning("A reading ended with %s: %s", answer["exit"], self._take_errors())
        return answer

    def close(self) -> None:
        """Let go of the process; end it, with all that it started, where this is the process that started it."""
        self.socket.close()
        self._errors.close()
        if self.owner == os.getpid():
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class _Keeper:
    """Keeps one reading process per process that reads, whichever thread asks, and starts another when it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: _ReadingProcess | None = None

    def forget(self) -> None:
        """In a forked process: the parent's reading process is the parent's."""
        self._lock = threading.Lock()
        if self._process is not None:
            self._process.socket.close()
            self._process = None

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def ask(self, request: dict[str, Any], given: int, result: int) -> dict[str, Any]:
        """How the child ended.

        Raises:
            ConfinementBroken: the reading process cannot be started, or was lost twice.
        """
        with self._lock:
            for _ in range(2):
                if self._process is None:
                    self._process = _ReadingProcess()
                try:
                    return self._process.ask(request, given, result)
                except (OSError, ConfinementBroken) as error:
                    log.warning("The reading process was lost: %s", error)
                    self.close()
                    os.lseek(given, 0, os.SEEK_SET)
                    os.ftruncate(result, 0)
                    os.lseek(result, 0, os.SEEK_SET)
        raise ConfinementBroken("the reading process was lost twice")


_KEEPER = _Keeper()
os.register_at_fork(after_in_child=_KEEPER.forget)
atexit.register(_KEEPER.close)


def _open_given(data: bytes | Path) -> IO[bytes]:
    """The delivery as an open file: its own where it is one, else a file in memory."""
    if isinstance(data, Path):
        return os.fdopen(os.open(data, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    stream = os.fdopen(os.memfd_create("delivery"), "w+b")
    stream.write(data)
    stream.flush()
    stream.seek(0)
    return stream


def _too_large() -> FileRefused:
    return FileRefused(
        "unsafe",
        Message(
            "读取本文件所需内存超过限制：文件展开后过大，或表外有零散单元格。请删去无关内容或分成几个文件。",
            "Reading the file needs more memory than is allowed: it expands too far, or stray cells lie far from the table. Delete them, or split the file.",
        ),
    )


def _refusal(answer: dict[str, Any], limits: Limits) -> FileRefused:
    """What a reading that ended badly says about the file.

    Raises:
        ConfinementBroken: it says nothing.
    """
    ended, spent = answer["exit"], answer["cpu_seconds"] >= limits.cpu_seconds
    if not answer["in_time"] or ended == -signal.SIGXCPU or (ended == -signal.SIGKILL and spent):
        return FileRefused(
            "unsafe",
            Message(
                f"读取本文件超过了时限（{limits.cpu_seconds} 秒），已中止。请精简或分成几个文件后重报。",
                f"Reading the file took more than the time allowed ({limits.cpu_seconds} s) and was stopped: simplify or split it and deliver again.",
            ),
        )
    if ended in (_OUT_OF_MEMORY, -signal.SIGXFSZ, -signal.SIGABRT):
        return _too_large()
    if ended == _NO_ROOM:
        raise ConfinementBroken("no room left on the disk for what was read")
    if ended in _INTERRUPTED:
        raise ConfinementBroken(f"reading was ended from outside by signal {-ended}")
    return _broken_down()


def _broken_down() -> FileRefused:
    return unreadable(
        "文件使读取程序异常中止，可能已损坏。请用原软件重新另存后报送。",
        "The file broke the program that reads it and may be damaged: save it again in the program it comes from and deliver again.",
    )


def read_confined(
    data: bytes | Path, sheet_names: tuple[str, ...] = (), documents: tuple[str, ...] = (), work: Path | None = None
) -> RawTable:
    """Read a delivery as `ingest.readers.read` does, in a process of its own that may take no more than `limits_for` its size.

    Args:
        data: the bytes, or the regular file that holds them.
        sheet_names: names of the sheet that is meant, should it be a workbook.
        documents: kinds of JSON document that the source accepts.
        work: where the result is kept while it is used; it has no name there and leaves nothing behind.

    Raises:
        FileRefused: what the reader refused; `unsafe` where it took too much, `unreadable` where it broke down.
        ConfinementBroken: the reading process cannot be started.
    """
    with _open_given(data) as given, tempfile.TemporaryFile(dir=work) as result:
        limits = limits_for(os.fstat(given.fileno()).st_size)
        request = {"limits": limits.as_dict(), "sheet_names": sheet_names, "documents": documents}
        answer = _KEEPER.ask(request, given.fileno(), result.fileno())
        log.debug("read in a process of its own: %s", answer, extra={"reading": answer})
        if answer["exit"] != 0:
            raise _refusal(answer, limits)
        try:
            return read_result(result.fileno())
        except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
            raise _broken_down() from error
