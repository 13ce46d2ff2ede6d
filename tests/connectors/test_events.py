"""The listener over real HTTP: who may tell, what is an event, and that a notice is kept before it is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml
from fastapi import FastAPI

from ingest.connectors.credential import Credential
from ingest.connectors.declaration import PactConnector
from ingest.connectors.events import LARGEST_EVENT_BYTES, TOKEN_SECONDS, Doorkeeper, make_app

from .conftest import SECRET, Room

PF = "079e425a-464f-528d-341d-4a944a1dfd70"
TYPES = {2: "org.wbcsd.pathfinder.ProductFootprint.Published.v1", 3: "org.wbcsd.pact.ProductFootprint.PublishedEvent.3"}
FULFILLED = "org.wbcsd.pact.ProductFootprint.RequestFulfilledEvent.3"
REJECTED = "org.wbcsd.pact.ProductFootprint.RequestRejectedEvent.3"
CREATED = "org.wbcsd.pact.ProductFootprint.RequestCreatedEvent.3"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def owner(room: Room, clock: Clock, serve: Callable[[FastAPI], str]) -> httpx.Client:
    """A client that is the host of the connector `steel` (version 3); `copper` (version 2) has another password."""
    shared = {"kind": "pact", "source": "some_source", "credential": "c", "event_credential": "e", "url": "https://pcf.example.org"}
    connectors = {name: PactConnector(name=name, version=version, **shared) for name, version in (("steel", 3), ("copper", 2))}
    doorkeeper = Doorkeeper({"steel": Credential("owner", SECRET), "copper": Credential("owner", "another-one")}, clock)
    address = serve(make_app(connectors, doorkeeper, room.data / "fetch" / "memory.sqlite"))
    return httpx.Client(base_url=address, trust_env=False)


def get_token(owner: httpx.Client, password: str = SECRET) -> str:
    answer = owner.post("/auth/token", data={"grant_type": "client_credentials"}, auth=("owner", password))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def make_event(version: int = 3, **values: Any) -> dict[str, Any]:
    event = {"type": TYPES[version], "specversion": "1.0", "id": "1", "source": "//owner/events", "time": "2025-05-31T17:31:00Z"}
    return event | {"data": {"pfIds": [PF]}} | values


def tell(
    owner: httpx.Client, event: Any, token: str, version: int = 3, kind: str = "application/cloudevents+json; charset=UTF-8"
) -> httpx.Response:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return owner.post(f"/{version}/events", content=body, headers={"Content-Type": kind, "Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(("version", "name", "password"), [(3, "steel", SECRET), (2, "copper", "another-one")])
def test_what_is_published_waits_to_be_fetched(version: int, name: str, password: str, owner: httpx.Client, room: Room) -> None:
    token = get_token(owner, password)
    answer = tell(owner, make_event(version, data={"pfIds": [PF.upper(), PF]}), token, version)
    assert (answer.status_code, answer.content) == (200, b"")
    # Owners repeat what they think was lost.
    assert tell(owner, make_event(version), token, version).status_code == 200
    memory = room.memory()
    assert {other: memory.announced(other) for other in ("steel", "copper")} == {"steel": [], "copper": []} | {name: [PF]}
    memory.close()


@pytest.mark.parametrize("version", [2, 3])
def test_our_events_are_as_published(version: int, shared: Path) -> None:
    path = shared / "data" / "pact-pcf-schema" / {2: "openapi_v2_3.yaml", 3: "openapi_v3_0.yaml"}[version]
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    components = yaml.safe_load(path.read_text(encoding="utf-8"))["components"]
    validator = jsonschema.Draft202012Validator(components["schemas"]["PublishedEvent"] | {"components": components})
    assert list(validator.iter_errors(make_event(version))) == []
    assert list(validator.iter_errors(make_event(version, type="x")))


def test_the_answers_to_requests_are_taken(owner: httpx.Client, room: Room) -> None:
    token = get_token(owner)
    fulfilled = make_event(type=FULFILLED, id="2", data={"requestEventId": "r", "pfs": [{"id": PF, "specVersion": "3.0.0"}]})
    rejected = make_event(type=REJECTED, id="3", data={"requestEventId": "r", "error": {"code": "NotFound", "message": "no"}})
    assert [tell(owner, event, token).status_code for event in (fulfilled, rejected)] == [200, 200]
    memory = room.memory()
    assert memory.announced("steel") == [PF]
    memory.close()


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (b"", "BadRequest"),
        (b"[]", "BadRequest"),
        (b'{"id": "1", "id": "2"}', "BadRequest"),
        (b"[" * 10_000, "BadRequest"),
        (make_event(specversion="0.3"), "BadRequest"),
        (make_event(specversion=1.0), "BadRequest"),
        (make_event(type="org.example.other"), "BadRequest"),
        (make_event(type=TYPES[2]), "BadRequest"),
        (make_event(id=""), "BadRequest"),
        (make_event(id=7), "BadRequest"),
        (make_event(source="x" * 1001), "BadRequest"),
        (make_event(time="yesterday"), "BadRequest"),
        (make_event(time=None), "BadRequest"),
        (make_event(data=None), "BadRequest"),
        (make_event(data={"pfIds": []}), "BadRequest"),
        (make_event(data={"pfIds": ["../../etc/passwd"]}), "BadRequest"),
        (make_event(data={"pfIds": [PF, 1]}), "BadRequest"),
        (make_event(data={"pfIds": PF}), "BadRequest"),
        (make_event(type=FULFILLED, data={"requestEventId": "r", "pfs": [{"specVersion": "3.0.0"}]}), "BadRequest"),
        (make_event(type=CREATED, data={"productId": ["x"]}), "NotImplemented"),
    ],
)
def test_what_is_no_event_is_refused(event: Any, code: str, owner: httpx.Client, room: Room) -> None:
    answer = tell(owner, event, get_token(owner))
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    memory = room.memory()
    assert memory.announced("steel") == []
    memory.close()


def test_other_types_versions_and_sizes_are_refused(owner: httpx.Client) -> None:
    token = get_token(owner)
    assert tell(owner, make_event(), token, kind="application/json").status_code == 400
    assert tell(owner, make_event(2), token, version=2).status_code == 400
    assert tell(owner, b" " * (LARGEST_EVENT_BYTES + 1), token).status_code == 413
    assert owner.get("/3/footprints", headers={"Authorization": f"Bearer {token}"}).json()["code"] == "NotImplemented"
    assert [owner.get(path).status_code for path in ("/docs", "/openapi.json", "/")] == [404] * 3


def test_nobody_is_let_in_without_the_password(owner: httpx.Client, clock: Clock) -> None:
    grant = {"grant_type": "client_credentials"}
    for auth in (None, ("owner", "wrong"), ("owner", ""), ("", ""), ("other", SECRET)):
        answer = owner.post("/auth/token", data=grant, auth=auth)
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert owner.post("/auth/token", data={"grant_type": "password"}, auth=("owner", SECRET)).status_code == 400
    for token in ("-", "x", SECRET):
        answer = tell(owner, make_event(), token)
        assert (answer.status_code, answer.json()["code"]) == (401, "AccessDenied")
    token = get_token(owner)
    clock.now += TOKEN_SECONDS
    answer = tell(owner, make_event(), token)
    assert (answer.status_code, answer.json()["code"], answer.headers["WWW-Authenticate"]) == (401, "TokenExpired", "Bearer")
    assert tell(owner, make_event(), get_token(owner)).status_code == 200
