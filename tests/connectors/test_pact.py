"""A PACT host over real HTTP: authentication, pages, notices, and each thing that goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from ingest.connectors.credential import Credential
from ingest.connectors.pact import MOST_BARREN_PAGES

from .conftest import LOOPBACK, SECRET, Room
from .pact_host import CLIENT, MAKERS, Host, cut, data_of, error, make_host, raw

Serve = Callable[[FastAPI], str]


@pytest.fixture
def open_host(serve: Serve, room: Room) -> Callable[..., Host]:
    """A function that starts a host with some footprints and declares it as the connector `steel`."""

    def start(count: int, version: int = 3, declared: dict[str, Any] | None = None, **values: Any) -> Host:
        host = Host(version, SECRET, [MAKERS[version](number) for number in range(count)], **values)
        host.address = serve(make_host(host))
        room.credentials["steel_pcf"] = Credential(CLIENT, SECRET)
        room.declare(
            "steel", kind="pact", url=f"{host.address}/sub", version=version, credential="steel_pcf", networks=LOOPBACK, **(declared or {})
        )
        return host

    return start


@pytest.mark.parametrize("version", [2, 3])
def test_the_host_of_these_tests_answers_as_published(version: int, open_host: Callable[..., Host], room: Room, shared: Path) -> None:
    name = {2: "openapi_v2_3.yaml", 3: "openapi_v3_0.yaml"}[version]
    path = shared / "data" / "pact-pcf-schema" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    specification = yaml.safe_load(path.read_text(encoding="utf-8"))
    open_host(2, version)
    room.pull("steel")
    schema = specification["paths"][f"/{version}/footprints"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator(schema | {"components": specification["components"]})
    [page] = room.inbox()
    assert list(validator.iter_errors(json.loads(page))) == []
    assert list(validator.iter_errors({"data": [{"id": "x"}]}))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("has_document", [True, False])
def test_every_page_arrives_as_sent_and_only_once(version: int, has_document: bool, open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(5, version, page_size=2, has_document=has_document)
    pulled = room.pull("steel")
    assert (pulled.outcome, pulled.faults) == ("fetched", ())
    sent = [JSONResponse({"data": host.footprints[start : start + 2]}).body for start in (0, 2, 4)]
    assert room.inbox() == sent
    assert host.token_requests == 1
    assert room.pull("steel").outcome == "nothing_new"
    # One more at the front moves all pages; only those with something new are delivered.
    host.footprints.insert(4, MAKERS[version](99))
    again = room.pull("steel")
    assert [len(data_of(page)) for page in room.inbox()[3:]] == [2] and again.same == 2
    # The same id with other content is new.
    host.footprints[0] = host.footprints[0] | {"status": "Deprecated"}
    assert room.pull("steel").outcome == "fetched"
    assert data_of(room.inbox()[-1])[0]["status"] == "Deprecated"


def test_ten_thousand_footprints_in_pages(open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(10_000, page_size=1000, declared={"limit": 1000})
    assert room.pull("steel").outcome == "fetched"
    ids = [footprint["id"] for page in room.inbox() for footprint in data_of(page)]
    assert ids == [footprint["id"] for footprint in host.footprints] and len(room.inbox()) == 10
    assert room.pull("steel").outcome == "nothing_new"


def test_filters_go_out_as_each_version_writes_them(open_host: Callable[..., Host], room: Room) -> None:
    two = open_host(1, 2, {"filter": "updated ge '2025-01-01T00:00:00Z' and pcf/geographyCountry eq 'CN'", "limit": 7})
    room.pull("steel")
    assert two.requests[-1].endswith(
        "?limit=7&$filter=updated%20ge%20%272025-01-01T00%3A00%3A00Z%27%20and%20pcf%2FgeographyCountry%20eq%20%27CN%27"
    )
    three = open_host(1, 3, {"filter": {"geography": ["CN", "FR"], "status": "Active"}})
    room.pull("steel")
    assert three.requests[-1].endswith("?limit=500&geography=CN&geography=FR&status=Active")


# Errors


def test_an_expired_token_is_renewed_once(open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(3, page_size=1)

    def expire(request: Request) -> Response:
        host.expire()
        return error(401, "TokenExpired")(request)

    host.faults = [expire]
    assert (room.pull("steel").faults, host.token_requests, len(room.inbox())) == ((), 2, 3)
    # A token that is about to end is renewed before it does.
    host.token_life = 0
    host.footprints = [MAKERS[3](number) for number in range(10, 13)]
    assert (room.pull("steel").faults, host.token_requests) == ((), 2 + 3)


def test_a_token_that_never_holds_is_not_asked_for_without_end(open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(1)
    host.faults = [error(401, "AccessDenied")] * 50
    [fault] = room.pull("steel").faults
    assert (fault.code, fault.later, host.token_requests) == ("unauthorised", False, 2)


@pytest.mark.parametrize(
    "fault",
    [
        error(429, "Overload", **{"Retry-After": "1"}),
        error(500, "InternalError"),
        error(503, "InternalError"),
        cut(b'{"data": []}' * 99),
        raw(b'{"data": [{"id": "1"'),
    ],
)
def test_what_passes_is_tried_again(fault: Any, open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(4, page_size=2)
    host.faults = [fault]
    assert (room.pull("steel").faults, len(host.requests)) == ((), 3)
    assert [len(data_of(page)) for page in room.inbox()] == [2, 2]


def test_retry_after_is_waited_for_and_never_beyond_the_time_limit(open_host: Callable[..., Host], room: Room) -> None:
    import time

    host = open_host(1)
    host.faults = [error(429, "Overload", **{"Retry-After": "1"})]
    begun = time.monotonic()
    assert room.pull("steel").faults == () and time.monotonic() - begun >= 1
    host.faults = [error(429, "Overload", **{"Retry-After": "99999"})]
    begun = time.monotonic()
    [fault] = room.pull("steel").faults
    assert (fault.code, fault.later) == ("unreachable", True) and time.monotonic() - begun < 300


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (raw(b'{"data": [{"id": "1"'), "broken_answer"),
        (raw(b'{"data": [], "data": []}'), "broken_answer"),
        (raw(b'{"data": [{"pcf": NaN}]}'), "broken_answer"),
        (raw(b"[" * 2000), "broken_answer"),
        (raw(b'{"data": null}'), "no_data"),
        (raw(b'["data"]'), "no_data"),
        (raw(b"<html>log in</html>", "text/html"), "content_type"),
        (raw(b"x" * 3000), "too_large"),
        (error(403, "AccessDenied"), "forbidden"),
        (error(400, "NotImplemented"), "status"),
        (lambda request: Response(status_code=302, headers={"Location": "/sub/3/footprints"}), "redirect_refused"),
    ],
)
def test_what_cannot_be_used_is_refused_and_what_came_before_stays(
    fault: Any, code: str, open_host: Callable[..., Host], room: Room
) -> None:
    host = open_host(2, page_size=1, declared={"attempts": 3, "largest_bytes": 2500})
    host.faults = [lambda request: None, *[fault] * 9]
    pulled = room.pull("steel")
    assert [(found.code, found.later) for found in pulled.faults] == [(code, False)]
    assert len(room.inbox()) == 1 and room.leftovers() == []
    host.faults = []
    assert room.pull("steel").faults == () and len(room.inbox()) == 2


def test_links_in_a_circle_or_without_end_are_stopped(open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(4, page_size=2)
    host.link = lambda url: url.replace("offset=2", "offset=0")
    [fault] = room.pull("steel").faults
    assert (fault.code, fault.later, len(host.requests)) == ("link_loop", False, 2)
    # Ever new links to what was there already.
    host.requests.clear()
    host.link = lambda url: url.replace("offset=2", f"offset=0&turn={len(host.requests)}")
    [fault] = room.pull("steel").faults
    assert fault.code == "link_loop" and len(host.requests) <= MOST_BARREN_PAGES + 2
    assert len(room.inbox()) == 1


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest",
        "https://127.0.0.1/x",
        "//evil.example/3/footprints",
        "file:///etc/passwd",
        "http://[::1]:1/",
        "http://[bad/",
        "http://a:99999999/x",
    ],
)
def test_a_link_to_another_host_is_not_followed(target: str, open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(2, page_size=1)
    host.link = lambda url: target
    [fault] = room.pull("steel").faults
    assert fault.code == "other_host" and len(room.inbox()) == 1


def test_footprints_that_come_twice_are_delivered_as_the_host_said_and_known_after(open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(3, page_size=2)
    host.footprints = [
        host.footprints[0],
        host.footprints[1],
        host.footprints[1],
        host.footprints[2],
        host.footprints[0],
        host.footprints[2],
    ]
    assert [len(data_of(page)) for page in (room.pull("steel"), room.inbox())[1]] == [2, 2]
    assert room.pull("steel").outcome == "nothing_new"


def test_a_wrong_secret_is_refused_without_a_second_try(open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(1)
    room.credentials["steel_pcf"] = Credential(CLIENT, "wrong-one")
    [fault] = room.pull("steel").faults
    assert (fault.code, fault.later, host.token_requests) == ("credential_refused", False, 1)
    room.credentials.clear()
    [fault] = room.pull("steel").faults
    assert fault.code == "credential_missing" and "AIRFLOW_CONN_STEEL_PCF" in fault.message.zh


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"issuer": "{}/sub", "token_endpoint": "ftp://127.0.0.1/token"}, "token_endpoint"),
        ({"issuer": "{}/sub", "token_endpoint": "http://user@127.0.0.1/token"}, "token_endpoint"),
        ({"issuer": "http://somebody.example", "token_endpoint": "http://127.0.0.1:9/token"}, "status"),
        ({"issuer": "{}/sub", "token_endpoint": "http://10.1.2.3/token"}, "address_refused"),
    ],
)
def test_the_secret_goes_only_where_it_may(document: dict[str, str], code: str, open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(1)
    host.document = {key: value.replace("{}", host.address) for key, value in document.items()}
    [fault] = room.pull("steel").faults
    # The document of another issuer counts as none, and this host has no /auth/token.
    assert fault.code == ("not_there" if code == "status" else code) and host.token_requests == 0


def test_a_host_that_echoes_the_secret_gets_it_nowhere(open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(2, page_size=1)
    host.link = lambda url: f"http://{SECRET}.example/{host.tokens[-1]}"
    [fault] = room.pull("steel").faults
    assert fault.code == "other_host" and SECRET.lower() not in str(fault).lower() and host.tokens[-1] not in str(fault)


# Notices


def test_what_was_announced_is_fetched_by_itself_and_once(open_host: Callable[..., Host], room: Room) -> None:
    host = open_host(3)
    first, gone = host.footprints[0]["id"], "00000000-0000-0000-0000-00000000ffff"
    memory = room.memory()
    assert memory.announce("steel", "//owner", "1", [first, gone])
    assert not memory.announce("steel", "//owner", "1", [first])
    pulled = room.pull("steel")
    assert [fault.code for fault in pulled.faults] == ["not_there"]
    assert json.loads(room.inbox()[0]) == {"data": host.footprints[0]}
    assert [request for request in host.requests if first in request] == [f"/sub/3/footprints/{first}"]
    for _ in range(5):
        pulled = room.pull("steel")
    assert (pulled.faults, len(room.inbox())) == ((), 2)
    assert (memory.announced("steel"), memory.given_up("steel")) == ([], 1)
    # Announced again, it is worth trying again.
    memory.announce("steel", "//owner", "2", [gone])
    assert (memory.announced("steel"), memory.given_up("steel")) == ([gone], 0)
    memory.close()
