"""`tanlian fetch` and `tanlian listen` as a person runs them: what they say, how they end, and that a secret stands nowhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from warehouse.cli import app
from warehouse.settings import SettingsError

from ..conftest import find_free_port
from .conftest import LOOPBACK, SECRET, Room
from .pact_host import CLIENT, Host, error, footprint_3, make_host

Tanlian = Callable[..., subprocess.CompletedProcess[str]]
CONNECTION = json.dumps({"conn_type": "http", "login": CLIENT, "password": SECRET})
FIXTURES = Path(__file__).parents[2] / "ingest" / "sources"


@pytest.fixture
def host(room: Room, serve: Callable[[FastAPI], str]) -> Host:
    """A host of three footprints on two pages, declared as the connector `steel`."""
    host = Host(3, SECRET, [footprint_3(number) for number in range(3)], page_size=2)
    host.address = serve(make_host(host))
    room.declare(
        "steel",
        kind="pact",
        source="product_footprint",
        url=f"{host.address}/sub",
        version=3,
        credential="steel_pcf",
        event_credential="steel_events",
        networks=LOOPBACK,
        attempts=2,
    )
    return host


def find_secret(room: Room, *texts: str) -> list[str]:
    """Where the secret, or a token made of it, stands."""
    form = re.compile(re.escape(SECRET[:8]), re.IGNORECASE)
    found = [str(path) for path in room.data.rglob("*") if path.is_file() and form.search(path.read_bytes().decode("latin-1"))]
    return found + [text for text in texts if form.search(text)]


@pytest.fixture
def run_here(room: Room, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """The command in this process, whose libraries are loaded: exit code and what it says. Starting it anew takes a second each time."""
    monkeypatch.setenv("TANLIAN_DATA", str(room.data))
    monkeypatch.setenv("AIRFLOW_CONN_STEEL_PCF", CONNECTION)
    monkeypatch.setenv("TANLIAN_LANG", "en")

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit | SettingsError), done.exception
        return (2, str(done.exception)) if isinstance(done.exception, SettingsError) else (done.exit_code, done.stdout + done.stderr)

    return run


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_was_fetched_is_told_in_the_readers_language(lang: str, room: Room, host: Host, tanlian: Tanlian) -> None:
    done = tanlian(room.data, "fetch", TANLIAN_LANG=lang, AIRFLOW_CONN_STEEL_PCF=CONNECTION)
    assert done.returncode == 0, done.stderr
    assert {"zh": "已放入收件箱", "en": "put into the inbox"}[lang] in done.stdout and host.address in done.stdout
    assert bool(re.search("[一-鿿]", done.stdout)) is (lang == "zh")
    assert len(room.inbox("product_footprint")) == 2


def test_a_pull_ends_as_other_commands_do(room: Room, host: Host, run_here: Callable[..., tuple[int, str]]) -> None:
    def fetch(*arguments: str) -> tuple[int, Any]:
        code, words = run_here("--json", "fetch", *arguments)
        return code, words if code == 2 else json.JSONDecoder().raw_decode(words)[0]

    code, listed = fetch("--list")
    assert (code, [(row["connector"], row["credential"], row["files"], row["last"]) for row in listed]) == (
        0,
        [("steel", "steel_pcf", 0, None)],
    )
    code, answer = fetch("--dry-run")
    assert (code, len(answer[0]["files"]), room.inbox("product_footprint")) == (0, 2, [])
    code, answer = fetch()
    assert (code, answer[0]["outcome"], [file["file"] for file in answer[0]["files"]]) == (
        0,
        "fetched",
        sorted(path.name for path in (room.data / "inbox" / "product_footprint").iterdir()),
    )
    assert fetch("--due")[1][0]["outcome"] == "not_due"
    assert fetch("steel")[1][0]["outcome"] == "nothing_new"
    # The remote is away: 1, worth another try. It refuses: 3, and not.
    host.faults = [error(503, "InternalError")] * 9
    code, answer = fetch()
    assert (code, answer[0]["faults"][0]["later"]) == (1, True)
    assert fetch("--due", "--dry-run")[1][0]["outcome"] == "failed", "what failed in passing is due at once"
    host.faults = [error(403, "AccessDenied")] * 9
    code, answer = fetch()
    assert (code, answer[0]["faults"][0]["code"]) == (3, "forbidden")
    # Wrong words.
    assert fetch("copper")[0] == fetch("--source", "no_such_source")[0] == 2
    room.declare("steel", kind="pact", surprise=1)
    code, words = fetch()
    assert code == 2 and "surprise" in words


def test_secrets_stand_nowhere(
    room: Room, host: Host, tanlian: Tanlian, run_here: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for connection in (CONNECTION, CONNECTION.replace(SECRET, SECRET + "-wrong"), SECRET):
        monkeypatch.setenv("AIRFLOW_CONN_STEEL_PCF", connection)
        said += [run_here(*options, "fetch")[1] for options in (("--json",), ())]
    host.link = lambda url: f"http://{SECRET}.example/{host.tokens[-1]}"
    done = tanlian(room.data, "fetch", AIRFLOW_CONN_STEEL_PCF=CONNECTION)
    assert done.returncode == 3
    assert find_secret(room, *said, done.stdout, done.stderr) == []
    (room.data / "planted").write_text(SECRET)
    assert find_secret(room, f"x {SECRET}") == [str(room.data / "planted"), f"x {SECRET}"]


def test_what_was_fetched_lands_and_its_receipt_says_from_where(
    room: Room, host: Host, tmp_path: Path, tanlian: Tanlian, run_here: Callable[..., tuple[int, str]]
) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    (watched / "行情=2026.csv").write_bytes((FIXTURES / "market_quote/fixtures/good/own_form.csv").read_bytes())
    room.declare("exchange", kind="folder", source="market_quote", path=str(watched), settle_seconds=0)
    page = json.loads((FIXTURES / "product_footprint/fixtures/good/pact_v3_list.json").read_text(encoding="utf-8"))
    host.footprints, host.page_size = page["data"], 1000
    assert run_here("fetch")[0] == 0
    for path in (room.data / "inbox").rglob("*.*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    done = tanlian(room.data, "--json", "land")
    quotes, footprints = json.loads(done.stdout)
    assert quotes["verdict"] == footprints["verdict"] == "accepted", done.stdout
    assert footprints["counts"]["accepted"] == len(page["data"]) > 0
    assert footprints["fetched_from"]["place"] == f"{host.address}/sub/3/footprints"
    origin = quotes["fetched_from"]
    assert (origin["connector"], origin["place"], origin["original_name"]) == ("exchange", str(watched / "行情=2026.csv"), "行情=2026.csv")


def test_a_notice_of_publication_is_fetched(room: Room, host: Host, tanlian: Tanlian) -> None:
    port = find_free_port()
    listener = subprocess.Popen(
        [str(Path(sys.executable).with_name("tanlian")), "listen", "--port", str(port)],
        env=os.environ | {"TANLIAN_DATA": str(room.data), "AIRFLOW_CONN_STEEL_EVENTS": CONNECTION},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as owner:
            for _ in range(6_000):
                try:
                    answer = owner.post("/auth/token", data={"grant_type": "client_credentials"}, auth=(CLIENT, SECRET))
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            event = {"type": "org.wbcsd.pact.ProductFootprint.PublishedEvent.3", "specversion": "1.0", "id": "1", "source": "//owner"}
            event |= {"time": "2025-05-31T17:31:00Z", "data": {"pfIds": [host.footprints[2]["id"]]}}
            headers = {"Authorization": f"Bearer {answer.json()['access_token']}", "Content-Type": "application/cloudevents+json"}
            assert owner.post("/3/events", content=json.dumps(event), headers=headers).status_code == 200
    finally:
        listener.send_signal(signal.SIGTERM)
        _, words = listener.communicate(timeout=300)
    assert "steel" in words and find_secret(room, words) == []
    tanlian(room.data, "fetch", AIRFLOW_CONN_STEEL_PCF=CONNECTION)
    assert json.loads(room.inbox("product_footprint")[0]) == {"data": host.footprints[2]}


def test_nobody_to_listen_to_is_wrong_usage(room: Room, host: Host, run_here: Callable[..., tuple[int, str]]) -> None:
    assert run_here("listen")[0] == 2
    (room.data / "connectors" / "steel.yaml").unlink()
    assert run_here("listen")[0] == 2
    assert run_here("fetch")[0] == 0
