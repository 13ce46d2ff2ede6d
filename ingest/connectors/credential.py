"""A login and its secret, in the form Airflow keeps connections in; never shown, not even by `repr`."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ingest.connectors.faults import ConnectorFault, refused

# A short value that is blotted out everywhere would blot out ordinary words as well.
_SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Credential:
    """What a connection holds; `extra` are its further values, e.g. a private key."""

    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    extra: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must stand nowhere: in no output, file or message. Longest first, since one may hold another."""
        values = {self.password, *self.extra.values()}
        return tuple(sorted((value for value in values if len(value) >= _SHORTEST_SECRET), key=len, reverse=True))

    @property
    def basic(self) -> str:
        """The header of Basic authentication (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.login}:{self.password}".encode()).decode("ascii")


def _unusable(name: str) -> ConnectorFault:
    return refused(
        "credential_unusable",
        f"凭据 {name} 既不是 JSON 也不是连接地址。",
        f"The credential {name} is neither JSON nor a connection's address.",
    )


def _as_text(values: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {}


def parse_credential(name: str, text: str) -> Credential:
    """A credential from JSON (`{"login": …, "password": …, "extra": {…}}`) or from an address (`type://login:password@`).

    Raises:
        ConnectorFault: it is neither; the message says nothing of what was found.
    """
    if text.lstrip().startswith("{"):
        try:
            values = json.loads(text)
            extra = values.get("extra") or {}
            extra = json.loads(extra) if isinstance(extra, str) else extra
        except json.JSONDecodeError:
            raise _unusable(name) from None
        return Credential(str(values.get("login") or ""), str(values.get("password") or ""), _as_text(extra))
    try:
        parts = urlsplit(text)
        extra = dict(parse_qsl(parts.query))
        login, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        raise _unusable(name) from None
    if not parts.scheme:
        raise _unusable(name)
    return Credential(login, password, _as_text(extra))
