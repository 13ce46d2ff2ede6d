"""What the DAG tests share: an Airflow home of their own and a stand-in for `tanlian` whose exit code a file's content decides."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Airflow writes its home when it is imported, and by default that is a folder in the user's home directory.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="tanlian-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
sys.path.insert(0, str(ROOT / "dags"))

# The DAGs' own logic is the mapping of exit codes, orders and states; the end-to-end test runs the real command.
STAND_IN = """#!{python}
import json, os, sys
from pathlib import Path

data = Path(os.environ["TANLIAN_DATA"])
words = [word for word in sys.argv[1:] if word != "--json"]
with (data / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
if words[0] == "release":
    print((data / "release.json").read_text())
    sys.exit(int((data / "release.code").read_text()))
inbox = data / "inbox" / words[words.index("--source") + 1]
if words[0] == "fetch":
    remote = json.loads((data / "remote.json").read_text())
    if "--list" in words:
        print(json.dumps([{{"connector": "c", "credential": remote["credential"]}}]))
        sys.exit(0)
    with (data / "credentials.jsonl").open("a") as seen:
        seen.write(json.dumps({{name: text for name, text in os.environ.items() if name.startswith("AIRFLOW_CONN_")}}) + "\\n")
    if remote["code"] not in (0, 3):
        sys.exit(remote["code"])
    inbox.mkdir(parents=True, exist_ok=True)
    for name, content in remote["files"].items():
        (inbox / name).write_text(content)
    (data / "remote.json").write_text(json.dumps(remote | {{"files": {{}}}}))
    faults = [{{"code": "web_page", "message_zh": "网页", "message_en": "a web page"}}] if remote["code"] == 3 else []
    files = [{{"file": name}} for name in remote["files"]]
    print(json.dumps([{{"connector": "c", "source": inbox.name, "outcome": "fetched", "files": files, "faults": faults}}]))
    sys.exit(remote["code"])
if "--list" in words:
    if "unlistable" in os.listdir(inbox):
        sys.exit(1)
    print(json.dumps([{{"file": path.name, "size": path.stat().st_size}} for path in sorted(inbox.iterdir(), reverse=True)]))
    sys.exit(0)
receipts = []
for name in [words[place + 1] for place, word in enumerate(words) if word == "--file"]:
    content = (inbox / name).read_text()
    if content == "breaks":
        print("about to break at " + name, file=sys.stderr)
        sys.exit(1)
    (inbox / name).unlink()
    reasons = [{{"code": "no_data_rows", "message_zh": "没有数据行", "message_en": "no data rows"}}] if content == "refused" else []
    verdict = "rejected" if reasons else "accepted"
    counts = {{"accepted": 0 if reasons else 1}}
    receipts.append({{"source": inbox.name, "file": name, "verdict": verdict, "reasons": reasons, "counts": counts}})
print(json.dumps(receipts))
sys.exit(3 if any(receipt["reasons"] for receipt in receipts) else 0)
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory whose `tanlian` is the stand-in, and which publishes."""
    command = tmp_path / "tanlian"
    command.write_text(STAND_IN.format(python=sys.executable), encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("TANLIAN_COMMAND", str(command))
    monkeypatch.setenv("TANLIAN_DATA", str(folder))
    answer_release(folder, 0, {"status": "published", "release_id": "r1", "gates": []})
    return folder


def answer_release(data: Path, code: int, answer: dict[str, Any]) -> None:
    """Fix what `tanlian release` says from now on."""
    (data / "release.code").write_text(str(code), encoding="ascii")
    (data / "release.json").write_text(json.dumps(answer), encoding="utf-8")


def refuse_release(data: Path) -> None:
    """Let the gate of the footprint marts stop the release from now on."""
    message = {"zh": "总量不等于各部分之和", "en": "a total is not the sum of its parts"}
    failure = {"check": "total_is_sum", "severity": "critical", "message": message, "observed": "3 rows"}
    gates = [
        {"suite": "marts.ets", "success": True, "checks_run": 4, "rows_examined": 9, "failures": []},
        {"suite": "marts.footprint", "success": False, "checks_run": 7, "rows_examined": 90, "failures": [failure]},
    ]
    answer_release(data, 3, {"status": "refused", "release_id": None, "gates": gates})


def put_files(data: Path, source: str, contents: dict[str, str], inbox: str = "inbox") -> None:
    """Put files into a source's inbox; what a file says decides what becomes of it."""
    folder = data / inbox / source
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")


def connect(data: Path, source: str, code: int = 0, files: dict[str, str] | None = None, credential: str | None = None) -> None:
    """Declare a connector of the source; what the stand-in's `fetch` brings, and how it ends."""
    (data / "connectors").mkdir(exist_ok=True)
    (data / "connectors" / "c.yaml").write_text(f"kind: folder\nsource: {source}\npath: /srv/x\n", encoding="utf-8")
    (data / "remote.json").write_text(json.dumps({"code": code, "files": files or {}, "credential": credential}), encoding="utf-8")


def read_calls(data: Path) -> list[list[str]]:
    """The commands the tasks ran, in order, without the program's name."""
    return [json.loads(line) for line in (data / "calls.jsonl").read_text(encoding="utf-8").splitlines()]


DESCRIBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
sys.path.insert(0, sys.argv[1])
bag = DagBag(dag_folder=sys.argv[1])
json.dump({"errors": bag.import_errors, "dags": {name: {
    "doc": dag.doc_md, "catchup": dag.catchup, "max_active_runs": dag.max_active_runs,
    "assets": [asset.uri for asset in dag.timetable.asset_condition.objects] if dag.timetable.asset_condition else [],
    "tasks": {task.task_id: {"retries": task.retries, "pool": task.pool, "mapped": task.is_mapped, "at_once": task.max_active_tis_per_dag,
        "outlets": [outlet.uri for outlet in task.outlets or []]} for task in dag.tasks},
} for name, dag in bag.dags.items()}}, open(sys.argv[2], "w"))
"""


@pytest.fixture(scope="session")
def describe_dags(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """A function: the DAGs that Airflow finds, with the sources of a folder (None: the project's own) and the connectors of another."""

    def describe(sources: Path | None, connectors: Path | None = None) -> dict[str, Any]:
        home = tmp_path_factory.mktemp("home")
        environment = os.environ | {"AIRFLOW_HOME": str(home)} | ({"TANLIAN_SOURCES": str(sources)} if sources else {})
        environment["TANLIAN_CONNECTORS"] = str(connectors or home / "none")
        out = home / "dags.json"
        subprocess.run([sys.executable, "-c", DESCRIBE, ROOT / "dags", out], env=environment, check=True, capture_output=True)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found

    return describe
