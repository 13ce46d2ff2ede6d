"""Measure one size: both sides by turns, the run of median length, and what a run costs when nothing is new."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.child import Run, run_child
from benchmarks.country import Size, make_country
from benchmarks.pipeline import THREADS
from warehouse.demonstration import World, make_world

Result = dict[str, Any]
Say = Callable[[str], None]


class CodeChanged(RuntimeError):
    """A run that should have found nothing new did: somebody edited the code while it was measured."""


def _measured(run: Run) -> Result:
    return {"whole": asdict(run.whole), "peak_bytes": run.peak_bytes}


def measure_bare(world: World, out: Path) -> Result:
    run = run_child([sys.executable, "-m", "benchmarks.bare", str(world.first), str(out)])
    result: Result = json.loads(run.said) | _measured(run)
    return result


def measure_pipeline(world: World, data: Path) -> Result:
    """The pipeline from an empty data directory to a release, then the two commands again, each from its start, with nothing to do."""
    run = run_child([sys.executable, "-m", "benchmarks.pipeline", str(world.first), str(data)])
    result: Result = json.loads(run.said) | _measured(run)
    tanlian = [str(Path(sys.executable).with_name("tanlian")), "--json", "--as-of", result["as_of"]]
    environment = {"TANLIAN_DATA": str(data), "TANLIAN_THREADS": str(THREADS), "TANLIAN_LANG": "en"}
    landed = run_child([*tanlian, "land"], environment)
    released = run_child([*tanlian, "release"], environment)
    if json.loads(landed.said) != [] or json.loads(released.said)["status"] != "nothing_new":
        raise CodeChanged(f"expected nothing new, found {landed.said} {released.said[:60]}")
    result["nothing_new"] = {"land": asdict(landed.whole), "release": asdict(released.whole)}
    return result


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def take_median(results: list[Result]) -> Result:
    """The run of median length, whole, so that its stages add up; beside it the length of every run."""
    by_length = sorted(results, key=lambda result: result["whole"]["wall"])
    return by_length[(len(by_length) - 1) // 2] | {"runs": [result["whole"] for result in results]}


def round_numbers(value: Any) -> Any:
    """Tenths of milliseconds are noise."""
    if isinstance(value, dict):
        return {name: round_numbers(part) for name, part in value.items()}
    if isinstance(value, list):
        return [round_numbers(part) for part in value]
    return round(value, 4) if isinstance(value, float) else value


def make_demonstration(lines: int, folder: Path) -> World:
    """The demonstration world of about so many activity lines."""
    return make_world(folder, lines=lines)


def make_whole_country(size: Size, folder: Path) -> World:
    """A country with every instrument's sources, as CSV, which both sides read."""
    make_country(size, folder, file_format="csv")
    counts = (size.enterprises, size.disclosures, size.disclosures * size.lines)
    return World(folder, folder, folder, folder, folder / "truth.json", *counts)


def measure_size(size: int | Size, repeats: int, work: Path, say: Say) -> Result:
    """Make a world of so many activity lines, or a country of a size, and measure both sides; who goes first alternates."""
    lines = size if isinstance(size, int) else size.disclosures * size.lines
    say(f"{lines}: world")
    world = make_demonstration(size, work / "world") if isinstance(size, int) else make_whole_country(size, work / "world")
    results: dict[str, list[Result]] = {"bare": [], "pipeline": []}
    sides = {"bare": measure_bare, "pipeline": measure_pipeline}
    for repeat in range(repeats):
        for name in sorted(sides, reverse=bool(repeat % 2)):
            say(f"{lines}: {name} {repeat + 1}/{repeats}")
            out = work / name
            out.mkdir()
            results[name].append(sides[name](world, out / "data"))
            shutil.rmtree(out)
    measured = {
        "lines": lines,
        "line_count": world.line_count,
        "disclosure_count": world.disclosure_count,
        "inbox_bytes": _size_of(world.first / "inbox"),
        "repeats": repeats,
        **{name: round_numbers(take_median(found)) for name, found in results.items()},
    }
    shutil.rmtree(work / "world")
    return measured
