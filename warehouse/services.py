"""The servers a person looks at: `up` starts Airflow and Superset on loopback, `down` ends every process that `up` started."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dashboards.publication
import dashboards.server
from warehouse.airflow_client import wait_for_dags
from warehouse.airflow_server import Airflow, end_airflow, start_airflow

# A process of Superset answers one question at a time outside DuckDB, and takes 300 MB.
MOST_WORKERS = 4
TEXTS = {
    "superset": {"zh": "Superset：启动", "en": "Superset: starting"},
    "superset_ready": {"zh": "Superset：{url}  用户 {user}，密码见 {file}", "en": "Superset: {url}  user {user}, password in {file}"},
    "dashboard": {"zh": "仪表板：{url}", "en": "Dashboard: {url}"},
    "readers": {
        "zh": "各读者（公众、银行、地区）以自己的名称登录，密码见 {folder}",
        "en": "Readers (public, banks, regions) sign in by their own names; their passwords are in {folder}",
    },
    "no_release": {
        "zh": "还没有发布，仪表板尚未导入；发布后运行 tanlian dashboards publish。",
        "en": "There is no release yet, so no dashboard was imported; run tanlian dashboards publish after one.",
    },
    "airflow_ended": {"zh": "Airflow：结束了 {count} 个进程", "en": "Airflow: ended {count} processes"},
    "airflow_absent": {"zh": "Airflow：没有在运行", "en": "Airflow: was not running"},
    "superset_ended": {"zh": "Superset：已停止", "en": "Superset: stopped"},
    "superset_absent": {"zh": "Superset：没有在运行", "en": "Superset: was not running"},
}


@dataclass(frozen=True)
class Ports:
    """Where the servers listen, on 127.0.0.1 only."""

    airflow: int = 8080
    superset: int = 8088


@dataclass(frozen=True)
class Services:
    """What runs; `dashboards` has an address per language, and is empty before the first release."""

    airflow: Airflow
    superset: dashboards.server.Server
    dashboards: dict[str, str]


def start_services(data: Path, superset_environment: Path, ports: Ports, lang: str, say: Callable[[str], None]) -> Services:
    """Start both servers, import the dashboards and say where everything is; what runs already stays as it is.

    Raises AirflowError or DashboardError, both with `text(lang)`.
    """
    airflow = start_airflow(data, ports.airflow, lang, say)
    wait_for_dags(airflow)
    say(TEXTS["superset"][lang])
    superset = dashboards.server.start(
        data, superset_environment, ports.superset, lang, say, workers=min(os.cpu_count() or 1, MOST_WORKERS)
    )
    say(TEXTS["superset_ready"][lang].format(url=superset.url, user=superset.user, file=superset.password_file))
    addresses: dict[str, str] = {}
    if (data / "releases" / "current").exists():
        published = dashboards.publication.publish(superset.url, superset.user, superset.password, data)
        addresses = published.urls
        say(TEXTS["dashboard"][lang].format(url=addresses[lang]))
        say(TEXTS["readers"][lang].format(folder=next(iter(published.password_files.values())).parent))
    else:
        say(TEXTS["no_release"][lang])
    return Services(airflow, superset, addresses)


def end_services(data: Path, lang: str, say: Callable[[str], None]) -> None:
    """End every process of both servers; raises AirflowError when one of Airflow's is still there."""
    stopped = dashboards.server.stop(data)
    say(TEXTS["superset_ended" if stopped else "superset_absent"][lang])
    count = end_airflow(data)
    say(TEXTS["airflow_ended" if count else "airflow_absent"][lang].format(count=count))
