"""Asking Airflow over HTTP when it is late, and when it is not there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from warehouse import airflow_client
from warehouse.airflow_client import AirflowClient
from warehouse.airflow_home import AirflowError
from warehouse.airflow_server import Airflow

PATIENCE_S = 0.3


class Late(BaseHTTPRequestHandler):
    """Hands out a token, and answers the first question for runs only after the asker's patience has ended."""

    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.asked.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.asked.count(self.path) == 1 and self.path != "/auth/token":
            time.sleep(2 * PATIENCE_S)
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        self.wfile.write(b'{"access_token": "t"}')

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("p", encoding="ascii")
    return path


@pytest.fixture
def late(password_file: Path, tmp_path: Path) -> Iterator[Airflow]:
    Late.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Airflow(f"http://127.0.0.1:{server.server_port}", server.server_port, {}, "u", password_file, tmp_path)
        finally:
            server.shutdown()
            thread.join()


def test_a_late_answer_is_asked_for_again(late: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_client, "TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr(airflow_client, "POLL_S", 0.01)
    with AirflowClient(late) as client:
        client.start_run("land_enterprise")
    assert Late.asked == ["/auth/token", *["/api/v2/dags/land_enterprise/dagRuns"] * 2]


def test_nobody_there_is_said_at_once(password_file: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    gone = Airflow(f"http://127.0.0.1:{port}", port, {}, "u", password_file, tmp_path)
    with pytest.raises(AirflowError, match="cannot be reached"), AirflowClient(gone):
        pass
