"""`python -m benchmarks`: measure, print the table, write figures and plot."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.compare import LARGE
from benchmarks.country import Size, read_size
from benchmarks.machine import describe_machine, read_load
from benchmarks.measure import measure_size
from benchmarks.plot import draw
from benchmarks.table import put_between_markers, show
from benchmarks.wording import say
from warehouse.release import code_version
from warehouse.settings import read_settings

SIZES = (10_000, 100_000, 1_000_000)
LEAST = 3_000  # a smaller demonstration lacks the disclosures its own faults start from
HERE = Path(__file__).parent
FIGURES, PAGE = HERE / "figures", HERE / "README.md"


def read_sizes(text: str, lang: str) -> list[int]:
    words = [word.strip().replace("_", "") for word in text.split(",")]
    if not all(word.isdigit() and int(word) >= LEAST for word in words):
        raise argparse.ArgumentTypeError(say("bad_sizes", lang, least=LEAST, found=text))
    return [int(word) for word in words]


def read_country(text: str, lang: str) -> Size:
    try:
        return read_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(say("bad_country", lang, found=text)) from error


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    lang = next((word for before, word in pairwise(arguments) if before == "--lang"), read_settings().lang)
    lang = lang if lang in ("zh", "en") else "en"
    parser = argparse.ArgumentParser("python -m benchmarks", description=say("help", lang))
    shown = ",".join(str(size) for size in SIZES)
    parser.add_argument("--sizes", type=lambda text: read_sizes(text, lang), default=list(SIZES), help=say("help.sizes", lang, sizes=shown))
    parser.add_argument("--country", type=lambda text: read_country(text, lang), help=say("help.country", lang))
    parser.add_argument("--repeats", type=int, choices=range(1, 10), metavar="1-9", help=say("help.repeats", lang))
    parser.add_argument("--out", type=Path, help=say("help.out", lang))
    parser.add_argument("--lang", choices=("zh", "en"), default=lang, help=say("help.lang", lang))
    return parser.parse_args(arguments)


def count_lines(size: int | Size) -> int:
    return size if isinstance(size, int) else size.disclosures * size.lines


def measure(sizes: Sequence[int | Size], repeats: int | None) -> dict[str, Any]:
    """All sizes, smallest first; the figures say which code they were measured on."""
    load = read_load()
    version = code_version()
    measured = []
    for size in sorted(sizes, key=count_lines):
        with tempfile.TemporaryDirectory() as work:
            times = repeats or (1 if count_lines(size) >= LARGE else 3)
            measured.append(measure_size(size, times, Path(work), lambda text: print(text, file=sys.stderr, flush=True)))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "code_version": version,
        "machine": describe_machine(),
        "load_before": load,
        "load_after": read_load(),
        "sizes": measured,
    }


def write(document: dict[str, Any], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{document['date']}.json"
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for lang in ("zh", "en"):
        draw(document, lang, folder / f"speed_{lang}.svg")
    return path


def main() -> None:
    arguments = read_arguments(sys.argv[1:])
    document = measure([arguments.country] if arguments.country else arguments.sizes, arguments.repeats)
    show(document, arguments.lang)
    is_whole = not arguments.country and set(arguments.sizes) >= set(SIZES)
    if arguments.out is None and not is_whole:
        return
    path = write(document, arguments.out or FIGURES)
    if arguments.out is None:
        put_between_markers(PAGE, document)
    print(say("written", arguments.lang, path=path))


if __name__ == "__main__":
    main()
