"""One DAG per contract: what lies in a source's inbox is taken, checked, gated and landed.

The files of one source land in received order: one run, one task at a time, in the order of the mapped groups; a group
whose predecessor did not end leaves its files in the inbox, and the next run takes them in order.
"""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException
from command import MOST_GROUPS, DataRefused, fetch_files, find_deliveries, group_deliveries, land_deliveries, may_have_landed
from sources import list_connected, list_sources, name_landing

EVERY_MINUTES = 5
START = pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai")

DOC = """
### 数据源 `{source}` 入湖 / Landing of source `{source}`

每 {minutes} 分钟查看收件箱 `inbox/{source}/`；有新文件时按接收顺序取走、校验、过门禁、入湖，被拒的行与文件进入隔离区并写明原因。
一个文件被拒不影响同一来源的其他文件；数据被拒不重试，程序故障才重试。约定见 `ingest/sources/{source}/`。

Looks into `inbox/{source}/` every {minutes} minutes; new files are taken in received order, checked, gated and landed, refused
rows and files go to quarantine with their reasons. A refused file does not keep the source's other files out; refused data is
never tried again, a broken program is. The contract is in `ingest/sources/{source}/`.

| 任务 task | 中文 | English |
| --- | --- | --- |
| `fetch` | 有连接器才有：先取新文件；取不到不妨碍入湖，但运行为红色 | only with connectors: fetches what is new; a failure stops no landing, but the run is red |
| `find` | 列出待取文件并分组 | lists the waiting files and groups them |
| `land` | `tanlian land`，每组一次 | `tanlian land`, once per group |
| `announce` | 有新数据入湖时更新资产 `tanlian://landing/{source}` | updates the asset when something landed |
| `confirm` | 全部入湖才为绿色 | green only when everything landed |
"""


def spread_minutes(source: str) -> str:
    """A cron line of the source's own minute, so that twenty sources do not start at once."""
    return f"{zlib.crc32(source.encode()) % EVERY_MINUTES}-59/{EVERY_MINUTES} * * * *"


def make_landing(source: str, is_connected: bool) -> DAG:
    """The DAG of one source; one that connectors feed fetches first."""
    with DAG(
        dag_id=f"land_{source}",
        schedule=spread_minutes(source),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        default_args={"retries": 2, "retry_delay": timedelta(seconds=30), "retry_exponential_backoff": True},
        params={
            "groups": Param(MOST_GROUPS, type="integer", minimum=1, maximum=100, description="一次运行最多分几组 / most groups of one run")
        },
        doc_md=DOC.format(source=source, minutes=EVERY_MINUTES),
        tags=["landing"],
    ) as dag:

        @task.short_circuit(trigger_rule=TriggerRule.ALL_DONE)
        def find() -> list[list[str]]:
            context: Any = get_current_context()
            return group_deliveries(find_deliveries(source), context["params"]["groups"])

        @task(max_active_tis_per_dag=1, map_index_template="{{ label }}")
        def land(files: list[str]) -> None:
            context: Any = get_current_context()
            context["label"] = files[0] if len(files) == 1 else f"{files[0]} … {files[-1]}"
            run = context["ti"]
            if run.map_index > 0 and run.xcom_pull(task_ids="land", key="landed", map_indexes=run.map_index - 1) is None:
                raise AirflowSkipException("前一组未完成，文件留待下一次 / the group before did not end, the files wait for the next run")
            landed, refused = land_deliveries(source, files)
            run.xcom_push(key="landed", value=landed)
            if refused:
                raise DataRefused(refused)

        @task(trigger_rule=TriggerRule.ALL_DONE, outlets=[name_landing(source)])
        def announce(groups: list[list[str]] | None) -> None:
            run: Any = get_current_context()["ti"]
            groups = groups or []  # nothing, where `find` broke
            ended = run.xcom_pull(task_ids="land", key="landed", map_indexes=range(len(groups)))
            if not may_have_landed(ended, len(groups)):
                raise AirflowSkipException("没有新数据入湖 / nothing new landed")

        groups = find()
        if is_connected:

            @task
            def fetch() -> list[str]:
                return fetch_files(source)

            # An end of its own, since `find` skips what follows it when the inbox is empty, and a failed fetch must show.
            fetch() >> [groups, EmptyOperator(task_id="confirm_fetch")]
        landed = land.expand(files=groups)
        landed >> [announce(groups), EmptyOperator(task_id="confirm")]
    return dag


_connected = list_connected()
for _source in list_sources():
    globals()[f"land_{_source}"] = make_landing(_source, _source in _connected)
