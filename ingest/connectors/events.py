"""Where PACT hosts tell us that footprints were published: Action Authenticate and Action Events, as a data recipient offers them.

An event is only a notice. What it names is fetched from the host that the connector declares, never from what the event says; the notice
is on disk before it is answered. Specification: PACT Technical Specifications 2.3 and 3.0; CloudEvents 1.0 in structured JSON.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from ingest.connectors.credential import Credential
from ingest.connectors.declaration import PactConnector
from ingest.connectors.memory import Memory
from ingest.faults import FileRefused
from ingest.readers import strict_json

log = logging.getLogger(__name__)

LARGEST_EVENT_BYTES = 1 << 20
TOKEN_SECONDS = 3600
MOST_TOKENS = 1000

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})", re.IGNORECASE)
_PUBLISHED, _FULFILLED, _REJECTED, _CREATED = "published", "fulfilled", "rejected", "created"
_TYPES: dict[int, dict[str, str]] = {
    2: {
        "org.wbcsd.pathfinder.ProductFootprint.Published.v1": _PUBLISHED,
        "org.wbcsd.pathfinder.ProductFootprintRequest.Fulfilled.v1": _FULFILLED,
        "org.wbcsd.pathfinder.ProductFootprintRequest.Rejected.v1": _REJECTED,
        "org.wbcsd.pathfinder.ProductFootprintRequest.Created.v1": _CREATED,
    },
    3: {
        "org.wbcsd.pact.ProductFootprint.PublishedEvent.3": _PUBLISHED,
        "org.wbcsd.pact.ProductFootprint.RequestFulfilledEvent.3": _FULFILLED,
        "org.wbcsd.pact.ProductFootprint.RequestRejectedEvent.3": _REJECTED,
        "org.wbcsd.pact.ProductFootprint.RequestCreatedEvent.3": _CREATED,
    },
}


class _Refusal(Exception):
    """A request that is answered with an Error object of the specification."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def answer(self) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else None
        return JSONResponse({"code": self.code, "message": self.message}, self.status, headers)


def _bad(message: str) -> _Refusal:
    return _Refusal(400, "BadRequest", message)


@dataclass(frozen=True)
class Notice:
    """What an event tells."""

    kind: str
    source: str
    event_id: str
    items: tuple[str, ...]


