"""Airflow's own state: where it lives, how it is configured, and its database.

Everything is below `<data>/airflow`, so two data directories never meet and nothing is written to the home directory.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path

from warehouse.settings import ROOT

DAGS = ROOT / "dags"
USER = "admin"
WRITER_POOL = "duckdb_writer"
# Airflow's default of 32 worker processes takes 5.6 GB; four are as fast on a small machine.
PARALLELISM = 4
# How long a part of Airflow waits for another's write; five seconds, the default, are too few where a disk is slow.
SQLITE_TIMEOUT_S = 60


class AirflowError(Exception):
    """Airflow could not do its work. `texts` has the message in zh and en."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.texts: dict[str, str] = {"zh": zh, "en": en}

    def text(self, lang: str) -> str:
        return self.texts["zh" if lang == "zh" else "en"]


def describe_environment(data: Path, port: int = 8080) -> dict[str, str]:
    """The environment of every Airflow process of this data directory: the caller's, and Airflow's settings."""
    home = data.resolve() / "airflow"
    database = os.environ.get("TANLIAN_AIRFLOW_DB") or f"sqlite:///{home / 'airflow.db'}?timeout={SQLITE_TIMEOUT_S}"
    address = f"http://127.0.0.1:{port}"
    # `airflow` and `tanlian` of this environment first, whatever the caller's PATH says.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    # A colour code or a progress bar in a log file helps nobody.
    return os.environ | {
        "PATH": path,
        "NO_COLOR": "1",
        "TANLIAN_DATA": str(data.resolve()),
        "AIRFLOW_HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "secrets" / "passwords.json"),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": keep_secret(home / "secrets" / "api_key"),
        "AIRFLOW__API_AUTH__JWT_SECRET": keep_secret(home / "secrets" / "jwt"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "60",
    }


def keep_secret(path: Path) -> str:
    """The secret in this file; made once, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
    except FileExistsError:
        pass
    return path.read_text(encoding="ascii")


def keep_password(data: Path) -> str:
    """The password of Airflow's one user, in the form its simple login reads."""
    folder = data / "airflow" / "secrets"
    password = keep_secret(folder / "password")
    file = folder / "passwords.json"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(json.dumps({USER: password}), encoding="ascii")
    return password


def prepare_database() -> None:
    """Bring Airflow's database to this version and make the writer's pool; runs inside an Airflow process."""
    from airflow.models.pool import Pool
    from airflow.utils.db import initdb

    initdb()
    Pool.create_or_update_pool(WRITER_POOL, slots=1, description="one writer of the warehouse", include_deferred=False)


if __name__ == "__main__":
    prepare_database()
