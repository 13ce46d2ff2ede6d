"""Only regular files are taken, within a limit, and their bytes are kept once."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from ingest.delivery import is_stable, is_waiting_file, receive_bytes
from ingest.faults import FileRefused

LIMIT = 1 << 20


def refuse(path: Path, store: Path, code: str = "unsafe", limit: int = LIMIT) -> None:
    """The refusal must come at once: a reader that hangs on a pipe would hang here too, so it runs beside the test."""
    caught: list[BaseException] = []

    def attempt() -> None:
        try:
            receive_bytes(path, store, limit)
        except FileRefused as refusal:
            caught.append(refusal)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(300)
    assert not thread.is_alive(), "receiving hangs"
    (refusal,) = caught
    assert isinstance(refusal, FileRefused)
    assert refusal.code == code
    assert refusal.message.zh != refusal.message.en
    assert not store.exists() or not [kept for kept in store.rglob("*") if kept.is_file()]


def test_a_file_is_kept_by_its_hash_once(tmp_path: Path) -> None:
    data = "合成示范\n".encode() * 1000
    (tmp_path / "a.csv").write_bytes(data)
    (tmp_path / "b.csv").write_bytes(data)
    store = tmp_path / "deliveries"
    first = receive_bytes(tmp_path / "a.csv", store, LIMIT)
    second = receive_bytes(tmp_path / "b.csv", store, LIMIT)
    assert first == second
    assert first.delivery_id == hashlib.sha256(data).hexdigest()
    assert first.path == store / first.delivery_id[:2] / first.delivery_id
    assert first.path.read_bytes() == data
    assert first.path.stat().st_mode & 0o222 == 0, "what was received is never changed"
    assert [path for path in store.rglob("*") if path.is_file()] == [first.path]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside the inbox")
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "secret")
    refuse(link, tmp_path / "deliveries")
    dangling = tmp_path / "dangling.csv"
    dangling.symlink_to(tmp_path / "nowhere")
    refuse(dangling, tmp_path / "deliveries")


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    refuse(tmp_path / "pipe.csv", tmp_path / "deliveries")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    refuse(tmp_path / "folder.csv", tmp_path / "deliveries")


def test_a_device_is_not_read(tmp_path: Path) -> None:
    refuse(Path("/dev/zero"), tmp_path / "deliveries")


def test_a_socket_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.csv")
        refuse(Path("s.csv"), tmp_path / "deliveries")


def test_a_file_beyond_the_limit_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b"x" * 101)
    refuse(path, tmp_path / "deliveries", "too_large", limit=100)
    path.write_bytes(b"x" * 100)
    assert receive_bytes(path, tmp_path / "deliveries", 100).size == 100


def test_a_missing_file_is_refused_and_not_a_crash(tmp_path: Path) -> None:
    refuse(tmp_path / "gone.csv", tmp_path / "deliveries", "unreadable")


def test_names_that_are_not_finished_are_left_alone() -> None:
    taken = ["a.csv", "合成.CSV", "x.parquet", "no_ending", "a.part.csv"]
    left = ["a.csv.part", "a.PART", "x.tmp", "x.crdownload", "~$book.xlsx", ".hidden"]
    assert [name for name in taken if not is_waiting_file(Path(name))] == []
    assert [name for name in left if is_waiting_file(Path(name))] == []


def test_a_growing_file_is_not_stable(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a")
    assert is_stable(path, wait_seconds=0)
    timer = threading.Timer(0.05, lambda: path.write_text("a,b\n"))
    timer.start()
    assert not is_stable(path, wait_seconds=0.5)
    timer.join()
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert is_stable(path, wait_seconds=60)