class Doorkeeper:
    """Which host may tell us something: client credentials for a token, the token for an event. Tokens live in memory, as hashes."""

    def __init__(self, credentials: Mapping[str, Credential], clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._clock = clock
        self._tokens: dict[str, tuple[str, float]] = {}

    def give_token(self, authorization: str) -> str | None:
        """A new token for the connector whose credential this is; None for nobody's."""
        login, password = _basic(authorization)
        found = None
        # All are compared, so that the time says nothing of which one was nearly right.
        for name, credential in self._credentials.items():
            same_login = hmac.compare_digest(credential.login.encode(), login.encode())
            same_password = hmac.compare_digest(credential.password.encode(), password.encode())
            if same_login and same_password and credential.password:
                found = name
        if found is None:
            return None
        now = self._clock()
        self._tokens = {token: entry for token, entry in self._tokens.items() if entry[1] > now - TOKEN_SECONDS}
        while len(self._tokens) >= MOST_TOKENS:
            self._tokens.pop(next(iter(self._tokens)))
        token = secrets.token_urlsafe(32)
        self._tokens[_digest(token)] = (found, now + TOKEN_SECONDS)
        return token

    def name_of(self, authorization: str) -> str:
        """The connector whose host sends this.

        Raises:
            _Refusal: no token, nobody's, or one that has ended.
        """
        kind, _, token = authorization.partition(" ")
        entry = self._tokens.get(_digest(token.strip())) if kind.lower() == "bearer" else None
        if entry is None:
            raise _Refusal(401, "AccessDenied", "a valid access token is needed")
        if entry[1] <= self._clock():
            raise _Refusal(401, "TokenExpired", "the access token has expired")
        return entry[0]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _basic(authorization: str) -> tuple[str, str]:
    kind, _, text = authorization.partition(" ")
    try:
        plain = base64.b64decode(text.strip(), validate=True).decode("utf-8") if kind.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        plain = ""
    login, _, password = plain.partition(":")
    return unquote(login), unquote(password)


def read_event(body: bytes, version: int) -> Notice:
    """What an event tells, once its envelope is what CloudEvents and the specification ask for.

    Raises:
        _Refusal: it is not, or asks for what a data recipient does not do.
    """
    try:
        event = strict_json.parse(body)
    except FileRefused as refusal:
        raise _bad(refusal.message.en) from refusal
    if not isinstance(event, dict):
        raise _bad("an event is a JSON object")
    for name in ("type", "specversion", "id", "source"):
        value = event.get(name)
        if type(value) is not str or not 0 < len(value) <= 1000:
            raise _bad(f"{name}: a text is needed")
    if event["specversion"] != "1.0":
        raise _bad("specversion: 1.0 is needed")
    kind = _TYPES[version].get(event["type"])
    if kind is None:
        raise _bad("type: no event of this version")
    moment, data = event.get("time"), event.get("data")
    # Version 2 leaves the time of the two answers to a request open.
    if not (moment is None and version == 2 and kind in (_FULFILLED, _REJECTED)) and not (
        type(moment) is str and _INSTANT.fullmatch(moment)
    ):
        raise _bad("time: an RFC 3339 instant is needed")
    if not isinstance(data, dict):
        raise _bad("data: an object is needed")
    if kind == _CREATED:
        raise _Refusal(400, "NotImplemented", "this system is a data recipient: it publishes no footprints")
    return Notice(kind, event["source"], event["id"], _named(data, kind))


def _named(data: dict[str, Any], kind: str) -> tuple[str, ...]:
    """Ids of the footprints an event names."""
    if kind == _REJECTED:
        return ()
    listed = data.get("pfIds") if kind == _PUBLISHED else data.get("pfs")
    if not isinstance(listed, list) or (kind == _PUBLISHED and not listed):
        raise _bad("data: a list of footprints is needed")
    ids = [item.get("id") if isinstance(item, dict) else item for item in listed]
    named = [item.lower() for item in ids if type(item) is str]
    if len(named) < len(ids) or not all(_UUID.fullmatch(item) for item in named):
        raise _bad("data: a footprint's id is a UUID")
    return tuple(dict.fromkeys(named))


def make_app(connectors: Mapping[str, PactConnector], doorkeeper: Doorkeeper, memory: Path) -> FastAPI:
    """The ASGI application; nothing of it describes itself to strangers."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.post("/auth/token")
    async def authenticate(request: Request) -> Response:
        body = await _read(request, 4096)
        if parse_qs(body.decode("ascii", "replace")).get("grant_type") != ["client_credentials"]:
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        token = doorkeeper.give_token(request.headers.get("Authorization", ""))
        if token is None:
            return JSONResponse({"error": "invalid_client"}, 401, {"WWW-Authenticate": "Basic"})
        answer = {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS}
        return JSONResponse(answer, 200, {"Cache-Control": "no-store"})

    @app.post("/{version}/events")
    async def take(request: Request, version: str) -> Response:
        # First who it is: nothing of a stranger's body is read.
        connector = connectors[doorkeeper.name_of(request.headers.get("Authorization", ""))]
        if version != str(connector.version):
            raise _bad(f"events of version {connector.version} are taken")
        if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/cloudevents+json":
            raise _bad("content type application/cloudevents+json is needed")
        notice = read_event(await _read(request, LARGEST_EVENT_BYTES), connector.version)
        is_new = await run_in_threadpool(_keep, memory, connector.name, notice)
        log.info("%s: %s event, %d footprints%s", connector.name, notice.kind, len(notice.items), "" if is_new else ", known")
        return Response(status_code=200)

    @app.api_route("/{version}/footprints", methods=["GET"])
    @app.api_route("/{version}/footprints/{item}", methods=["GET"])
    async def list_footprints(request: Request) -> Response:
        doorkeeper.name_of(request.headers.get("Authorization", ""))
        raise _Refusal(400, "NotImplemented", "this system is a data recipient: it publishes no footprints")

    @app.exception_handler(_Refusal)
    async def refuse(request: Request, refusal: _Refusal) -> Response:
        return refusal.answer()

    return app


async def _read(request: Request, largest: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise _Refusal(413, "BadRequest", f"at most {largest} bytes are taken")
    return bytes(body)


def _keep(path: Path, connector: str, notice: Notice) -> bool:
    memory = Memory(path)
    try:
        return memory.announce(connector, notice.source, notice.event_id, notice.items)
    finally:
        memory.close()
