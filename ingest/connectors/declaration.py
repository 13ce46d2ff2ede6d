"""The typed view of a connector's YAML: which source it feeds, from where, how often, and the name of its credential. Never a secret.

One file, one connector, named after the file. A key nobody knows is refused: a misspelt limit must not pass as no limit.
"""

from __future__ import annotations

import ipaddress
import re
from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml
from pydantic import Field, StringConstraints

from ingest.connectors.address import origin_of, parts_of
from ingest.contract import Message

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# Not here although fsspec knows them: what lives in memory, wraps another filesystem, runs code or has a connector of its own.
REFUSED_PROTOCOLS = frozenset(
    {"memory", "reference", "dir", "cached", "blockcache", "filecache", "simplecache", "generic", "data", "asynclocal", "async_wrapper"}
    | {"asyncwrapper", "dask", "dvc", "zip", "tar", "libarchive", "root", "git", "github", "gist", "jupyter", "jlab", "pyscript"}
    | {"http", "https", "local", "wandb"}
)

CredentialName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]


class DeclarationError(ValueError):
    """A connector's YAML that cannot be used; names the file, the key and what was expected."""

    def __init__(self, path: Path, message: Message) -> None:
        self.message = Message(f"{path.name}：{message.zh}", f"{path.name}: {message.en}")
        super().__init__(f"{self.message.zh} / {self.message.en}")


class _Wrong(ValueError):
    """A value a validator refuses, with the sentence in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.message = Message(zh, en)


class _Declared(pydantic.BaseModel):
    """What every connector says.

    Attributes:
        layout: name of the layout the files are read by; recognised by their headers when absent.
        credential: id of the Airflow connection that holds login and password.
        every_minutes: how long a pull stays fresh; asked by hand, a connector is always pulled.
        largest_bytes: of one file or page.
        time_limit_seconds: of one pull as a whole.
        attempts, retry_seconds: how often one request is tried, and the first pause, which doubles with jitter.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=rf"^{NAME.pattern}$")]
    source: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    layout: str | None = None
    credential: CredentialName | None = None
    every_minutes: Annotated[int, Field(ge=1, strict=True)] = 60
    largest_bytes: Annotated[int, Field(ge=1, strict=True)] = 1024**3
    time_limit_seconds: Annotated[float, Field(gt=0, le=86_400)] = 900.0
    attempts: Annotated[int, Field(ge=1, le=20, strict=True)] = 5
    retry_seconds: Annotated[float, Field(gt=0, le=300)] = 1.0

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it fetches from, as may be shown."""


class _Listed(_Declared):
    """A connector that lists files and takes those it has not had.

    Attributes:
        pattern: shell pattern that a file's path below the folder must match; without a slash it is matched against the name.
        settle_seconds: a file counts as whole when two looks this far apart see the same size and time.
    """

    pattern: str = "*"
    recursive: bool = False
    settle_seconds: Annotated[float, Field(ge=0, le=3_600)] = 2.0


class FolderConnector(_Listed):
    """A folder of this machine that others write into. It may be read-only: nothing is moved, what was taken is remembered."""

    kind: Literal["folder"]
    path: Path

    @property
    def place(self) -> str:
        return str(self.path)

    @pydantic.field_validator("path")
    @classmethod
    def _check_path(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise _Wrong("应为绝对路径", "expected an absolute path")
        return path

    @pydantic.field_validator("credential")
    @classmethod
    def _check_credential(cls, credential: str | None) -> str | None:
        if credential is not None:
            raise _Wrong("本机文件夹不用凭据", "a folder of this machine takes no credential")
        return credential


class FilesystemConnector(_Listed):
    """Any place that fsspec reaches, and SFTP.

    Attributes:
        options: what the filesystem needs beside the credential, e.g. `endpoint_url` of an object store; never a secret.
        host_key: the SFTP server's public key as one line (`ssh-ed25519 AAAA…`); without it no password is sent.
    """

    kind: Literal["filesystem"]
    url: str
    options: dict[str, str | int | bool] = {}
    host_key: str | None = None

    @property
    def protocol(self) -> str:
        return self.url.partition("://")[0]

    @property
    def place(self) -> str:
        return self.url

    @pydantic.field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        protocol, mark, rest = url.partition("://")
        if not mark or not rest or "::" in url:
            raise _Wrong("应为 <协议>://<位置>", "expected <protocol>://<place>")
        if protocol in REFUSED_PROTOCOLS:
            raise _Wrong(f"不能从 {protocol}:// 取文件", f"files are not fetched from {protocol}://")
        _refuse_user(url)
        return url

    @pydantic.field_validator("options")
    @classmethod
    def _check_options(cls, options: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
        for name in options:
            if re.search("secret|passw|token|^key$|account_key|credential|sas", name, re.IGNORECASE):
                raise _Wrong(f"“{name}”是密钥，应放在凭据中", f"{name} is a secret: it belongs into the credential")
        return options

    @pydantic.model_validator(mode="after")
    def _check_host_key(self) -> FilesystemConnector:
        if self.protocol in ("sftp", "ssh") and not self.host_key:
            raise _Wrong(
                "SFTP 需要 host_key（服务器公钥），否则密码可能交给他人", "SFTP needs host_key, else the password may go to anybody"
            )
        return self


class _Web(_Declared):
    """A connector that speaks HTTP.

    Attributes:
        networks: private networks it may reach, e.g. `10.1.0.0/16`; others than these and the public internet are never connected to.
        ca_file: certificates to trust in place of the system's.
    """

    networks: tuple[str, ...] = ()
    ca_file: Path | None = None

    @pydantic.field_validator("networks")
    @classmethod
    def _check_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise _Wrong(f"“{network}”不是网段", f"{network!r} is no network") from error
        return networks


class FeedConnector(_Web):
    """Files at fixed addresses, which change or appear there."""

    kind: Literal["feed"]
    urls: Annotated[tuple[str, ...], Field(min_length=1)]

    @property
    def place(self) -> str:
        return ", ".join(origin_of(url) for url in self.urls)

    @pydantic.field_validator("urls")
    @classmethod
    def _check_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            _check_web(url)
        return urls

    @pydantic.model_validator(mode="after")
    def _check_secrecy(self) -> FeedConnector:
        if self.credential and not self.networks and not all(url.startswith("https://") for url in self.urls):
            raise _Wrong("凭据只经 https 发送", "a credential is sent by https only")
        return self


class PactConnector(_Web):
    """A host of the PACT network (versions 2 and 3 of its technical specifications).

    Attributes:
        url: host and subpath; `/2/footprints` or `/3/footprints` is added.
        auth_url: host and subpath of authentication, where they differ.
        credential: client id and client secret.
        filter: version 2, an OData expression; version 3, its query parameters.
        limit: footprints of one page, as asked for.
        event_credential: login and password with which the host sends us events; without it none are taken from it.
    """

    kind: Literal["pact"]
    url: str
    version: Literal[2, 3]
    credential: CredentialName
    auth_url: str | None = None
    filter: str | dict[str, str | list[str]] | None = None
    limit: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 500
    largest_bytes: Annotated[int, Field(ge=1, le=256 * 1024**2, strict=True)] = 64 * 1024**2
    event_credential: CredentialName | None = None

    @property
    def place(self) -> str:
        return origin_of(self.url)

    @pydantic.field_validator("url", "auth_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is not None:
            _check_web(url)
            if parts_of(url).query or parts_of(url).fragment:
                raise _Wrong("地址不应带查询", "the address should have no query")
        return url.rstrip("/") if url else url

    @pydantic.model_validator(mode="after")
    def _check_version(self) -> PactConnector:
        if self.filter is not None and isinstance(self.filter, str) != (self.version == 2):
            raise _Wrong(
                "filter：版本 2 为 OData 表达式，版本 3 为查询参数",
                "filter: an OData expression in version 2, query parameters in version 3",
            )
        # The specification asks for https; a private network that the deployment names may do without.
        if not self.networks and not all(url.startswith("https://") for url in (self.url, self.auth_url) if url):
            raise _Wrong("密钥只经 https 发送", "a client secret is sent by https only")
        return self


Connector = FolderConnector | FilesystemConnector | FeedConnector | PactConnector
_KINDS: dict[str, type[Connector]] = {
    "folder": FolderConnector,
    "filesystem": FilesystemConnector,
    "feed": FeedConnector,
    "pact": PactConnector,
}


def _refuse_user(url: str) -> None:
    authority = parts_of(url).netloc
    if "@" in authority and ":" in authority.rpartition("@")[0]:
        raise _Wrong("地址中有密码，应放在凭据中", "the address holds a password: it belongs into the credential")


def _check_web(url: str) -> None:
    parts = parts_of(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _Wrong("应为 http:// 或 https:// 地址", "expected an http:// or https:// address")
    if "@" in parts.netloc:
        raise _Wrong("地址中有用户名，应放在凭据中", "the address holds a user name: it belongs into the credential")


def _describe(fault: Any) -> Message:
    """One fault of pydantic's in both languages."""
    place = ".".join(str(part) for part in fault["loc"]) or "-"
    if fault["type"] == "extra_forbidden":
        return Message(f"不认识的键“{place}”", f"unknown key {place!r}")
    if fault["type"] == "missing":
        return Message(f"缺少“{place}”", f"{place!r} is missing")
    wrong = fault.get("ctx", {}).get("error")
    if isinstance(wrong, _Wrong):
        return Message(f"“{place}”：{wrong.message.zh}", f"{place}: {wrong.message.en}")
    return Message(f"“{place}”的值不合要求（{fault['msg']}）", f"{place}: {fault['msg']}")


