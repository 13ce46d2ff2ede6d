"""Set up, start and stop a Superset of our own on loopback, with all its state below `<data>/superset/`.

Superset lives in another environment than the pipeline (it needs SQLAlchemy 1.4), so it is only ever a process here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
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

from dashboards.errors import DashboardError
from dashboards.superset.secret_strength import find_weakness

LOG = logging.getLogger(__name__)

HOST = "127.0.0.1"
ADMIN = "admin"
ROOM = Path(__file__).resolve().parent / "superset"
PREPARE_TIMEOUT_S = 1_800
# Long, for a machine that does other things: a server that has ended is noticed at once.
BOOT_TIMEOUT_S = 600
STOP_TIMEOUT_S = 20


@dataclass(frozen=True)
class Server:
    """A running Superset. The password is the content of `password_file` (mode 0600), never part of a log or a command line."""

    url: str
    port: int
    pid: int
    user: str
    password_file: Path
    log_file: Path

    @property
    def password(self) -> str:
        return self.password_file.read_text(encoding="ascii").strip()


@dataclass(frozen=True)
class _Home:
    """Where one Superset keeps its state."""

    folder: Path

    @property
    def process_file(self) -> Path:
        return self.folder / "server.json"

    @property
    def prepared_file(self) -> Path:
        return self.folder / "prepared.json"

    @property
    def log_file(self) -> Path:
        return self.folder / "server.log"

    @property
    def password_file(self) -> Path:
        return self.folder / "admin_password"


def start(data_dir: Path, venv: Path, port: int, lang: str = "zh", say: Callable[[str], None] | None = None, workers: int = 1) -> Server:
    """Start Superset on 127.0.0.1:`port`, setting it up first where that was not done; a server already running is returned as it is.

    `venv`: the environment of requirements/superset.txt. `lang`: the interface's first language and that of the
    messages given to `say`. `workers`: processes that answer, 300 MB each. The first start takes about half a minute, later ones the boot only.
    """
    tell = say or LOG.info
    python = _find_python(venv)
    home = _make_home(data_dir)
    running = find(data_dir)
    if running is not None:
        if running.port != port:
            raise DashboardError(
                f"Superset 已在 {running.url} 运行，不能再在端口 {port} 启动；请先停止它（tanlian down）。",
                f"Superset already runs at {running.url}, so it cannot start at port {port} as well; stop it first (tanlian down).",
            )
        _wait_until_healthy(running, psutil.Process(running.pid), lang)
        return running
    _refuse_taken_port(port)
    environment = _make_environment(home, lang)
    version = _read_version(python)
    if not _is_prepared(home, version):
        tell("首次启动：正在准备 Superset 的元数据库……" if lang == "zh" else "First start: setting up Superset's metadata ...")
        _prepare(python, home, environment)
        home.prepared_file.write_text(json.dumps(_describe_setup(version)), encoding="utf-8")
    return _launch(python, home, environment, port, lang, workers)


def find(data_dir: Path) -> Server | None:
    """The running server of this data directory, or None. A process that only inherited the number is not it."""
    home = _Home(data_dir / "superset")
    if not home.process_file.exists():
        return None
    record = json.loads(home.process_file.read_text(encoding="utf-8"))
    try:
        process = psutil.Process(record["pid"])
        alive = process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - record["created"]) < 1
    except psutil.NoSuchProcess:
        alive = False
    return _describe(home, record["port"], record["pid"]) if alive else None


def stop(data_dir: Path) -> bool:
    """Stop the server of this data directory with every process it started; True if one was running."""
    home = _Home(data_dir / "superset")
    server = find(data_dir)
    if server is not None:
        _end_session(server.pid)
    home.process_file.unlink(missing_ok=True)
    return server is not None


def _describe(home: _Home, port: int, pid: int) -> Server:
    return Server(f"http://{HOST}:{port}", port, pid, ADMIN, home.password_file, home.log_file)


def _find_python(venv: Path) -> Path:
    python = venv / "bin" / "python"
    if not python.exists():
        raise DashboardError(
            f"找不到 Superset 的环境 {venv}。请运行 make install（它按 requirements/superset.txt 安装）。",
            f"Superset's environment {venv} is not there. Run make install (it installs requirements/superset.txt).",
        )
    return python


def _make_home(data_dir: Path) -> _Home:
    home = _Home((data_dir / "superset").resolve())
    home.folder.mkdir(parents=True, exist_ok=True)
    home.folder.chmod(0o700)
    for name, size in (("secret_key", 48), ("admin_password", 18)):
        _write_secret_once(home.folder / name, size)
    _refuse_weak_secret(home.folder / "secret_key")
    return home


def _refuse_weak_secret(path: Path) -> None:
    weakness = find_weakness(path.read_text(encoding="ascii", errors="replace").strip())
    if weakness:
        raise DashboardError(
            f"Superset 的密钥 {path} 太弱，拒绝启动（{weakness}）。删除该文件，下次启动时自动生成。",
            f"Superset's secret {path} is too weak to start with ({weakness}). Delete the file: a strong one is made at the next start.",
        )


def _write_secret_once(path: Path, size: int) -> None:
    # O_EXCL: two first starts at once must agree on one secret.
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(size))


def _make_environment(home: _Home, lang: str) -> dict[str, str]:
    # Only what the server needs: a PYTHONPATH or an AIRFLOW_HOME of the pipeline would leak into the other environment.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ", "TMPDIR") if name in os.environ}
    return kept | {
        "FLASK_APP": "superset",
        "SUPERSET_CONFIG_PATH": str(ROOM / "superset_config.py"),
        "PYTHONPATH": str(ROOM),
        "TANLIAN_SUPERSET_HOME": str(home.folder),
        "TANLIAN_SUPERSET_ADMIN": ADMIN,
        "TANLIAN_LANG": "zh" if lang == "zh" else "en",
        # Whom the page of explanations asks, and about which data.
        "TANLIAN_COMMAND": str(Path(sys.executable).with_name("tanlian")),
        "TANLIAN_DATA": str(home.folder.parent),
        "SCARF_ANALYTICS": "false",
        "PYTHONUNBUFFERED": "1",
    }


def _read_version(python: Path) -> str:
    code = "from importlib.metadata import version; print(version('apache-superset'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DashboardError(
            f"环境 {python.parent.parent} 中没有 apache-superset。请重新安装 requirements/superset.txt。",
            f"The environment {python.parent.parent} has no apache-superset. Install requirements/superset.txt again.",
        )
    return done.stdout.strip()


def _is_prepared(home: _Home, version: str) -> bool:
    if not home.prepared_file.exists():
        return False
    return bool(json.loads(home.prepared_file.read_text(encoding="utf-8")) == _describe_setup(version))


def _describe_setup(version: str) -> dict[str, str]:
    """What the metadata was made by: another version of Superset or of the preparation makes it ready again."""
    preparation = hashlib.sha256((ROOM / "prepare_metadata.py").read_bytes()).hexdigest()
    return {"superset_version": version, "preparation": preparation}


def _prepare(python: Path, home: _Home, environment: dict[str, str]) -> None:
    log = home.folder / "prepare.log"
    with log.open("wb") as out:
        done = subprocess.run(
            [python, ROOM / "prepare_metadata.py"],
            env=environment,
            cwd=home.folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=PREPARE_TIMEOUT_S,
            check=False,
        )
    if done.returncode != 0:
        raise DashboardError(
            f"Superset 的元数据库没有准备好（退出码 {done.returncode}）。日志：{log}\n{_read_tail(log)}",
            f"Superset's metadata could not be set up (exit code {done.returncode}). Log: {log}\n{_read_tail(log)}",
        )


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as fault:
            raise DashboardError(
                f"端口 {port} 已被另一个程序占用，请换一个端口。",
                f"Port {port} is taken by another program; choose another one.",
            ) from fault


def _launch(python: Path, home: _Home, environment: dict[str, str], port: int, lang: str, workers: int) -> Server:
    command = [
        *(str(python), "-m", "gunicorn", "--bind", f"{HOST}:{port}"),
        # Threads inside each process: the queries run in DuckDB, which leaves the interpreter free.
        *("--workers", str(workers), "--worker-class", "gthread", "--threads", "8"),
        *("--timeout", "120", "--keep-alive", "75", "--graceful-timeout", "2", "--no-control-socket", "--access-logfile", "-"),
        "superset.app:create_app()",
    ]
    with home.log_file.open("ab") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=home.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    seen = psutil.Process(process.pid)
    record = {"pid": process.pid, "port": port, "created": seen.create_time()}
    home.process_file.write_text(json.dumps(record), encoding="utf-8")
    server = _describe(home, port, process.pid)
    try:
        _wait_until_healthy(server, seen, lang)
    except BaseException:
        stop(home.folder.parent)
        raise
    return server


def _wait_until_healthy(server: Server, process: psutil.Process, lang: str) -> None:
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{server.url}/health", timeout=10, trust_env=False).status_code == 200:
                return
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.5)
    raise DashboardError(
        f"Superset 没有启动。日志：{server.log_file}\n{_read_tail(server.log_file)}",
        f"Superset did not start. Log: {server.log_file}\n{_read_tail(server.log_file)}",
    )


def _read_tail(path: Path, lines: int = 12) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _list_session(leader: int) -> list[psutil.Process]:
    """Every living process of the session that `leader` opened, also those whose parent is gone."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _end_session(leader: int) -> None:
    # SIGTERM to the leader lets gunicorn finish requests; what does not go by itself is ended by number.
    with contextlib.suppress(ProcessLookupError):
        os.kill(leader, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while _list_session(leader) and time.monotonic() < deadline:
        time.sleep(0.2)
    for process in _list_session(leader):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    # Where this process is the parent, waiting also takes the ended leader off the table of processes.
    with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        psutil.Process(leader).wait(timeout=5)
    deadline = time.monotonic() + 5
    while _list_session(leader) and time.monotonic() < deadline:
        time.sleep(0.1)
