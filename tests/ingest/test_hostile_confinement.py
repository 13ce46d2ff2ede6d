"""What reads a delivery is alone: it opens no file, reaches no network, starts and stops nobody, and its end is nobody else's."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from ingest.confinement import ConfinementBroken, client, limits_for, read_confined
from ingest.confinement.exchange import read_result, write_refusal, write_table
from ingest.confinement.limits import Limits
from ingest.confinement.restrict import forbid_everything_else, limit_resources
from ingest.contract import Message
from ingest.faults import FileRefused
from ingest.readers import RawTable

SMALL = b"a,b\n1,2\n"
MIB = 1 << 20
FEW = Limits(memory_bytes=256 * MIB, result_bytes=MIB, cpu_seconds=2, wall_seconds=5)
ROOT = Path(__file__).parents[2]

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux")


def in_child(act: Callable[[], object], limits: Limits = FEW) -> int:
    """Run something in a confined child: 0 when it could, 1 when it was not allowed, minus a signal when it was ended."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            limit_resources(limits)
            forbid_everything_else()
            act()
            code = 0
        except (OSError, MemoryError):
            code = 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.fixture
def locks() -> None:
    """Both locks hold here; where the kernel lacks one, `client` warns, and limits on memory and time are what is left."""
    read_confined(SMALL)
    assert client._KEEPER._process is not None
    if client._KEEPER._process.held != {"landlock", "seccomp"}:
        pytest.skip(f"this kernel confines by {client._KEEPER._process.held or 'limits alone'}")


