"""The server's bookkeeping without a server: secrets, ports and process numbers."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import psutil
import pytest

from dashboards import server
from dashboards.errors import DashboardError


def write_record(data_dir: Path, created: float) -> Path:
    record = data_dir / "superset" / "server.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"pid": os.getpid(), "port": 8088, "created": created}), encoding="utf-8")
    return record


def test_start_without_the_environment_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DashboardError) as caught:
        server.start(tmp_path, tmp_path / "no-venv", 8088)
    assert "make install" in caught.value.text("en")
    assert "找不到" in caught.value.text("zh")


def test_start_on_a_taken_port_leaves_the_other_program_alone(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(DashboardError, match="is taken"):
            server.start(tmp_path / "data", tmp_path / "venv", other.getsockname()[1])


def test_secrets_are_made_once_for_the_owner_only(tmp_path: Path) -> None:
    first = server._make_home(tmp_path)
    kept = {name: (first.folder / name).read_text(encoding="ascii") for name in ("secret_key", "admin_password")}
    again = server._make_home(tmp_path)
    for name, secret in kept.items():
        assert (again.folder / name).read_text(encoding="ascii") == secret
        assert len(secret) >= 24
        assert stat.S_IMODE((again.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(first.folder.stat().st_mode) == 0o700
    assert kept != {name: (server._make_home(tmp_path / "other").folder / name).read_text(encoding="ascii") for name in kept}


@pytest.mark.parametrize("weak", ["short", "a" * 64, "thisISaSECRET_key" * 4, "\u00e9" * 64])
def test_a_weak_secret_is_refused_and_left_for_a_person_to_delete(tmp_path: Path, weak: str) -> None:
    home = tmp_path / "superset"
    home.mkdir()
    (home / "secret_key").write_text(weak, encoding="utf-8")
    with pytest.raises(DashboardError, match="too weak") as caught:
        server._make_home(tmp_path)
    assert weak not in caught.value.text("en") and "太弱" in caught.value.text("zh")
    assert (home / "secret_key").read_text(encoding="utf-8") == weak


def test_record_of_a_reused_number_stops_nobody(tmp_path: Path) -> None:
    """This process has the recorded number, but began at another time: it must survive."""
    record = write_record(tmp_path, created=psutil.Process().create_time() - 1000)
    assert server.find(tmp_path) is None
    assert server.stop(tmp_path) is False
    assert not record.exists()


def test_record_of_a_living_process_is_found(tmp_path: Path) -> None:
    write_record(tmp_path, created=psutil.Process().create_time())
    found = server.find(tmp_path)
    assert found is not None
    assert (found.url, found.pid) == ("http://127.0.0.1:8088", os.getpid())


def test_stop_where_nothing_ever_ran_is_no_fault(tmp_path: Path) -> None:
    assert server.stop(tmp_path) is False
