"""Ask a running Airflow over its REST API: start a DAG, follow its tasks, read why one failed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from ingest.contract import read_contracts
from warehouse.airflow_home import AirflowError
from warehouse.airflow_server import Airflow

RELEASE_DAG = "build_release"
ENDED = ("success", "failed")
TASK_ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
POLL_S = 1.0
TIMEOUT_S = 60.0
DAGS_TIMEOUT_S = 600.0
# Of a database that another part of Airflow holds, which SQLite answers late or with an error.
BUSY_TIMEOUT_S = 300.0


class AirflowBusy(AirflowError):
    """Airflow could not use its database this time; the same question may be asked again."""


class AirflowConflict(AirflowError):
    """What was to be made is there already."""


def wait_for_dags(airflow: Airflow) -> None:
    """Return once every DAG can be asked for; a healthy Airflow has not yet read them, and it reads one file after the other."""
    expected = {f"land_{source}" for source in read_contracts()} | {RELEASE_DAG}
    deadline = time.monotonic() + DAGS_TIMEOUT_S
    with AirflowClient(airflow) as client:
        while missing := sorted(expected - client.list_dags()):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
    if missing:
        log = airflow.log_folder / "dag-processor.log"
        names = ", ".join(missing)
        raise AirflowError(f"Airflow 没有读到 DAG：{names}。日志：{log}", f"Airflow has not read the DAGs {names}. Log: {log}")


class AirflowClient:
    """One signed-in conversation; use it in a `with`."""

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow
        # No proxy of the environment may see a loopback password.
        self._http = httpx.Client(base_url=airflow.url, timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        try:
            answer = self.ask("POST", "/auth/token", json={"username": self._airflow.user, "password": self._airflow.password})
        except BaseException:
            self._http.close()
            raise
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def ask(self, method: str, path: str, **sent: Any) -> Any:
        """The JSON answer, asked for again while Airflow's database is busy; raises AirflowError when there is none."""
        again = Retrying(
            retry=retry_if_exception_type(AirflowBusy),
            wait=wait_exponential_jitter(initial=POLL_S, max=10 * POLL_S, jitter=POLL_S),
            stop=stop_after_delay(BUSY_TIMEOUT_S),
            reraise=True,
        )
        return again(self._ask_once, method, path, sent).json()

    def _ask_once(self, method: str, path: str, sent: dict[str, Any]) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **sent)
        except httpx.TransportError as fault:
            # A late answer is one of a busy database; asking again does no harm, for a run is asked for under an id of ours.
            raise (AirflowBusy if isinstance(fault, httpx.ReadTimeout) else AirflowError)(
                f"连不上 Airflow {self._airflow.url}{path}（{fault}）。",
                f"Airflow cannot be reached at {self._airflow.url}{path} ({fault}).",
            ) from fault
        if not answer.is_success:
            raise _name_fault(answer)(
                f"Airflow 拒绝了 {method} {path}：{answer.status_code} {answer.text[:500]}",
                f"Airflow refused {method} {path}: {answer.status_code} {answer.text[:500]}",
            )
        return answer

    def list_dags(self) -> set[str]:
        """Ids of the DAGs that Airflow has read so far."""
        return {dag["dag_id"] for dag in self.ask("GET", "/api/v2/dags?limit=100")["dags"]}

    def start_run(self, dag: str, conf: dict[str, Any] | None = None) -> str:
        """Ask for a run now; gives its id, which is ours, so that asking again starts no second run."""
        run = f"manual__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}_{secrets.token_hex(4)}"
        with suppress(AirflowConflict):
            self.ask("POST", f"/api/v2/dags/{dag}/dagRuns", json={"dag_run_id": run, "logical_date": None, "conf": conf or {}})
        return run

    def list_runs(self, dag: str) -> list[dict[str, Any]]:
        """The DAG's runs, newest first: `dag_run_id`, `run_type`, `state`, `run_after`, …"""
        runs: list[dict[str, Any]] = self.ask("GET", f"/api/v2/dags/{dag}/dagRuns?limit=100&order_by=-run_after")["dag_runs"]
        return runs

    def list_tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The run's task instances: `task_id`, `map_index`, `state`, `try_number`, `duration`, …"""
        tasks: list[dict[str, Any]] = self.ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances?limit=100")["task_instances"]
        return tasks

    def follow_run(self, dag: str, run: str) -> Iterator[dict[str, Any]]:
        """Each task instance whenever its state changed, until the run has ended; last the run itself."""
        seen: dict[tuple[str, int], str] = {}
        while True:
            # The run first: what its tasks became by then is read after it.
            state = self.ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")
            for task in self.list_tasks(dag, run):
                key = (task["task_id"], task["map_index"])
                if task["state"] not in (None, seen.get(key)):
                    seen[key] = task["state"]
                    yield task
            if state["state"] in ENDED:
                yield state
                return
            time.sleep(POLL_S)

    def read_failure(self, task: dict[str, Any]) -> tuple[str, str]:
        """Kind and message of the exception that ended a failed task, from its log; empty when the log has none."""
        place = f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        log = self.ask("GET", f"{place}?map_index={task['map_index']}&full_content=true", headers={"Accept": "application/json"})
        details = [detail for line in log["content"] if isinstance(line, dict) for detail in line.get("error_detail") or []]
        return (details[-1]["exc_type"], details[-1]["exc_value"]) if details else ("", "")


def _name_fault(answer: httpx.Response) -> type[AirflowError]:
    if answer.status_code == httpx.codes.CONFLICT:
        return AirflowConflict
    is_busy = answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR and "Database error" in answer.text
    return AirflowBusy if is_busy else AirflowError
