"""Start Airflow on loopback and end it, with all its state below `<data>/airflow/`.

Airflow's three parts (scheduler, DAG processor, API server) are started one by one rather than by `airflow standalone`:
that command also starts log servers on all network interfaces at fixed ports, a triggerer that no DAG here needs, and a
parent whose children outlive it. Each part leads a session of its own, so that what it starts can be found and ended.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from warehouse.airflow_home import USER, AirflowError, describe_environment, keep_password
from warehouse.settings import ROOT

LOG = logging.getLogger(__name__)

HOST = "127.0.0.1"
PARTS = {
    "api-server": ["api-server"],
    # Task logs are read from the disk here; the server that would offer them listens on every interface.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}
# Long, for a machine that does other things: a part that has ended is noticed at once.
BOOT_TIMEOUT_S = 600
STOP_TIMEOUT_S = 10
HEARTBEAT_S = 5

TEXTS = {
    "database": {"zh": "Airflow：准备数据库", "en": "Airflow: preparing its database"},
    "starting": {"zh": "Airflow：启动 {parts}", "en": "Airflow: starting {parts}"},
    "waiting": {"zh": "Airflow：{seconds} 秒，等待 {parts}", "en": "Airflow: {seconds} s, waiting for {parts}"},
    "ready": {"zh": "Airflow：{url}  用户 {user}，密码见 {file}", "en": "Airflow: {url}  user {user}, password in {file}"},
    "running": {"zh": "Airflow 已在运行：{url}", "en": "Airflow is already running: {url}"},
}


@dataclass(frozen=True)
class Airflow:
    """A running Airflow. The password is the content of `password_file` (mode 0600)."""

    url: str
    port: int
    leaders: dict[str, int]
    user: str
    password_file: Path
    log_folder: Path

    @property
    def password(self) -> str:
        return self.password_file.read_text(encoding="ascii").strip()


def start_airflow(data: Path, port: int = 8080, lang: str = "zh", say: Callable[[str], None] = LOG.info) -> Airflow:
    """Start Airflow on 127.0.0.1:`port` and wait until it is healthy; one already running is returned as it is."""
    data = data.resolve()
    running = find_airflow(data)
    if running is not None:
        say(TEXTS["running"][lang].format(url=running.url))
        return running
    end_airflow(data)
    _refuse_taken_port(port)
    environment = describe_environment(data, port)
    keep_password(data)
    log_folder = data / "airflow" / "logs"
    log_folder.mkdir(parents=True, exist_ok=True)
    say(TEXTS["database"][lang])
    _prepare(environment, log_folder / "database.log")
    say(TEXTS["starting"][lang].format(parts=", ".join(PARTS)))
    try:
        for name, arguments in PARTS.items():
            leader = _launch(arguments, environment, log_folder / f"{name}.log")
            _record(data, port, name, leader)
        airflow = _describe(data)
        _wait_until_healthy(airflow, lang, say)
    except BaseException:
        end_airflow(data)
        raise
    say(TEXTS["ready"][lang].format(url=airflow.url, user=airflow.user, file=airflow.password_file))
    return airflow


def find_airflow(data: Path) -> Airflow | None:
    """The Airflow of this data directory with all its parts alive, or None."""
    if not _process_file(data).exists():
        return None
    airflow = _describe(data)
    alive = set(airflow.leaders.values()) <= {process.pid for process in list_processes(data)}
    return airflow if alive and set(airflow.leaders) == set(PARTS) else None


def list_processes(data: Path) -> list[psutil.Process]:
    """Every living process that Airflow of this data directory started, also those whose parent is gone."""
    if not _process_file(data).exists():
        return []
    leaders = _read_leaders(data)
    sessions = {pid for pid, created in leaders.items() if not _is_reused(pid, created)}
    home = str(data.resolve() / "airflow")
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess, psutil.AccessDenied):
            if process.pid in sessions or (os.getsid(process.pid) in sessions and _is_airflow(process, home)):
                found.append(process)
    return found


def _is_reused(pid: int, created: float) -> bool:
    """Whether the number now belongs to a process that is not the one recorded."""
    try:
        return bool(abs(psutil.Process(pid).create_time() - created) > 1)
    except psutil.NoSuchProcess:
        return False


def _is_airflow(process: psutil.Process, home: str) -> bool:
    # A session outlives its leader and numbers are used again after a restart of the machine, so the number alone is not enough;
    # parts of Airflow that rename themselves overwrite their environment with the new name.
    return bool(process.environ().get("AIRFLOW_HOME") == home) or " ".join(process.cmdline()).startswith("airflow")


def end_airflow(data: Path) -> int:
    """End every process of this Airflow; how many there were. Raises AirflowError when one is still there."""
    seen = {process.pid: process for process in list_processes(data)}
    for process in seen.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while (left := list_processes(data)) and time.monotonic() < deadline:
        seen |= {process.pid: process for process in left}
        _reap(left)
        time.sleep(0.2)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(list(seen.values()), timeout=10)
    if alive or (alive := list_processes(data)):
        numbers = ", ".join(str(process.pid) for process in alive)
        raise AirflowError(f"以下 Airflow 进程未能结束：{numbers}", f"these Airflow processes did not end: {numbers}")
    _process_file(data).unlink(missing_ok=True)
    return len(seen)


def _process_file(data: Path) -> Path:
    return data.resolve() / "airflow" / "processes.json"


def _record(data: Path, port: int, name: str, leader: int) -> None:
    file = _process_file(data)
    known = json.loads(file.read_text(encoding="utf-8"))["leaders"] if file.exists() else {}
    known[name] = {"pid": leader, "created": psutil.Process(leader).create_time()}
    # Written whole and renamed: `down` must be able to read it whenever `up` was killed.
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps({"port": port, "leaders": known}), encoding="utf-8")
    draft.replace(file)


def _read_leaders(data: Path) -> dict[int, float]:
    record = json.loads(_process_file(data).read_text(encoding="utf-8"))
    return {leader["pid"]: leader["created"] for leader in record["leaders"].values()}


def _describe(data: Path) -> Airflow:
    record = json.loads(_process_file(data).read_text(encoding="utf-8"))
    home = data.resolve() / "airflow"
    url = f"http://{HOST}:{record['port']}"
    leaders = {name: leader["pid"] for name, leader in record["leaders"].items()}
    return Airflow(url, record["port"], leaders, USER, home / "secrets" / "password", home / "logs")


def _prepare(environment: dict[str, str], log: Path) -> None:
    with log.open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "warehouse.airflow_home"], cwd=ROOT, env=environment, stdout=out, stderr=out, check=False
        )
    if done.returncode != 0:
        raise AirflowError(
            f"Airflow 的数据库没有准备好（退出码 {done.returncode}）。日志：{log}\n{_read_tail(log)}",
            f"Airflow's database could not be prepared (exit code {done.returncode}). Log: {log}\n{_read_tail(log)}",
        )


def _launch(arguments: list[str], environment: dict[str, str], log: Path) -> int:
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
            cwd=environment["AIRFLOW_HOME"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return process.pid


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise AirflowError(
                f"端口 {port} 已被另一个程序占用，请换一个端口。", f"Port {port} is taken by another program; choose another one."
            ) from error


def _wait_until_healthy(airflow: Airflow, lang: str, say: Callable[[str], None]) -> None:
    started = time.monotonic()
    told = started
    while (now := time.monotonic()) - started < BOOT_TIMEOUT_S:
        missing = _find_missing(airflow)
        if not missing:
            return
        ended = [name for name, leader in airflow.leaders.items() if not _is_alive(leader)]
        if ended:
            log = airflow.log_folder / f"{ended[0]}.log"
            raise AirflowError(
                f"Airflow 的 {ended[0]} 已退出。日志：{log}\n{_read_tail(log)}",
                f"Airflow's {ended[0]} ended. Log: {log}\n{_read_tail(log)}",
            )
        if now - told >= HEARTBEAT_S:
            told = now
            say(TEXTS["waiting"][lang].format(seconds=round(now - started), parts=", ".join(missing)))
        time.sleep(0.5)
    raise AirflowError(
        f"Airflow 在 {BOOT_TIMEOUT_S} 秒内没有就绪。日志：{airflow.log_folder}",
        f"Airflow was not ready within {BOOT_TIMEOUT_S} s. Logs: {airflow.log_folder}",
    )


def _find_missing(airflow: Airflow) -> list[str]:
    try:
        answer = httpx.get(f"{airflow.url}/api/v2/monitor/health", timeout=5, trust_env=False)
    except httpx.TransportError:
        return list(PARTS)
    if answer.status_code != 200:
        return ["api-server"]
    health = answer.json()
    return [name for name, key in (("scheduler", "scheduler"), ("dag-processor", "dag_processor")) if health[key]["status"] != "healthy"]


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _reap(processes: list[psutil.Process]) -> None:
    # An ended leader stays a zombie until its parent, if that is this process, waits for it.
    for process in processes:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)


def _read_tail(path: Path, lines: int = 12) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