def read_connector(path: Path) -> Connector:
    """The connector of one YAML file.

    Raises:
        DeclarationError: no YAML, an unknown or missing key, or a value that cannot hold; every fault is named.
    """
    try:
        document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DeclarationError(path, Message("不是可读的 YAML", "not YAML that can be read")) from error
    if not isinstance(document, dict):
        raise DeclarationError(path, Message("应为键与值", "expected keys and values"))
    if "name" in document:
        raise DeclarationError(path, Message("连接器以文件名为名，不写 name", "a connector is named after its file: no name in it"))
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        known = ", ".join(_KINDS)
        raise DeclarationError(path, Message(f"kind 应为 {known} 之一", f"kind: expected one of {known}"))
    try:
        return _KINDS[kind].model_validate(document | {"name": path.stem})
    except pydantic.ValidationError as error:
        faults = [_describe(fault) for fault in error.errors(include_url=False, include_input=False)]
        message = Message("；".join(fault.zh for fault in faults), "; ".join(fault.en for fault in faults))
        raise DeclarationError(path, message) from error


def read_connectors(folder: Path) -> dict[str, Connector]:
    """Connectors of a deployment by name, sorted; none where there is no such folder.

    Raises:
        DeclarationError: as `read_connector`; the first file that cannot be used stops it.
    """
    if not folder.is_dir():
        return {}
    found = (read_connector(path) for path in sorted(folder.glob("*.yaml")))
    return {connector.name: connector for connector in found}
