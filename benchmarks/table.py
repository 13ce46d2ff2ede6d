"""The figures as tables: for the terminal, and for the page as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.compare import Line, compare
from benchmarks.wording import say

BEGIN, END = "<!-- figures {lang}: begin -->", "<!-- figures {lang}: end -->"
COLUMNS = ("measure", "ours", "bare", "ratio", "cpu_ratio", "aim")


def write_amount(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    digits = 0 if unit == "MiB" or value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def write_ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}×" if value < 10 else f"{value:,.1f}×"


def write_aim(line: Line, lang: str) -> str:
    if line.aim is None:
        return ""
    bound = f"≤ {line.aim:g}×" if line.ratio is not None else f"≤ {line.aim:g} {line.unit}"
    return f"{bound} {say('met' if line.is_met else 'missed', lang)}"


def write_cells(line: Line, lang: str) -> list[str]:
    return [
        say(line.measure, lang),
        write_amount(line.ours, line.unit),
        write_amount(line.bare, line.unit),
        write_ratio(line.ratio),
        write_ratio(line.cpu_ratio),
        write_aim(line, lang),
    ]


def write_title(size: dict[str, Any], lang: str) -> str:
    megabytes = f"{size['inbox_bytes'] / 1e6:,.1f}"
    return say("title", lang, lines=f"{size['line_count']:,}", disclosures=f"{size['disclosure_count']:,}", megabytes=megabytes)


def describe_run(document: dict[str, Any], lang: str) -> str:
    machine = document["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    named = {name: machine[name] for name in ("processor", "cores", "python")}
    load = f"{document['load_before'] / machine['cores']:.1f}"
    return say("machine", lang, date=document["date"], memory=machine["memory_gib"], packages=packages, load=load, **named)


def show(document: dict[str, Any], lang: str) -> None:
    """Print a table per size."""
    console = Console()
    for size in document["sizes"]:
        table = Table(title=write_title(size, lang), title_justify="left")
        for name in COLUMNS:
            table.add_column(say(name, lang), justify="left" if name in ("measure", "aim") else "right")
        for line in compare(size):
            table.add_row(*write_cells(line, lang))
        console.print(table)
    console.print(describe_run(document, lang), style="dim")


def write_markdown(document: dict[str, Any], lang: str) -> str:
    blocks = [describe_run(document, lang)]
    for size in document["sizes"]:
        rows = [[say(name, lang) for name in COLUMNS], ["---", "--:", "--:", "--:", "--:", "---"]]
        rows += [write_cells(line, lang) for line in compare(size)]
        blocks += [f"**{write_title(size, lang)}**", "\n".join(f"| {' | '.join(row)} |" for row in rows)]
    return "\n\n".join(blocks)


def put_between_markers(page: Path, document: dict[str, Any]) -> None:
    """Replace the figures of both languages on the page; what stands around them is written by hand."""
    text = page.read_text(encoding="utf-8")
    for lang in ("zh", "en"):
        begin, end = BEGIN.format(lang=lang), END.format(lang=lang)
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{page.name}: expected the markers {begin} and {end}")
        text = f"{before}{begin}\n{write_markdown(document, lang)}\n{end}{after}"
    page.write_text(text, encoding="utf-8")
