"""Run the real DAGs once: each landing DAG that has something to land, then the release.

A running Airflow is asked, if there is one. Otherwise the DAGs run without servers in one child process, because Airflow
reads its configuration when it is imported, writes to standard output and keeps 400 MB. The child reports as JSON lines on a pipe.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ingest.connectors.declaration import DeclarationError, read_connectors
from warehouse.airflow_client import RELEASE_DAG, AirflowClient
from warehouse.airflow_home import AirflowError, describe_environment, prepare_database
from warehouse.airflow_server import Airflow, find_airflow
from warehouse.settings import ROOT, SettingsError, read_settings

# More rounds than this over one inbox means files that neither land nor leave.
MOST_ROUNDS = 20
END = {"kind": "end"}


@dataclass(frozen=True)
class Progress:
    """One change of state of a DAG (`task` empty) or of a task; `map_index` is -1 unless the task is mapped."""

    dag: str
    task: str
    map_index: int
    state: str
    seconds: float
    text: str = ""


@dataclass
class DagRuns:
    """What came of it: the last state of each DAG, and why data was refused or a program broke, in zh and en."""

    states: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    release: str = "not_run"
    log_file: Path = Path()

    @property
    def exit_code(self) -> int:
        """As of the commands: 1 the program broke, 3 a gate stopped the release, 0 otherwise (a refused file is not a failure)."""
        if self.broken:
            return 1
        return 3 if self.release == "refused" else 0


def run_dags(data: Path, sources: Iterable[str], progress: Callable[[Progress], None], groups: int = 1) -> DagRuns:
    """One run by a DagRunner of its own; see `DagRunner.run`."""
    with DagRunner(data) as runner:
        return runner.run(sources, progress, groups)


class DagRunner:
    """Runs DAGs as often as asked; use it in a `with`. The child process starts at once, so that its ten seconds pass beside other work."""

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self.log_file = self.data / "airflow" / "logs" / "run.log"
        # The scheduler of a running Airflow shares the database and would take the tasks of a child's run as its own.
        self._server = find_airflow(self.data)
        self._child: subprocess.Popen[str] | None = None
        self._events: IO[str] | None = None

    def __enter__(self) -> Self:
        if self._server is None:
            self._start_child()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        if self._child is None or self._events is None:
            return
        assert self._child.stdin is not None
        # The end of its input ends the child; one that is busy is not waited for when something else went wrong.
        with suppress(BrokenPipeError):
            self._child.stdin.close()
        if kind is not None:
            self._child.terminate()
        self._child.wait()
        self._events.close()

    def run(self, sources: Iterable[str], progress: Callable[[Progress], None], groups: int = 1) -> DagRuns:
        """Run `land_<source>` for each source with files in its inbox or with connectors, in the order given, then `build_release`.

        `groups`: into how many mapped tasks a source's files are cut at most. One, because the child's loop takes mapped tasks in any
        order, and a task whose predecessor has not run leaves its files for another round. A refused delivery is reported and stops
        nothing.

        Raises AirflowError when Airflow itself ended or could not be asked.
        """
        runs = DagRuns(log_file=self.log_file)
        connected = connected_sources(self.data)
        waiting = [source for source in sources if source in connected or has_deliveries(self.data, source)]
        if self._server is not None:
            _run_on_server(self._server, waiting, runs, progress)
        else:
            self._run_in_child({"sources": waiting, "groups": groups}, runs, progress)
        return runs

    def _start_child(self) -> None:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        read_end, write_end = os.pipe()
        with self.log_file.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "warehouse.dag_run", str(write_end)],
                cwd=ROOT,
                env=describe_environment(self.data),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[write_end],
                text=True,
            )
        os.close(write_end)
        self._events = os.fdopen(read_end, encoding="utf-8")

    def _run_in_child(self, request: dict[str, Any], runs: DagRuns, progress: Callable[[Progress], None]) -> None:
        assert self._child is not None and self._child.stdin is not None and self._events is not None
        with suppress(BrokenPipeError):
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
        for line in self._events:
            event = json.loads(line)
            if event == END:
                return
            _take_event(runs, event, progress)
        code = self._child.wait()
        raise AirflowError(
            f"Airflow 进程异常结束（退出码 {code}）。日志：{self.log_file}",
            f"The Airflow process ended abnormally (exit code {code}). Log: {self.log_file}",
        )


def has_deliveries(data: Path, source: str) -> bool:
    """Whether anything lies in the source's inbox; which of it may be taken is for `tanlian land` to say."""
    folder = data / "inbox" / source
    return folder.is_dir() and any(folder.iterdir())


def connected_sources(data: Path) -> set[str]:
    """Sources that a connector feeds, whose DAG therefore has something to do even when the inbox is empty.

    Raises:
        SettingsError: a connector's declaration cannot be used.
    """
    try:
        found = read_connectors(read_settings().connectors_folder or data / "connectors")
    except DeclarationError as error:
        raise SettingsError(str(error)) from error
    return {connector.source for connector in found.values()}


def _run_on_server(airflow: Airflow, sources: list[str], runs: DagRuns, progress: Callable[[Progress], None]) -> None:
    with AirflowClient(airflow) as client:
        known = {run["dag_run_id"] for run in client.list_runs(RELEASE_DAG)}
        for dag in [*(f"land_{source}" for source in sources), RELEASE_DAG]:
            _take_event(runs, _make_event(dag, "", -1, "running"), progress)
            for change in client.follow_run(dag, client.start_run(dag)):
                _take_event(runs, _read_change(client, dag, change), progress)
        # The landing assets start the release as well, and then ours finds nothing new.
        others = [run for run in client.list_runs(RELEASE_DAG) if run["dag_run_id"] not in known]
        if runs.release == "nothing_new" and any(_has_published(client, run) for run in others):
            runs.release = "published"


