"""Readers that a release does not know: whoever names one is told so with those there are, and the interface says it as it is."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from warehouse.interface.app import make_app
from warehouse.interface.keys import Doorkeeper, add_key, read_keys
from warehouse.reading.files import parse_reader
from warehouse.settings import Settings

from .planted import BANK, OTHER_BANK, Files, Room, plant_files, plant_release

pytestmark = pytest.mark.xdist_group("custody")
ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return plant_files(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, files: Files) -> Path:
    """A data directory with one small release in force."""
    room = tmp_path_factory.mktemp("readers")
    folder = plant_release(room / "data" / "releases", 1, files, None)
    (folder.parent / "current").symlink_to(folder.name)
    return room / "data"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_unknown_reader_is_told_with_those_there_are(data: Path, tanlian: Run, lang: str) -> None:
    told = {"zh": "没有读者 bank_999 的文件，已有：", "en": "holds no file for bank_999, known: "}[lang]
    for verb in (("export", "--format", "csv", "--for", "bank_999"), ("report", "bank-pack", "--for", "999")):
        done = tanlian(data, "--lang", lang, *verb)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{told}bank_{BANK}, bank_{OTHER_BANK}\n" in done.stderr and "Traceback" not in done.stderr
    region = tanlian(data, "--lang", lang, "report", "pilot-region", "--for", "440000")
    assert "region_320000\n" in region.stderr and "bank_" not in region.stderr


def test_key_is_made_for_a_reader_that_there_is_and_no_other(data: Path, tanlian: Run, tmp_path: Path) -> None:
    refused = tanlian(data, "key", "somebody", "--for", "bank_999")
    assert (refused.returncode, refused.stdout) == (2, "") and f"known: bank_{BANK}" in refused.stderr
    assert read_keys(Settings(data=data).api_keys) == {}
    made = tanlian(data, "key", "somebody", "--for", f"bank_{BANK}")
    assert made.returncode == 0 and "no release yet" not in made.stderr
    assert set(read_keys(Settings(data=data).api_keys)) == {"somebody"}
    early = tanlian(tmp_path / "empty", "key", "somebody", "--for", "bank_999")
    assert early.returncode == 0 and "there is no release yet to look for the reader bank_999 in" in early.stderr


def test_interface_tells_a_missing_file_from_a_missing_release(data: Path, tmp_path: Path) -> None:
    """Every route that reads, as its description says; nobody else's name is in the answer."""
    from starlette.testclient import TestClient

    settings = Settings(data=data, key_file=tmp_path / "keys.yaml")
    keys = {name: add_key(settings.api_keys, f"client-{name}", parse_reader(name)) for name in ("bank_999", f"bank_{BANK}")}
    with TestClient(make_app(settings, Doorkeeper(settings.api_keys), 600)) as client:
        paths = client.get("/openapi.json").json()["paths"]
        readable = [(path, entry["get"]) for path, entry in paths.items() if "get" in entry]
        assert len(readable) >= 7
        for path, described in readable:
            asked = path.format(mart="prices", id="0" * 8 + "-0000-4000-8000-" + "0" * 12)
            answer = client.get(asked, headers={"X-API-Key": keys["bank_999"]})
            assert (answer.status_code, answer.json()["code"]) == (403, "AccessDenied"), path
            assert "holds no file for bank_999" in answer.json()["message"] and BANK not in answer.text
            assert "403" in described["responses"], path
        assert client.get("/v1/release", headers={"X-API-Key": keys[f"bank_{BANK}"]}).status_code == 200


def test_status_and_reports_are_those_of_the_day_asked(files: Files, tanlian: Run, tmp_path: Path) -> None:
    room = Room(tmp_path / "data", files)
    room.ledger.close()
    data, newest = room.settings.data, room.names[-1]
    sound = next((ROOT / "ingest/sources/market_quote/fixtures/good").glob("*.csv"))
    assert tanlian(data, "deliver", str(sound), "--source", "market_quote", "--received-at", "2026-10-20").returncode == 0

    def ask(day: str) -> tuple[str | None, int]:
        answer = json.loads(tanlian(data, "--json", "status", "--as-of", day).stdout)
        return answer["release_id"], sum(source["files"] for source in answer["sources"])

    assert [ask(day) for day in ("2026-10-19", "2026-10-30", "2026-10-31")] == [(None, 0), (None, 1), (newest, 1)]
    told = tanlian(data, "status", "--as-of", "2026-10-19").stdout
    assert "all that are kept know more than was known then" in told and "until 2026-10-19 15:59:59 (UTC)" in told
    for verb in (("report", "ministry-brief"), ("report",), ("export", "--format", "csv")):
        early = tanlian(data, "--as-of", "2020-01-01", *verb)
        assert early.returncode == 2, verb
        assert f"the oldest, {room.names[0]}, knows what was received until 2026-10-31 15:59:59 (UTC)" in early.stderr, verb
    assert "there is no release yet" in tanlian(tmp_path / "empty", "--as-of", "2020-01-01", "report").stderr
    assert "there is no release yet" in tanlian(tmp_path / "empty", "--as-of", "2020-01-01", "status").stdout


def test_chinese_status_names_sources_as_options_do(data: Path, tanlian: Run) -> None:
    assert re.search(r"碳市场行情 market_quote +0", tanlian(data, "--lang", "zh", "status").stdout)
