"""HTTP files over a real server: unchanged files are not sent again, cut ones continue, and nothing leads elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

from ingest.connectors.address import safe_name
from ingest.connectors.credential import Credential
from ingest.connectors.web import may_reach

from .conftest import LOOPBACK, SECRET, Room

Serve = Callable[[FastAPI], str]


@dataclass
class Site:
    """Files by path; `cuts` says after how many bytes the next answers break."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    has_ranges: bool = True
    has_tags: bool = True
    has_times: bool = False

    def make(self) -> FastAPI:
        app = FastAPI()

        @app.get("/{path:path}")
        async def give(request: Request, path: str) -> Response:
            self.asked.append(dict(request.headers))
            if path in self.redirects:
                return Response(status_code=302, headers={"Location": self.redirects[path]})
            if path not in self.files:
                return Response(status_code=404)
            body = self.files[path]
            headers = dict(self.headers)
            etag, modified = f'"{hashlib.sha256(body).hexdigest()[:16]}"', "Wed, 01 Oct 2025 08:00:00 GMT"
            if self.has_tags:
                headers["ETag"] = etag
            if self.has_times:
                headers["Last-Modified"] = modified
            is_same = self.has_tags and request.headers.get("If-None-Match") == etag
            if is_same or (self.has_times and request.headers.get("If-Modified-Since") == modified):
                return Response(status_code=304, headers=headers)
            status, start = 200, 0
            wanted = request.headers.get("Range", "")
            if (
                wanted
                and self.has_ranges
                and request.headers.get("If-Range") in (etag if self.has_tags else "-", modified if self.has_times else "-")
            ):
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                status = 206
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            headers["Content-Length"] = str(len(body) - start)
            end = start + self.cuts.pop(0) if self.cuts else len(body)

            async def pieces() -> Any:
                for place in range(start, end, 1000):
                    yield body[place : min(place + 1000, end)]
                if end < len(body):
                    await asyncio.sleep(0.02)

            return StreamingResponse(pieces(), status, headers, headers.pop("Content-Type", "text/csv"))

        return app


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def address(site: Site, serve: Serve) -> str:
    return serve(site.make())


def declare(room: Room, *urls: str, **values: Any) -> None:
    room.declare("bulletin", kind="feed", urls=list(urls), **({"networks": LOOPBACK} | values))


@pytest.mark.parametrize(("has_tags", "has_times"), [(True, False), (False, True), (False, False)])
def test_a_file_is_fetched_when_it_changed(has_tags: bool, has_times: bool, room: Room, site: Site, address: str) -> None:
    site.has_tags, site.has_times = has_tags, has_times
    site.files["latest.csv"] = b"one"
    declare(room, f"{address}/latest.csv?key=hidden")
    first = room.pull("bulletin")
    assert (first.outcome, room.inbox()) == ("fetched", [b"one"])
    assert first.files[0].place == f"{address}/latest.csv" and first.files[0].original_name == "latest.csv"
    again = room.pull("bulletin")
    # Without any validator the bytes themselves say that nothing is new.
    assert (again.outcome, len(room.inbox()), again.same) == ("nothing_new", 1, 0 if has_tags or has_times else 1)
    if not has_times:
        site.files["latest.csv"] = b"two"
        assert (room.pull("bulletin").outcome, room.inbox()) == ("fetched", [b"one", b"two"])
    assert room.leftovers() == []


def test_a_cut_download_continues_where_it_was_cut(room: Room, site: Site, address: str) -> None:
    site.files["large.csv"] = body = bytes(range(256)) * 400
    site.cuts = [50_000, 20_000]
    declare(room, f"{address}/large.csv")
    assert room.pull("bulletin").faults == ()
    assert room.inbox() == [body]
    begun = [int(asked["range"][6:-1]) for asked in site.asked[1:]]
    assert len(begun) == 2 and 0 < begun[0] <= 50_000 and begun[0] < begun[1] <= 70_000
    assert {asked["if-range"] for asked in site.asked[1:]} == {f'"{hashlib.sha256(body).hexdigest()[:16]}"'}