def _has_published(client: AirflowClient, run: dict[str, Any]) -> bool:
    return any(task["state"] == "success" for task in client.list_tasks(RELEASE_DAG, run["dag_run_id"]))


def _read_change(client: AirflowClient, dag: str, change: dict[str, Any]) -> dict[str, Any]:
    if "task_id" not in change:
        return _make_event(dag, "", -1, change["state"], change["duration"] or 0.0)
    event = _make_event(dag, change["task_id"], change["map_index"], change["state"], change["duration"] or 0.0)
    if change["state"] == "failed":
        kind, event["text"] = client.read_failure(change)
        event["kind"] = "refused" if kind == "DataRefused" else "broken"
    return event


def _make_event(dag: str, task: str, map_index: int, state: str, seconds: float = 0.0) -> dict[str, Any]:
    return {"dag": dag, "task": task, "map_index": map_index, "state": state, "seconds": seconds, "text": ""}


def _take_event(runs: DagRuns, event: dict[str, Any], progress: Callable[[Progress], None]) -> None:
    kind = event.pop("kind", "")
    seen = Progress(**event)
    if not seen.task:
        runs.states[seen.dag] = seen.state
    if kind == "refused":
        runs.refused.append(seen.text)
    elif kind == "broken":
        runs.broken.append(f"{seen.dag}.{seen.task}: {seen.text}")
    if seen.dag == RELEASE_DAG and seen.task:
        endings = {"success": "published", "skipped": "nothing_new", "failed": "refused" if kind == "refused" else "broken"}
        runs.release = endings.get(seen.state, runs.release)
    progress(seen)


class _Reporter:
    """Airflow listener that writes each task's changes of state to the pipe."""

    def __init__(self, pipe: IO[str]) -> None:
        self.pipe = pipe
        self.started: dict[tuple[str, str, int], float] = {}

    def report(self, dag: str, task: str, map_index: int, state: str, error: object = None) -> None:
        key = (dag, task, map_index)
        if state == "running":
            self.started[key] = time.monotonic()
        event = _make_event(dag, task, map_index, state, round(time.monotonic() - self.started.get(key, time.monotonic()), 3))
        event["text"] = str(error) if error is not None else ""
        if state == "failed" and task:
            # By name: Airflow imports DAG files under names of its own.
            event["kind"] = "refused" if type(error).__name__ == "DataRefused" else "broken"
        self.write(event)

    def write(self, event: dict[str, Any]) -> None:
        self.pipe.write(json.dumps(event, ensure_ascii=False) + "\n")
        self.pipe.flush()

    def report_task(self, run: Any, state: str, error: object = None) -> None:
        self.report(run.dag_id, run.task_id, -1 if run.map_index is None else run.map_index, state, error)


def _add_listener(reporter: _Reporter) -> None:
    from airflow.listeners import hookimpl
    from airflow.sdk.listener import get_listener_manager

    class Listener:
        @hookimpl
        def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
            reporter.report_task(task_instance, "running")

        @hookimpl
        def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
            reporter.report_task(task_instance, "success")

        @hookimpl
        def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
            reporter.report_task(task_instance, "skipped")

        @hookimpl
        def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
            reporter.report_task(task_instance, "failed", error)

    listeners: Any = get_listener_manager()
    listeners.add_listener(Listener())


def _run_dag(dag: Any, reporter: _Reporter, conf: dict[str, Any]) -> str:
    # A person waits at the terminal: a program that breaks is shown at once, not tried again after half a minute.
    for task in dag.tasks:
        task.retries = 0
    reporter.report(dag.dag_id, "", -1, "running")
    state = str(dag.test(run_conf=conf).state)
    reporter.report(dag.dag_id, "", -1, state)
    return state


def _serve(requests: Iterable[str], reporter: _Reporter, data: Path) -> None:
    from airflow.configuration import conf
    from airflow.dag_processing.dagbag import DagBag

    prepare_database()
    folder = conf.get("core", "dags_folder")
    sys.path.insert(0, folder)
    bag = DagBag(dag_folder=folder)
    if bag.import_errors:
        raise SystemExit(f"DAG files do not import: {bag.import_errors}")
    _add_listener(reporter)
    for line in requests:
        request = json.loads(line)
        for source in request["sources"]:
            _empty_inbox(bag.dags[f"land_{source}"], request["groups"], reporter, data / "inbox" / source)
        _run_dag(bag.dags[RELEASE_DAG], reporter, {})
        reporter.write(END)


def _empty_inbox(dag: Any, groups: int, reporter: _Reporter, inbox: Path) -> None:
    # A run leaves files behind when a group before them broke; then nothing moves and another round would not help.
    for turn in range(MOST_ROUNDS):
        before = _list_names(inbox)
        is_fetching = turn == 0 and dag.has_task("fetch")
        if not (before or is_fetching) or _run_dag(dag, reporter, {"groups": groups}) != "success" or _list_names(inbox) == before:
            return


def _list_names(inbox: Path) -> list[str]:
    return sorted(str(path) for path in inbox.rglob("*")) if inbox.is_dir() else []


def main() -> None:
    """The child process: requests on standard input, events on the file descriptor named."""
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as pipe, suppress(BrokenPipeError):
        _serve(sys.stdin, _Reporter(pipe), Path(os.environ["TANLIAN_DATA"]))


if __name__ == "__main__":
    main()