@needs_linux
@pytest.mark.parametrize("made", ["file", "folder", "link"])
@pytest.mark.usefixtures("locks")
def test_nothing_is_read_or_written_outside(made: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    acts: dict[str, list[Callable[[], object]]] = {
        "file": [(tmp_path / "secret").read_text, (tmp_path / "new").touch, lambda: (tmp_path / "secret").write_text("y")],
        "folder": [(tmp_path / "new").mkdir, lambda: list(tmp_path.iterdir()), lambda: list(ROOT.iterdir())],
        "link": [
            lambda: (tmp_path / "l").symlink_to("/"),
            (tmp_path / "secret").unlink,
            lambda: (tmp_path / "secret").rename(tmp_path / "s"),
        ],
    }
    assert [in_child(act) for act in acts[made]] == [1] * len(acts[made])
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").read_text() == "x"


@needs_linux
@pytest.mark.usefixtures("locks")
def test_no_network_no_program_no_process_no_signal() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        acts: list[Callable[[], object]] = [
            lambda: socket.create_connection(listener.getsockname(), timeout=1),
            lambda: socket.socket(socket.AF_UNIX),
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            lambda: os.execv("/bin/true", ["true"]),
            os.fork,
            lambda: os.posix_spawn("/bin/true", ["true"], {}),
            lambda: os.kill(sleeper.pid, signal.SIGKILL),
            lambda: os.kill(os.getppid(), 0),
            os.setsid,
            (Path("/proc") / str(os.getpid()) / "environ").read_bytes,
        ]
        assert [in_child(act) for act in acts] == [1] * len(acts)
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()
        listener.close()


def test_memory_time_and_result_are_bounded(tmp_path: Path) -> None:
    def spin() -> None:
        while True:
            pass

    # Asked of the kernel: `bytearray` may be given what earlier tests left free in this process's heap.
    assert in_child(lambda: mmap.mmap(-1, 400 * MIB)) == 1
    assert in_child(lambda: mmap.mmap(-1, 100 * MIB)) == 0
    assert in_child(spin) == -signal.SIGXCPU
    with (tmp_path / "out").open("wb") as out:
        assert in_child(lambda: [out.write(bytes(MIB)) for _ in range(3)]) in (1, -signal.SIGXFSZ)
    assert (tmp_path / "out").stat().st_size <= MIB


@needs_linux
def test_threads_are_still_there_for_who_reads() -> None:
    def use_thread() -> None:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()

    assert in_child(use_thread) == 0


def test_a_small_file_gets_what_is_promised_and_a_large_one_its_share() -> None:
    small, large = limits_for(700_000), limits_for(2 << 30)
    assert small.memory_bytes < 1 << 30
    assert small.wall_seconds <= 60
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert small.memory_bytes < large.memory_bytes <= machine
    assert large.cpu_seconds > 1000


def patched(monkeypatch: pytest.MonkeyPatch, limits: Limits) -> None:
    monkeypatch.setattr(client, "limits_for", lambda size: limits)


def test_a_reading_that_takes_too_long_ends_as_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real work against a limit it cannot keep: by the CPU's clock, and by the wall's."""
    slow = b"a,b\n" + b'"1","2"\n' * 6_000_000
    for limits in (Limits(1 << 31, 1 << 31, 1, 50), Limits(1 << 31, 1 << 31, 60, 0)):
        patched(monkeypatch, limits)
        with pytest.raises(FileRefused) as refused:
            read_confined(b"".join([b'{"a":1,"b":2}\n'] * 1_500_000) if limits.cpu_seconds == 1 else slow)
        assert refused.value.code == "unsafe"
        assert "time" in refused.value.message.en
    monkeypatch.undo()
    assert read_confined(SMALL).row_count == 1


def test_a_busy_machine_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that works is waited for beyond the clock's limit; one that stands still is ended."""
    lines = b"".join([b'{"a":1,"b":2}\n'] * 1_500_000)
    patched(monkeypatch, Limits(1 << 31, 1 << 31, 20, 2))
    read_confined(SMALL)
    assert client._KEEPER._process is not None
    server = psutil.Process(client._KEEPER._process.process.pid)
    refused: list[FileRefused] = []

    def read() -> None:
        try:
            read_confined(lines)
        except FileRefused as refusal:
            refused.append(refusal)

    thread = threading.Thread(target=read)
    thread.start()
    while not (children := server.children()):
        time.sleep(0.01)
    children[0].suspend()
    thread.join(600)
    assert [refusal.code for refusal in refused] == ["unsafe"]
    assert read_confined(lines).row_count == 1_500_000


def test_a_result_beyond_its_limit_ends_as_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    patched(monkeypatch, Limits(1 << 30, 1 << 16, 20, 50))
    with pytest.raises(FileRefused) as refused:
        read_confined(b"a,b\n" + b"1,2\n" * 100_000)
    assert refused.value.code == "unsafe"


def test_the_reading_process_may_be_killed_and_the_next_file_is_read() -> None:
    read_confined(SMALL)
    assert client._KEEPER._process is not None
    killed = client._KEEPER._process.process.pid
    os.kill(killed, signal.SIGKILL)
    table = read_confined(SMALL)
    assert table.row_count == 1
    assert client._KEEPER._process.process.pid != killed


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_a_child_ended_from_outside_is_no_verdict_on_the_file(name: str) -> None:
    """A task that is stopped ends its children first: the file must wait for another run, not be refused."""
    read_confined(SMALL)
    assert client._KEEPER._process is not None
    server = psutil.Process(client._KEEPER._process.process.pid)
    caught: list[BaseException] = []

    def read() -> None:
        try:
            read_confined(b"".join([b'{"a":1,"b":2}\n'] * 2_000_000))
        except ConfinementBroken as error:
            caught.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    deadline = time.monotonic() + 300
    while not (children := server.children()) and time.monotonic() < deadline:
        time.sleep(0.01)
    children[0].send_signal(getattr(signal, name))
    thread.join(600)
    assert len(caught) == 1
    assert read_confined(SMALL).row_count == 1


def test_many_threads_share_one_reading_process() -> None:
    counts: list[int] = []
    threads = [threading.Thread(target=lambda n=n: counts.append(read_confined(b"a,b\n" + b"1,2\n" * n).row_count)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == list(range(1, 9))


def test_a_forked_process_reads_by_itself() -> None:
    """Airflow forks its tasks: a child must not speak into its parent's conversation."""
    read_confined(SMALL)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if read_confined(SMALL).row_count == 1 else 1
            client._KEEPER.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert read_confined(SMALL).row_count == 1


def test_nothing_is_left_running_when_the_program_ends_or_is_killed() -> None:
    program = (
        "import os, sys; from ingest.confinement import client, read_confined; read_confined(b'a,b\\n1,2\\n');"
        "print(client._KEEPER._process.process.pid, flush=True); sys.stdin.read()"
    )
    for kill in (False, True):
        started = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert started.stdout is not None
        reader = int(started.stdout.readline())
        if kill:
            started.kill()
        started.communicate()
        deadline = time.monotonic() + 300
        while _is_running(reader) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _is_running(reader)


def _is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_no_credential_of_the_environment_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANLIAN_SECRET_FOR_TEST", "hush")
    client._KEEPER.close()
    read_confined(SMALL)
    assert client._KEEPER._process is not None
    assert b"hush" not in Path(f"/proc/{client._KEEPER._process.process.pid}/environ").read_bytes()


def test_what_comes_back_is_checked(tmp_path: Path) -> None:
    """A result that is cut, or whose text is none, is no result."""
    path = tmp_path / "result"
    table = RawTable(
        ["a\ud83d", "b"], [pa.chunked_array([["x", "合成"]]), pa.chunked_array([["", "y"]])], {"n": "1"}, pa.array([2, 3], pa.int32())
    )
    with path.open("wb") as out:
        write_table(table, out)

    def read_back() -> RawTable:
        with path.open("rb") as stream:
            return read_result(stream.fileno())

    found = read_back()
    assert (found.headers, found.notes) == (table.headers, table.notes)
    assert [column.to_pylist() for column in found.columns] == [["x", "合成"], ["", "y"]]
    assert found.places is not None and found.places.to_pylist() == [2, 3]
    whole = path.read_bytes()
    for damaged in (b"", whole[:-20], whole.replace("合成".encode(), b"\xff" * 6)):
        path.write_bytes(damaged)
        with pytest.raises((pa.ArrowInvalid, OSError)):
            read_back()
    with path.open("wb") as out:
        write_refusal(FileRefused("unsafe", Message("中", "en")), out)
    with pytest.raises(FileRefused, match="中"):
        read_back()


@needs_linux
def test_a_reader_that_breaks_down_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real server with a reader that reads address zero: a segmentation fault is about the file, not about the program."""
    client._KEEPER.close()
    crash = ROOT / "tests" / "ingest" / "broken_reader.py"
    monkeypatch.setattr(client, "_SERVER", [str(crash)])
    with pytest.raises(FileRefused) as refused:
        read_confined(SMALL)
    assert refused.value.code == "unreadable"
    assert ctypes.sizeof(ctypes.c_void_p) > 0
    monkeypatch.undo()
    client._KEEPER.close()
    assert read_confined(SMALL).row_count == 1
