"""The DAG that turns what has landed into a release: one writer, one run at a time."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, AssetAny, AssetOrTimeSchedule, CronTriggerTimetable, task
from airflow.sdk.exceptions import AirflowSkipException
from command import publish_release
from sources import list_sources, name_landing

DOC = """
### 构建、过门禁、发布 / Build, gate, publish

任一来源有新数据入湖即运行 `tanlian release`：新建一个 DuckDB 文件、用 dbt 构建、过门禁、原子切换到新版本。门禁不通过时任务失败且不重试，
上一版本仍然有效。每天北京时间 02:30 另运行一次，以免漏掉的通知使数据滞留；没有变化则不发布。

Runs `tanlian release` whenever any source has landed something: a new DuckDB file, built by dbt, gated, switched to atomically. A gate
that stops it fails the task without a retry and the last release stays in force. It also runs at 02:30 Beijing time, so that a lost
notice cannot strand rows; without a change nothing is published.
"""

with DAG(
    dag_id="build_release",
    # Scheduler state is never the truth: the nightly run picks up what a lost asset event left behind.
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("30 2 * * *", timezone="Asia/Shanghai"),
        assets=AssetAny(*(name_landing(source) for source in list_sources())),
    ),
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30), "retry_exponential_backoff": True},
    doc_md=DOC,
    tags=["release"],
) as dag:

    @task(pool="duckdb_writer")
    def publish() -> dict[str, object]:
        answer = publish_release()
        if answer["status"] == "nothing_new":
            raise AirflowSkipException("没有变化，未发布 / nothing new, nothing published")
        return answer

    publish()
