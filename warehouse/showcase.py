"""`make run`: the demonstration world, in two batches, through the real DAGs to a published release; later, whatever the inbox holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from ingest.contract import in_reference_order, read_contracts
from ingest.inert import visible
from warehouse.dag_run import DagRunner, DagRuns, Progress
from warehouse.demonstration import make_world
from warehouse.inbox import waiting_files
from warehouse.ledger import Ledger
from warehouse.release import current_release
from warehouse.settings import ROOT, Settings, SettingsError
from warehouse.summary import show_release, show_sources, summarise_sources, write_current_report
from warehouse.terminal import Terminal

# Batch -> the folders of the world that arrive with it: what is exchanged comes when everything it refers to is there.
STAGES = {"first": ("first",), "second": ("second", "exchange")}


def make_demonstration(settings: Settings, enterprises: int, lines: int | None = None) -> Path:
    """Make the demonstration world below the data directory, and mark the data directory as holding synthetic data."""
    folder = settings.data / "demonstration"
    try:
        make_world(folder, enterprises=enterprises, lines=lines)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    (settings.data / "demonstration.json").write_text(json.dumps({"enterprises": enterprises, "lines": lines}), encoding="utf-8")
    return folder


def put_stage(settings: Settings, stage: str) -> int:
    """Copy a batch of the demonstration world into the inbox; gives the number of files. A file appears whole, by a rename."""
    count = 0
    world = settings.data / "demonstration"
    for path in (path for folder in STAGES[stage] for path in sorted((world / folder / "inbox").rglob("*"))):
        if path.is_file():
            target = settings.inbox / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(target.name + ".part")
            shutil.copyfile(path, part)
            part.replace(target)
            count += 1
    return count


def sources_in_order() -> list[str]:
    """The sources, those that others refer to first, so that few rows have to wait."""
    return in_reference_order(read_contracts())


def _show_progress(terminal: Terminal, update: Callable[[str], None]) -> Callable[[Progress], None]:
    def show(progress: Progress) -> None:
        update(" ".join(part for part in (progress.dag, progress.task, progress.state, progress.text) if part))
        if not progress.task and progress.state != "running":
            terminal.remark(f"  {progress.dag}: {progress.state} ({progress.seconds:.1f} s)")

    return show


def _run_batch(runner: DagRunner, terminal: Terminal, title: str) -> DagRuns:
    with terminal.working(title) as update:
        return runner.run(sources_in_order(), _show_progress(terminal, update))


def _run_demonstration(settings: Settings, terminal: Terminal, enterprises: int, runner: DagRunner) -> list[DagRuns]:
    """Both batches of the demonstration, each landed and released; stops where a batch did not come through."""
    runs: list[DagRuns] = []
    with terminal.working(terminal.text("run.demo")):
        make_demonstration(settings, enterprises)
    for number, stage in enumerate(STAGES, start=1):
        put_stage(settings, stage)
        runs.append(_run_batch(runner, terminal, terminal.text("run.batch", number=number)))
        if runs[-1].exit_code:
            break
    return runs


def run_everything(settings: Settings, terminal: Terminal, enterprises: int) -> int:
    """Run what there is to run, then show where things stand; gives the exit code."""
    settings.data.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(settings.ledger)
    before = current_release(settings)
    untouched = not ledger.deliveries()
    waiting = any(waiting_files(settings, source) for source in sources_in_order())
    with DagRunner(settings.data) as runner:
        if untouched and not waiting:
            runs = _run_demonstration(settings, terminal, enterprises, runner)
        else:
            runs = [_run_batch(runner, terminal, terminal.text("run.inbox"))]
    for text in (text for run in runs for text in (*run.refused, *run.broken)):
        terminal.out.print(visible(text), markup=False, style="yellow")
    after = current_release(settings)
    if after is not None and after == before and not any(run.exit_code for run in runs):
        terminal.tell("run.nothing", style="cyan")
    show_sources(terminal, summarise_sources(settings, ledger))
    show_release(terminal, settings)
    report = ROOT / "report.html"
    if after is not None and (after != before or not report.exists()):
        with terminal.working(terminal.text("run.report")):
            write_current_report(settings, ledger, report)
    if after is not None:
        terminal.tell("report.done", path=report)
        terminal.tell("run.next", report=report)
    return max((run.exit_code for run in runs), default=0)
