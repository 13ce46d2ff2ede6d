"""Real servers on loopback for the connectors: HTTP (uvicorn), an S3-compatible store (moto), SFTP (asyncssh)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import uvicorn
import yaml
from fastapi import FastAPI

from ingest.connectors.credential import Credential
from ingest.connectors.declaration import read_connector
from ingest.connectors.memory import Memory
from ingest.connectors.pull import Pulled, Rooms, pull

LOOPBACK = ["127.0.0.0/8"]
SECRET = "s3cret-Zq8!vX"


@dataclass
class Room:
    """A data directory with connectors, and what pulling them comes to."""

    data: Path
    credentials: dict[str, Credential] = field(default_factory=dict)

    @property
    def rooms(self) -> Rooms:
        return Rooms(self.data / "inbox", self.data / "deliveries", self.data / "fetch")

    def declare(self, name: str, **values: Any) -> Path:
        path = self.data / "connectors" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        quick = {"source": "some_source", "retry_seconds": 0.01, "time_limit_seconds": 300}
        path.write_text(yaml.safe_dump(quick | values), encoding="utf-8")
        return path

    def pull(self, name: str, dry_run: bool = False) -> Pulled:
        connector = read_connector(self.data / "connectors" / f"{name}.yaml")
        return pull(connector, self.credentials.get, self.rooms, lambda files, size: None, dry_run)

    def inbox(self, source: str = "some_source") -> list[bytes]:
        """Contents of the inbox in the order in which `land` takes them."""
        folder = self.data / "inbox" / source
        return [path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")] if folder.is_dir() else []

    def leftovers(self) -> list[str]:
        return [path.name for path in (self.data / "inbox").rglob(".*")] if (self.data / "inbox").is_dir() else []

    def memory(self) -> Memory:
        return self.rooms.open_memory()


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "data")


@pytest.fixture
def serve() -> Iterator[Callable[[FastAPI], str]]:
    """A function that runs an application on a free port of loopback and gives its address."""
    with ExitStack() as stack:

        def start(app: Any) -> str:
            server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()

            def stop() -> None:
                server.should_exit = server.force_exit = True
                thread.join(300)

            stack.callback(stop)
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

        yield start


@dataclass
class Sftp:
    """A running SFTP server: where, its key, and the folder it shows."""

    port: int
    host_key: str
    folder: Path
    opened: list[str]


class _OnlyOne(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("collector", SECRET)


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[Sftp]:
    folder = tmp_path / "served"
    folder.mkdir()
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    opened: list[str] = []

    class Server(asyncssh.SFTPServer):
        def __init__(self, channel: Any) -> None:
            super().__init__(channel, chroot=str(folder).encode())

        def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
            opened.append(path.decode())
            return super().open(path, pflags, attrs)

    async def start() -> Any:
        return await asyncssh.listen("127.0.0.1", 0, server_factory=_OnlyOne, server_host_keys=[key], sftp_factory=Server)

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield Sftp(server.get_port(), key.export_public_key().decode().strip(), folder, opened)
    loop.call_soon_threadsafe(server.close)
    time.sleep(0.05)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(300)
