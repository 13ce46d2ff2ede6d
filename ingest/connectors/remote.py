"""Places behind fsspec, and SFTP through asyncssh (fsspec's own needs a library that is not among the pins)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote

import asyncssh
import botocore.exceptions
import fsspec

from ingest.connectors.address import parts_of
from ingest.connectors.credential import Credential
from ingest.connectors.declaration import FilesystemConnector
from ingest.connectors.faults import ConnectorFault, refused, unreachable
from ingest.connectors.listed import Entry

_CHUNK = 1 << 20
_TIMEOUT_S = 30
# What each filesystem calls login and password; the others call them username and password.
_NAMES = {
    "s3": ("key", "secret"),
    "s3a": ("key", "secret"),
    "oss": ("key", "secret"),
    "tos": ("key", "secret"),
    "abfs": ("account_name", "account_key"),
    "az": ("account_name", "account_key"),
}
# An object is there as a whole or not at all.
_OBJECT_STORES = {*_NAMES, "gs", "gcs", "oci"}
_STAMPS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "modified", "updated", "modify")

Answer = TypeVar("Answer")


def _is_gone(place: str) -> ConnectorFault:
    return refused("not_there", f"{place} 不存在。", f"{place} is not there.")


def _is_forbidden(place: str) -> ConnectorFault:
    return refused("forbidden", f"{place} 不允许读取，请检查凭据。", f"{place} may not be read: check the credential.")


@contextmanager
def _as_faults(place: str) -> Iterator[None]:
    """What filesystems raise, as faults. Their own words are left out: they may repeat what was sent."""
    try:
        yield
    except FileNotFoundError as error:
        raise _is_gone(place) from error
    except (PermissionError, botocore.exceptions.NoCredentialsError) as error:
        raise _is_forbidden(place) from error
    except (OSError, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        kind = type(error).__name__
        raise unreachable(f"{place} 连接失败（{kind}）。", f"{place}: the connection failed ({kind}).") from error


class FilesystemStore:
    """Any filesystem of fsspec."""

    def __init__(self, connector: FilesystemConnector, credential: Credential | None) -> None:
        self.grows = connector.protocol not in _OBJECT_STORES
        self._connector = connector
        self._filesystem: Any = _open_filesystem(connector, credential)
        self._root = str(self._filesystem._strip_protocol(connector.url)).rstrip("/")
        self._paths: dict[str, str] = {}

    def entries(self) -> Iterator[Entry]:
        # Not the library's own `find`: it takes a place that is not there, or may not be read, for an empty one.
        with _as_faults(self._connector.place):
            self._filesystem.invalidate_cache()
            listed = list(self._below(self._root))
        for path, information in listed:
            key = path.removeprefix(self._root).lstrip("/") or PurePosixPath(path).name
            self._paths[key] = path
            yield self._entry(key, information)

    def _below(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for information in self._list(folder):
            path = str(information["name"])
            if information.get("type") != "directory":
                # Stores show a folder made by hand as an object of no bytes whose name ends like a folder's.
                if not path.endswith("/"):
                    yield path, information
            elif self._connector.recursive and not information.get("islink") and path.rstrip("/") != folder:
                yield from self._below(path.rstrip("/"))

    def _list(self, folder: str) -> list[dict[str, Any]]:
        try:
            return list(self._filesystem.ls(folder, detail=True))
        except FileNotFoundError:
            if self.grows:
                raise
            # In an object store a prefix without objects is as good as empty; a bucket that is not there is not.
            self._filesystem.ls(folder.partition("/")[0], detail=True)
            return []

    def look(self, key: str) -> Entry | None:
        try:
            with _as_faults(self.place(key)):
                return self._entry(key, self._filesystem.info(self._paths[key]))
        except ConnectorFault:
            return None

    @staticmethod
    def _entry(key: str, information: dict[str, Any]) -> Entry:
        is_file = information.get("type") == "file" and not information.get("islink")
        stamp = ":".join(str(information[name]) for name in _STAMPS if information.get(name) is not None)
        return Entry(key, int(information.get("size") or 0), f"{information.get('size')}:{stamp}", is_file)

    def chunks(self, key: str) -> Iterator[bytes]:
        with _as_faults(self.place(key)), self._filesystem.open(self._paths[key], "rb", block_size=8 * _CHUNK) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    def place(self, key: str) -> str:
        return f"{self._connector.url.rstrip('/')}/{key}"


def _open_filesystem(connector: FilesystemConnector, credential: Credential | None) -> Any:
    options: dict[str, Any] = dict(connector.options)
    protocol = connector.protocol
    if credential is not None:
        login, password = _NAMES.get(protocol, ("username", "password"))
        options |= {login: credential.login, password: credential.password, **credential.extra}
    elif protocol in ("s3", "s3a"):
        # Without this the library looks for credentials in the home directory and asks the cloud's metadata address.
        options["anon"] = True
    if protocol in ("s3", "s3a"):
        options["config_kwargs"] = {"connect_timeout": _TIMEOUT_S, "read_timeout": _TIMEOUT_S, "retries": {"max_attempts": 0}}
    try:
        return fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False, **options)
    except ImportError as error:
        raise refused(
            "protocol_missing", f"缺少读取 {protocol}:// 的软件包。", f"A package that reads {protocol}:// is not installed."
        ) from error
    except (ValueError, TypeError) as error:
        raise refused(
            "protocol_unknown", f"不能打开 {protocol}://，请检查 options。", f"{protocol}:// cannot be opened: check the options."
        ) from error


class SftpStore:
    """A folder of an SFTP server whose key is known. Links are not followed; nothing there is changed."""

    grows = True

    def __init__(self, connector: FilesystemConnector, credential: Credential | None, stack: ExitStack) -> None:
        parts = parts_of(connector.url)
        self._connector = connector
        self._root = unquote(parts.path) or "/"
        self._runner = stack.enter_context(asyncio.Runner())
        self._client: asyncssh.SFTPClient | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._options = _ssh_options(connector, credential)
        stack.callback(self._close)

    def entries(self) -> Iterator[Entry]:
        yield from self._run(self._list(self._root))

    def look(self, key: str) -> Entry | None:
        try:
            return self._run(self._look(key))
        except ConnectorFault:
            return None

    def chunks(self, key: str) -> Iterator[bytes]:
        stream = self._run(self._open(key))
        try:
            while chunk := self._run(stream.read(_CHUNK)):
                yield bytes(chunk)
        finally:
            with suppress(ConnectorFault):
                self._run(stream.close())

    def place(self, key: str) -> str:
        return f"{self._connector.url.rstrip('/')}/{key}"

    def _run(self, act: Coroutine[Any, Any, Answer]) -> Answer:
        place = self._connector.place
        try:
            return self._runner.run(asyncio.wait_for(act, _TIMEOUT_S))
        except asyncssh.HostKeyNotVerifiable as error:
            raise refused(
                "host_key", f"{place} 的公钥与声明的不同，未登录。", f"{place} has another key than declared: not logged in."
            ) from error
        except (asyncssh.PermissionDenied, asyncssh.SFTPPermissionDenied, asyncssh.KeyImportError) as error:
            raise _is_forbidden(place) from error
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
            raise _is_gone(place) from error
        except (OSError, asyncssh.Error, TimeoutError) as error:
            self._close()
            kind = type(error).__name__
            raise unreachable(f"{place} 连接失败（{kind}）。", f"{place}: the connection failed ({kind}).") from error

    async def _connect(self) -> asyncssh.SFTPClient:
        if self._client is None:
            parts = parts_of(self._connector.url)
            self._connection = await asyncssh.connect(parts.hostname or "", parts.port or 22, **self._options)
            self._client = await self._connection.start_sftp_client()
        return self._client

    async def _list(self, folder: str) -> list[Entry]:
        return [entry async for entry in self._below(await self._connect(), folder)]

    async def _below(self, client: asyncssh.SFTPClient, folder: str) -> AsyncIterator[Entry]:
        async for item in client.scandir(folder):
            name, attributes = str(item.filename), item.attrs
            # A server chooses these names: one that is a path would lead out of the folder.
            if name in (".", "..") or "/" in name:
                continue
            path = f"{folder.rstrip('/')}/{name}"
            if attributes.type == asyncssh.FILEXFER_TYPE_DIRECTORY:
                if self._connector.recursive:
                    async for entry in self._below(client, path):
                        yield entry
                continue
            yield self._entry(path.removeprefix(self._path("")), attributes)

    async def _look(self, key: str) -> Entry:
        return self._entry(key, await (await self._connect()).lstat(self._path(key)))

    async def _open(self, key: str) -> Any:
        return await (await self._connect()).open(self._path(key), "rb")

    @staticmethod
    def _entry(key: str, attributes: asyncssh.SFTPAttrs) -> Entry:
        regular = attributes.type == asyncssh.FILEXFER_TYPE_REGULAR
        return Entry(key, attributes.size or 0, f"{attributes.size}:{attributes.mtime}", regular)

    def _path(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{key}"

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.abort()
        self._connection = self._client = None


def _ssh_options(connector: FilesystemConnector, credential: Credential | None) -> dict[str, Any]:
    """Nothing of this machine's own SSH set-up is used: no agent, no keys and no configuration of a home directory."""
    host = parts_of(connector.url)
    port = f"[{host.hostname}]:{host.port}" if host.port and host.port != 22 else str(host.hostname)
    options: dict[str, Any] = {
        "known_hosts": asyncssh.import_known_hosts(f"{port} {connector.host_key}\n"),
        "config": None,
        "agent_path": None,
        "client_keys": None,
        "connect_timeout": _TIMEOUT_S,
        "username": (credential.login if credential else "") or host.username or "",
    }
    if credential is not None and credential.extra.get("private_key"):
        try:
            key = asyncssh.import_private_key(credential.extra["private_key"], credential.extra.get("private_key_passphrase"))
        except asyncssh.KeyImportError as error:
            raise refused("credential_unusable", "凭据中的私钥无法读取。", "The private key of the credential cannot be read.") from error
        options["client_keys"] = [key]
    elif credential is not None:
        options["password"] = credential.password
    return options