def test_a_download_cut_for_good_continues_the_next_time(room: Room, site: Site, address: str) -> None:
    site.files["large.csv"] = body = bytes(range(256)) * 400
    site.cuts = [50_000, 0, 0]
    declare(room, f"{address}/large.csv", attempts=3)
    [fault] = room.pull("bulletin").faults
    assert (fault.code, fault.later, room.inbox(), len(room.leftovers())) == ("unreachable", True, [], 1)
    site.asked.clear()
    assert room.pull("bulletin").faults == () and room.inbox() == [body]
    assert "range" in site.asked[0] and room.leftovers() == []
    assert room.pull("bulletin").outcome == "nothing_new"
    assert "if-none-match" in site.asked[-1]


@pytest.mark.parametrize("has_ranges", [True, False])
def test_a_file_that_changed_between_is_fetched_anew(has_ranges: bool, room: Room, site: Site, address: str) -> None:
    site.has_ranges = has_ranges
    site.files["large.csv"] = b"old" * 20_000
    site.cuts = [50_000]
    declare(room, f"{address}/large.csv", attempts=1)
    assert room.pull("bulletin").faults
    site.files["large.csv"] = b"new" * 20_000
    assert room.pull("bulletin").faults == () and room.inbox() == [b"new" * 20_000]


def test_a_weak_tag_or_none_continues_nothing(room: Room, site: Site, address: str) -> None:
    site.has_tags = False
    site.headers["ETag"] = 'W/"1"'
    site.files["large.csv"] = b"x" * 60_000
    site.cuts = [50_000]
    declare(room, f"{address}/large.csv")
    assert room.pull("bulletin").faults == () and room.inbox() == [b"x" * 60_000]
    assert "range" not in site.asked[1]


@pytest.mark.parametrize("has_length", [True, False])
def test_a_file_beyond_the_limit_is_refused_whether_or_not_it_says_so(
    has_length: bool, room: Room, site: Site, address: str, serve: Serve
) -> None:
    app = FastAPI()

    @app.get("/endless.csv")
    async def endless() -> Response:
        async def pieces() -> Any:
            for _ in range(100_000):
                yield b"x" * 1000

        headers = {"Content-Length": "100000000"} if has_length else {}
        return StreamingResponse(pieces(), 200, headers, "text/csv")

    declare(room, f"{serve(app)}/endless.csv", f"{address}/good.csv", largest_bytes=100_000)
    site.files["good.csv"] = b"good"
    pulled = room.pull("bulletin")
    assert [(fault.code, fault.later) for fault in pulled.faults] == [("too_large", False)]
    assert room.inbox() == [b"good"]
    assert sum(path.stat().st_size for path in (room.data / "inbox").rglob(".*")) == 0


@pytest.mark.parametrize(
    ("header", "original"),
    [
        ('attachment; filename="../../etc/cron.d/x.csv"', "../../etc/cron.d/x.csv"),
        ("attachment; filename*=UTF-8''%e6%8a%a5%e4%bb%b7%2F..%2F%00.csv; filename=plain.csv", "报价/../\x00.csv"),
        ('attachment; filename="=HYPERLINK(\\"x\\").csv"', '=HYPERLINK("x").csv'),
        ("attachment; filename=.bashrc", ".bashrc"),
        ("attachment; filename=", "latest.csv"),
        ('inline; filename="' + "a" * 500 + '.csv"', "a" * 500 + ".csv"),
        ("\"';;;=filename", "latest.csv"),
    ],
)
def test_a_hostile_name_stays_text(header: str, original: str, room: Room, site: Site, address: str) -> None:
    site.headers["Content-Disposition"] = header
    site.files["latest.csv"] = b"x"
    declare(room, f"{address}/latest.csv")
    [file] = room.pull("bulletin").files
    assert file.original_name == original
    [path] = [path for path in room.data.rglob("*") if path.is_file() and path.read_bytes() == b"x"]
    assert path.parent == room.data / "inbox" / "some_source" and path.name == file.file and len(path.name) < 190
    assert file.file.endswith(f"_{safe_name(original)}")


