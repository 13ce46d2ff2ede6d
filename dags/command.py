"""Run a `tanlian` command from a task and turn its exit code into the task's outcome.

A task does nothing that a person cannot type. Exit code 1 (the program broke) may be tried again; 3 (data refused)
and 2 (usage) may not: the same bytes would be refused again, and a retry must never widen what passes.
"""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException

from ingest.inert import visible_line

log = logging.getLogger("airflow.task")

DONE, BROKEN, USAGE, REFUSED = 0, 1, 2, 3
# A scheduler pays about a second per task, so hundreds of files share a few tasks; a group is also what is tried
# again after a failure, so groups stay small where there are few files.
MOST_GROUPS = 8
FILES_PER_GROUP = 25
_PIPES: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


class DataRefused(AirflowFailException):
    """A delivery was rejected or a gate stopped the release: final, never tried again."""


def find_command() -> str:
    """Path of `tanlian`: the one installed beside this interpreter, unless the environment names another."""
    return os.environ.get("TANLIAN_COMMAND") or str(Path(sys.executable).with_name("tanlian"))


def run_command(*arguments: str, secrets: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """Exit code (0 or 3) and JSON answer of `tanlian --json …`; every other end raises. `secrets` go into its environment, nowhere else."""
    line = [find_command(), "--json", *arguments]
    log.info("$ tanlian %s", visible_line(" ".join(line[1:])))
    with subprocess.Popen(line, env=os.environ | dict(secrets or {}), **_PIPES) as process:
        assert process.stdout is not None and process.stderr is not None
        reader = threading.Thread(target=_copy_to_log, args=(process.stderr,), daemon=True)
        reader.start()
        answer = process.stdout.read()
        code = process.wait()
        reader.join()
    if code == USAGE:
        raise AirflowFailException(f"命令用法有误，不重试 / wrong usage, not tried again: tanlian {' '.join(arguments)}")
    if code not in (DONE, REFUSED):
        raise AirflowException(f"程序故障（退出码 {code}），将重试 / the program broke (exit code {code}), will be tried again")
    return code, _read_answer(answer, code)


def read_connection(name: str) -> str | None:
    """An Airflow connection, wherever it is kept, in the form in which the environment would hold it; None where there is none."""
    try:
        return str(Connection.get(name).as_json())
    except AirflowNotFoundException:
        return None


def fetch_files(source: str, read: Callable[[str], str | None] = read_connection) -> list[str]:
    """What `tanlian fetch` brought for a source: names of the inbox. A refusal is final; a remote that is away is tried again."""
    _, connectors = run_command("fetch", "--source", source, "--list")
    names = {connector["credential"] for connector in connectors if connector["credential"]}
    secrets = {f"AIRFLOW_CONN_{name.upper()}": text for name in sorted(names) if (text := read(name)) is not None}
    code, pulled = run_command("fetch", "--source", source, "--due", secrets=secrets)
    files = [file["file"] for result in pulled for file in result["files"]]
    log.info("%s: %s", source, _show({result["connector"]: result["outcome"] for result in pulled}))
    if code == REFUSED:
        raise DataRefused("\n".join(_describe_pull(result) for result in pulled if result["faults"]))
    return files


def _describe_pull(result: dict[str, Any]) -> str:
    faults = [visible_line(f"  {fault['code']}: {fault['message_zh']} / {fault['message_en']}") for fault in result["faults"]]
    return "\n".join([f"{result['source']}: 连接器未能取全 / not all could be fetched: {result['connector']}", *faults])


def find_deliveries(source: str) -> list[str]:
    """Names of the files waiting in the source's inbox, in received order (names begin with the day)."""
    _, waiting = run_command("land", "--source", source, "--list")
    return sorted(delivery["file"] for delivery in waiting)


def group_deliveries(files: list[str], most_groups: int, group_size: int = FILES_PER_GROUP) -> list[list[str]]:
    """The files cut into at most `most_groups` runs of neighbours, their order kept."""
    size = max(group_size, math.ceil(len(files) / most_groups))
    return [files[start : start + size] for start in range(0, len(files), size)]


def land_deliveries(source: str, files: Iterable[str]) -> tuple[list[dict[str, Any]], str | None]:
    """In short what became of each file, and what was refused and why (None when nothing was).

    A name that has left the inbox is no error: the run before was interrupted, and the command takes up what it had received.
    """
    code, receipts = run_command("land", "--source", source, *(part for name in files for part in ("--file", name)))
    for receipt in receipts:
        kept = ("source", "file", "delivery_id", "verdict", "counts", "fault_counts", "kept_in")
        short = {name: receipt[name] for name in kept if name in receipt}
        log.log(logging.WARNING if receipt.get("fault_counts") else logging.INFO, "%s", _show(short))
    refused = [describe_refusal(receipt) for receipt in receipts if receipt["verdict"] == "rejected"]
    for text in refused:
        log.error("%s", text)
    if code == REFUSED and not refused:
        refused = [f"{source}: 有数据被拒，但收据未写明 / data refused, but no receipt says which"]
    return [{"file": receipt["file"], "accepted": receipt["counts"]["accepted"]} for receipt in receipts], "\n".join(refused) or None


def may_have_landed(groups: Iterable[list[dict[str, Any]] | None], group_count: int) -> bool:
    """Whether the groups brought rows into landing, as far as is known.

    A group that says nothing broke half-way and may have landed files before it did: an idle build costs little, a missed one shows.
    """
    known = [group for group in groups if group is not None]
    return len(known) < group_count or any(landed["accepted"] for group in known for landed in group)


def describe_refusal(receipt: dict[str, Any]) -> str:
    """One paragraph that names the delivery and each rule it broke, in Chinese and English."""
    reasons = [visible_line(f"  {reason['code']}: {reason['message_zh']} / {reason['message_en']}") for reason in receipt["reasons"]]
    return "\n".join([visible_line(f"{receipt['source']}: 文件被拒 / delivery refused: {receipt['file']}"), *reasons])


def publish_release() -> dict[str, Any]:
    """The answer of `tanlian release`; a gate that stops it fails the task at once and is named."""
    code, answer = run_command("release")
    log.info("%s", _show(answer))
    if code == REFUSED:
        text = describe_gates(answer)
        log.error("%s", text)
        raise DataRefused(text)
    return dict(answer)


def describe_gates(answer: dict[str, Any]) -> str:
    """Which gates stopped the release and which of their checks did not hold, in Chinese and English."""
    lines = ["发布被门禁拦下，上一版本仍然有效 / a gate stopped the release, the last one stays in force"]
    for gate in answer["gates"]:
        if not gate["success"]:
            lines.append(f"  {gate['suite']}: {gate['checks_run']} 项检查 / checks, {gate['rows_examined']} 行 / rows")
            lines += [f"    {_describe_failure(failure)}" for failure in gate["failures"]]
    return "\n".join(lines)


def _describe_failure(failure: dict[str, Any]) -> str:
    message = failure.get("message") or {"zh": "未通过", "en": "did not hold"}
    observed = f" ({failure['observed']})" if failure.get("observed") else ""
    return visible_line(f"{failure['severity']} {failure['check']}: {message['zh']} / {message['en']}{observed}")


def _show(answer: Any) -> str:
    """A command's answer on one line of the log; JSON leaves the control characters above ASCII and direction marks as they are."""
    return visible_line(json.dumps(answer, ensure_ascii=False))


def _copy_to_log(stream: IO[str]) -> None:
    for line in stream:
        log.info("%s", visible_line(line.rstrip()))


def _read_answer(text: str, code: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise AirflowException(f"命令的回答不是 JSON / the command's answer is not JSON (exit code {code}): {text[:200]!r}") from error
