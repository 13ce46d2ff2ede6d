"""A running Airflow of our own: a file in the inbox becomes a landing run and, through its asset, a release run; then nothing is left."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from warehouse.airflow_client import AirflowClient, wait_for_dags
from warehouse.airflow_server import Airflow, end_airflow, find_airflow, list_processes, start_airflow
from warehouse.dag_run import Progress, run_dags

from ..conftest import find_free_port
from .conftest import STAND_IN, answer_release, put_files, read_calls, refuse_release

pytestmark = pytest.mark.airflow
RELEASE_TIMEOUT_S = 600
# Longer than SQLite waits by itself.
HELD_S = 8.0


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `data`, `home` and `tanlian`; the environment points there."""
    room = tmp_path_factory.mktemp("standalone")
    for name in ("data", "home"):
        (room / name).mkdir()
    command = room / "tanlian"
    command.write_text(STAND_IN.format(python=sys.executable), encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TANLIAN_COMMAND", str(command))
        patch.setenv("HOME", str(room / "home"))
        yield room


@pytest.fixture(scope="module")
def airflow(room: Path) -> Iterator[Airflow]:
    said: list[str] = []
    server = start_airflow(room / "data", find_free_port(), "en", said.append)
    try:
        wait_for_dags(server)
        assert server.url in said[-1]
        assert server.password not in "".join(said)
        yield server
    finally:
        end_airflow(room / "data")


@pytest.fixture(scope="module")
def client(airflow: Airflow) -> Iterator[AirflowClient]:
    with AirflowClient(airflow) as client:
        yield client


def wait_for_release(client: AirflowClient, known: set[str]) -> dict[str, Any]:
    """The asset-triggered run that was not known before, ended."""
    deadline = time.monotonic() + RELEASE_TIMEOUT_S
    while time.monotonic() < deadline:
        for run in client.list_runs("build_release"):
            if run["dag_run_id"] not in known and run["run_type"] == "asset_triggered" and run["state"] in ("success", "failed"):
                return run
        time.sleep(0.5)
    raise AssertionError("no asset-triggered release")


def list_known(client: AirflowClient) -> set[str]:
    return {run["dag_run_id"] for run in client.list_runs("build_release")}


def test_a_landing_starts_the_release_and_a_refusal_is_not_tried_again(room: Path, client: AirflowClient) -> None:
    data = room / "data"
    answer_release(data, 0, {"status": "published", "release_id": "r1", "gates": []})
    known = list_known(client)
    files = {f"{number:03}.csv": "refused" if number == 30 else "good" for number in range(60)}
    # All at once: the schedule may look into the inbox at any moment.
    put_files(data, "market_quote", files, inbox="prepared")
    (data / "inbox").mkdir()
    (data / "prepared" / "market_quote").rename(data / "inbox" / "market_quote")
    list(client.follow_run("land_market_quote", client.start_run("land_market_quote")))

    # A scheduled run may have been quicker than the one asked for; runs of one DAG never overlap.
    runs = {run["dag_run_id"]: run for run in client.list_runs("land_market_quote")}
    tasks = {(task["task_id"], task["map_index"]): task for run in runs for task in client.list_tasks("land_market_quote", run)}
    taken = {task["dag_run_id"] for (name, index), task in tasks.items() if name == "land" and index >= 0}
    assert len(taken) == 1
    run = runs[taken.pop()]
    assert run["state"] == "failed"
    tasks = {(task["task_id"], task["map_index"]): task for task in client.list_tasks("land_market_quote", run["dag_run_id"])}
    states = {key: (task["state"], task["try_number"]) for key, task in tasks.items()}
    assert [states["land", index] for index in range(3)] == [("success", 1), ("failed", 1), ("success", 1)]
    assert states["announce", -1] == ("success", 1)
    assert states["confirm", -1][0] == "upstream_failed"
    kind, text = client.read_failure(tasks["land", 1])
    assert kind == "DataRefused"
    assert all(part in text for part in ("market_quote", "030.csv", "没有数据行", "no data rows"))
    landed = [call[4::2] for call in read_calls(data) if call[:3] == ["land", "--source", "market_quote"] and "--list" not in call]
    assert [name for group in landed for name in group] == list(files)

    assert wait_for_release(client, known)["state"] == "success"


def test_a_run_from_the_terminal_goes_through_the_running_airflow(room: Path, client: AirflowClient) -> None:
    data = room / "data"
    refuse_release(data)
    put_files(data, "enterprise", {"1.csv": "good"})
    seen: list[Progress] = []
    runs = run_dags(data, ["enterprise", "emission_factor"], seen.append)
    assert not any((data / "inbox" / "enterprise").iterdir())
    assert runs.states == {"land_enterprise": "success", "build_release": "failed"}
    assert (runs.release, runs.exit_code) == ("refused", 3)
    assert "marts.footprint" in runs.refused[-1]
    assert [event.state for event in seen if event.task == "publish"][-1] == "failed"


def test_a_database_that_is_held_delays_a_run_and_starts_it_once(room: Path, client: AirflowClient) -> None:
    before = {run["dag_run_id"] for run in client.list_runs("land_enterprise")}
    holder = sqlite3.connect(room / "data" / "airflow" / "airflow.db", check_same_thread=False)
    holder.execute("begin immediate")
    release = threading.Timer(HELD_S, holder.rollback)
    release.start()
    run = client.start_run("land_enterprise")
    release.join()
    holder.close()
    started = {run["dag_run_id"] for run in client.list_runs("land_enterprise") if run["run_type"] == "manual"} - before
    assert started == {run}
    assert list(client.follow_run("land_enterprise", run))[-1]["state"] == "success"


def test_it_listens_on_loopback_only_and_keeps_to_its_folder(room: Path, airflow: Airflow) -> None:
    processes = list_processes(room / "data")
    assert len(processes) >= 3
    listening = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # parts of Airflow come and go
            listening += [c.laddr for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert airflow.port in {address.port for address in listening}
    assert list((room / "home").rglob("*")) == []
    for secret in (room / "data" / "airflow" / "secrets").iterdir():
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_starting_twice_gives_the_one_that_runs(room: Path, airflow: Airflow) -> None:
    said: list[str] = []
    assert start_airflow(room / "data", airflow.port, "zh", said.append) == airflow
    assert airflow.url in said[0]


def test_stopping_leaves_no_process(room: Path, airflow: Airflow) -> None:
    data = room / "data"
    before = list_processes(data)
    sessions = {os.getsid(process.pid) for process in before}
    # One part was killed outright, so that its children have no parent to end them.
    psutil.Process(airflow.leaders["scheduler"]).kill()
    assert end_airflow(data) >= len(before) - 1
    assert find_airflow(data) is None
    assert [p.pid for p in psutil.process_iter() if p.status() != psutil.STATUS_ZOMBIE and os.getsid(p.pid) in sessions] == []
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in before)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", airflow.port))
    assert end_airflow(data) == 0