def test_a_web_page_is_no_file(room: Room, site: Site, address: str) -> None:
    site.headers["Content-Type"] = "text/html; charset=utf-8"
    site.files["latest.csv"] = b"<html>log in</html>"
    declare(room, f"{address}/latest.csv")
    assert [fault.code for fault in room.pull("bulletin").faults] == ["web_page"]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("ftp://127.0.0.1/x", "redirect_refused"),
        ("file:///etc/passwd", "redirect_refused"),
        ("http://127.0.0.1:99999999/x", "unreachable"),
        ("http:///x", "status"),
        ("https://127.0.0.1/x", "redirect_refused"),
        ("http://169.254.169.254/latest/meta-data", "address_refused"),
        ("http://10.0.0.1/x", "address_refused"),
        ("http://[::1]/x", "address_refused"),
        ("http://[::ffff:10.0.0.1]/x", "address_refused"),
        ("http://0.0.0.0/x", "address_refused"),
        ("/moved.csv", "redirect_loop"),
    ],
)
def test_a_redirect_leads_nowhere_it_may_not(target: str, code: str, room: Room, site: Site, address: str) -> None:
    site.redirects = {"latest.csv": target, "moved.csv": "/moved.csv"}
    declare(room, f"{address}/latest.csv", attempts=1)
    assert [fault.code for fault in room.pull("bulletin").faults] == [code]


def test_a_redirect_within_what_is_allowed_is_followed(room: Room, site: Site, address: str) -> None:
    site.redirects = {"latest.csv": "/2026/today.csv"}
    site.files["2026/today.csv"] = b"x"
    declare(room, f"{address}/latest.csv")
    assert room.pull("bulletin").outcome == "fetched"


def test_a_credential_goes_to_its_host_and_to_no_other(room: Room, site: Site, address: str, serve: Serve) -> None:
    elsewhere = Site(files={"y.csv": b"y"})
    site.redirects = {"x.csv": f"{serve(elsewhere.make())}/y.csv", "w.csv": "/z.csv"}
    site.files["z.csv"] = b"z"
    for credential, header in ((Credential("me", SECRET), "Basic bWU6"), (Credential("", SECRET), f"Bearer {SECRET}")):
        room.credentials["login"] = credential
        declare(room, f"{address}/x.csv", f"{address}/w.csv", credential="login")
        assert room.pull("bulletin").faults == ()
        assert all(asked["authorization"].startswith(header) for asked in site.asked) and len(site.asked) == 3
        assert not any("authorization" in asked for asked in elsewhere.asked) and elsewhere.asked
        site.asked.clear()


def test_this_machine_is_not_reached_unless_it_is_named(room: Room, site: Site, address: str) -> None:
    site.files["latest.csv"] = b"x"
    declare(room, f"{address}/latest.csv", f"{address.replace('127.0.0.1', 'localhost')}/latest.csv", networks=[])
    assert [fault.code for fault in room.pull("bulletin").faults] == ["address_refused"] * 2
    assert site.asked == []
    declare(room, f"{address.replace('127.0.0.1', 'localhost')}/latest.csv")
    assert room.pull("bulletin").outcome == "fetched"


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", True),
        ("10.2.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.1.9.9", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_may_be_reached(address: str, may: bool) -> None:
    assert may_reach(ipaddress.ip_address(address), ("10.1.0.0/16",)) is may


def test_a_server_that_only_trickles_ends_in_time(room: Room, serve: Serve) -> None:
    import time

    app = FastAPI()

    @app.get("/slow.csv")
    async def slow() -> Response:
        async def pieces() -> Any:
            while True:
                yield b"x"
                await asyncio.sleep(0.05)

        return StreamingResponse(pieces(), 200, {"Content-Length": "99999"}, "text/csv")

    @app.get("/silent.csv")
    async def silent() -> Response:
        await asyncio.sleep(3_000)
        return Response()

    address = serve(app)
    for name in ("slow", "silent"):
        declare(room, f"{address}/{name}.csv", time_limit_seconds=0.5)
        begun = time.monotonic()
        [fault] = room.pull("bulletin").faults
        assert (fault.code, fault.later) == ("out_of_time", True) and time.monotonic() - begun < 300
