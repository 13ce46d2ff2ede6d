"""Tables of where things stand: sources, worlds, the last release and its headline figures; and the report on it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from dashboards.reports.headline import headline_figures
from dashboards.reports.report import write_report
from ingest.contract import read_contracts
from warehouse.inbox import waiting_files
from warehouse.ledger import Ledger
from warehouse.release import current_release, read_manifest
from warehouse.settings import Settings
from warehouse.terminal import Terminal
from warehouse.world import Judged

_COUNT_COLUMNS = [("table.received", "right"), ("table.accepted", "right"), ("table.duplicate", "right"), ("table.quarantined", "right")]


_WIDE = 100  # columns of a terminal that also has room for when a source last came


def summarise_sources(settings: Settings, ledger: Ledger, as_of: datetime | None = None) -> list[dict[str, Any]]:
    """Per source: files, verdict counts, waiting rows, what lies in the inbox, and when something last came.

    Args:
        as_of: count the files received until then; what has become of their rows, and the inbox, are as they are now.
    """
    summary = []
    for contract in read_contracts().values():
        rows = [row for row in ledger.deliveries(contract.source) if as_of is None or datetime.fromisoformat(row["received_at"]) <= as_of]
        summary.append(
            {
                "source": contract.source,
                "title": {"zh": contract.title.zh, "en": contract.title.en},
                "files": len(rows),
                "rejected_files": sum(row["status"] == "rejected" for row in rows),
                **{name: sum(row[name] for row in rows) for name in ("received", "accepted", "duplicate", "quarantined", "waiting")},
                "inbox": len(waiting_files(settings, contract.source)),
                "last_received_at": max((row["received_at"] for row in rows), default=None),
            }
        )
    return summary


def show_sources(terminal: Terminal, found: list[dict[str, Any]]) -> None:
    counts = ("files", "received", "accepted", "duplicate", "quarantined", "waiting", "rejected_files", "inbox")
    keys = ("files", "received", "accepted", "duplicate", "quarantined", "waiting", "rejected", "inbox")
    columns = [("table.source", "left"), *((f"table.{key}", "right") for key in keys)]
    # The code is what `--source` and the inbox's folders are called by; its English needs no second name.
    names = [entry["source"] if terminal.lang == "en" else f"{entry['title']['zh']} {entry['source']}" for entry in found]
    rows = [[name, *(entry[count] for count in counts)] for name, entry in zip(names, found, strict=True)]
    if terminal.out.width >= _WIDE:
        columns.append(("table.last", "left"))
        rows = [[*row, (entry["last_received_at"] or "-")[:16].replace("T", " ")] for row, entry in zip(rows, found, strict=True)]
    terminal.table(terminal.text("table.deliveries"), columns, rows)


def show_world(terminal: Terminal, judged: Judged, out: Path) -> None:
    rows = [
        [source, *(counts[name] for name in ("received", "accepted", "duplicate", "quarantined", "rejected_files"))]
        for source, counts in judged.verdicts["sources"].items()
    ]
    terminal.table(terminal.text("table.deliveries"), [("table.source", "left"), *_COUNT_COLUMNS, ("table.rejected", "right")], rows)
    if judged.verdicts["unsupported"]:
        terminal.tell("world.unsupported", style="yellow", sources=", ".join(judged.verdicts["unsupported"]))
    terminal.gates(judged.gates)
    if judged.release_id is None:
        terminal.tell("release.refused", style="bold red")
    else:
        terminal.tell("release.published", style="bold green", release=judged.release_id)
    terminal.tell("world.done", path=out)


def previous_release_file(settings: Settings, folder: Path) -> Path | None:
    """The ministry file of a release's parent, while it is kept."""
    parent = read_manifest(folder)["parent_release_id"]
    path = settings.releases / parent / "ministry.duckdb" if parent else None
    return path if path and path.exists() else None


def show_release(terminal: Terminal, settings: Settings) -> None:
    """The release in force: gates and five headline figures with their change."""
    folder = current_release(settings)
    if folder is None:
        terminal.tell("release.nothing_at_all")
        return
    manifest = read_manifest(folder)
    terminal.gates(manifest["gates"])
    columns = [("table.figure", "left"), ("table.value", "right"), ("table.change", "left"), ("table.where", "left")]
    rows = []
    for figure in headline_figures(folder / "ministry.duckdb", previous_release_file(settings, folder)):
        told = figure.as_dict()
        lang = terminal.lang
        change = f"{told['change']['display'][lang]}  {told['change']['basis'][lang]}"
        rows.append([told["title"][lang], Text(told["display"][lang], style="bold"), change, told["mart"]])
    terminal.table(f"{terminal.text('table.figures')} · {folder.name}", columns, rows)


def write_current_report(settings: Settings, ledger: Ledger, out: Path | None) -> Path | None:
    """Write the report on the release in force; None before the first."""
    folder = current_release(settings)
    return None if folder is None else write_release_report(settings, folder, out)


def write_release_report(settings: Settings, folder: Path, out: Path | None) -> Path:
    """Write the report on a release."""
    path = out or settings.data / "reports" / f"{folder.name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_report(folder / "ministry.duckdb", previous_release_file(settings, folder), read_manifest(folder), path, settings.lang)
