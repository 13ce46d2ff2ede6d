"""Keys of the reading interface: which reader a key opens. Only hashes are kept; a key is shown once, when it is made."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from warehouse.reading.files import Reader, parse_reader
from warehouse.settings import SettingsError

_CLIENT = re.compile(r"[A-Za-z0-9_-]{1,64}")
TOKEN_SECONDS = 3600


@dataclass(frozen=True)
class Client:
    """Who asks: a client's name and whose file it may read."""

    name: str
    reader: Reader


def _digest(key: str) -> str:
    # A key is 32 random bytes: there is nothing to guess, so a slow hash would only slow every request.
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> dict[str, tuple[str, Client]]:
    """Client name -> hash of its key and whose file it opens.

    Raises:
        SettingsError: the file does not say what it should, or others on this machine may read it.
    """
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise SettingsError(
            f"密钥文件须只对本人可读（chmod 600）/ the file of keys must be readable by its owner alone (chmod 600): {path}"
        )
    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    found: dict[str, tuple[str, Client]] = {}
    for name, entry in document.items():
        if not (_CLIENT.fullmatch(str(name)) and isinstance(entry, dict) and re.fullmatch(r"[0-9a-f]{64}", str(entry.get("sha256")))):
            raise SettingsError(f"密钥文件有误：{name}，{path}", f"the file of keys is wrong at {name}: {path}")
        found[str(name)] = (entry["sha256"], Client(str(name), parse_reader(str(entry.get("reader")))))
    return found


def add_key(path: Path, name: str, reader: Reader) -> str:
    """Make a key for a client, keep its hash, and give the key, which nobody can show again.

    Raises:
        SettingsError: the name cannot be used or is taken.
    """
    if not _CLIENT.fullmatch(name):
        raise SettingsError(f"客户名只用字母、数字、- 和 _：{name!r}", f"a client's name holds letters, digits, - and _ only: {name!r}")
    known = read_keys(path)
    if name in known:
        raise SettingsError(f"已有客户 {name}：{path}", f"there is a client {name} already: {path}")
    key = secrets.token_urlsafe(32)
    document = {known_name: {"reader": _named(client), "sha256": digest} for known_name, (digest, client) in known.items()}
    document[name] = {"reader": _named(Client(name, reader)), "sha256": _digest(key)}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        yaml.safe_dump(document, stream, allow_unicode=True, sort_keys=True)
    temporary.replace(path)
    return key


def _named(client: Client) -> str:
    reader = client.reader
    return reader.kind if reader.member is None else f"{reader.kind}_{reader.member}"


class Doorkeeper:
    """Tells clients by their keys, or by tokens that it gave for them; the file of keys is read again when it changes."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._secret = secrets.token_bytes(32)  # tokens end with the process
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str, tuple[str, Client]] = {}

    def _known(self) -> dict[str, tuple[str, Client]]:
        stamp = (self._path.stat().st_mtime_ns, self._path.stat().st_ino) if self._path.exists() else None
        if stamp != self._stamp:
            self._keys = read_keys(self._path)
            self._stamp = stamp
        return self._keys

    def by_key(self, key: str, name: str | None = None) -> Client | None:
        """The client of a key (of that name, where one is given). Every entry is compared, each in constant time."""
        given, found = _digest(key), None
        for known_name, (digest, client) in self._known().items():
            if hmac.compare_digest(given, digest) and name in (None, known_name):
                found = client
        return found

    def give_token(self, client: Client) -> str:
        """A token for an hour, signed; it stops to hold when the client's key is taken away."""
        body = f"{client.name}:{self._known()[client.name][0][:16]}:{int(self._now()) + TOKEN_SECONDS}"
        return base64.urlsafe_b64encode(f"{body}:{self._sign(body)}".encode()).decode().rstrip("=")

    def by_token(self, token: str) -> Client | None:
        """The client of a token.

        Raises:
            TokenExpired: it was one, and its time is over.
        """
        try:
            text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        except (binascii.Error, ValueError):
            return None
        body, _, signature = text.rpartition(":")
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return None
        name, mark, until = body.split(":")
        entry = self._known().get(name)
        if entry is None or not hmac.compare_digest(entry[0][:16], mark):
            return None
        if int(until) < self._now():
            raise TokenExpired
        return entry[1]

    def _sign(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()


class TokenExpired(Exception):
    """A token whose hour is over."""


class Pace:
    """A bound on requests per client: a bucket that refills evenly. What is over it is told when to come back."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait_seconds(self, name: str) -> float:
        """0 where the request may pass now, else the seconds until the next one may."""
        level, last = self._buckets.get(name, (self._size, self._now()))
        moment = self._now()
        level = min(self._size, level + (moment - last) * self._size / 60)
        if level < 1:
            self._buckets[name] = (level, moment)
            return (1 - level) * 60 / self._size
        self._buckets[name] = (level - 1, moment)
        return 0.0
