"""Exact pins, and no address of any registry: where packages come from is the machine's business."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

Read = Callable[[Path], str]

PIN = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,_-]+\])?==[^\s;,<>=]+( ; .+)?")
ADDRESS = re.compile(r"https?://|--(?:extra-)?index-url|--find-links|(?:^|\s)-[if] |trusted-host", re.MULTILINE)


def find_loose_pins(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not PIN.fullmatch(line)]


def name_of(line: str) -> str:
    """Normalised name of a requirement line."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", line.strip(), maxsplit=1)[0]).lower()


def find_unpinned(wanted: str, pins: str) -> set[str]:
    """Names asked for that have no pin; comment lines and markers that never hold ask for nothing."""
    asked = {name_of(line) for line in wanted.splitlines() if line.strip() and not line.startswith("#") and "'never'" not in line}
    return asked - {name_of(line) for line in pins.splitlines()}


def test_finders_find_planted_offences() -> None:
    assert find_loose_pins("a==1.0\nb>=2\nc\nd @ file\n--index-url x\ne==1.* ; x") == ["b>=2", "c", "d @ file", "--index-url x"]
    assert ADDRESS.search("pip install --index-url x") and ADDRESS.search("-i somewhere") and ADDRESS.search("https://pypi.example")
    assert find_unpinned("Foo_Bar>=1\nbaz\n# no", "foo-bar==1") == {"baz"}


@pytest.mark.parametrize("name", ["pipeline", "superset"])
def test_pins_are_exact_and_complete(name: str, root: Path) -> None:
    pins = (root / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert len(pins.splitlines()) > 50
    assert not find_loose_pins(pins)
    assert not find_unpinned((root / "requirements" / f"{name}.in").read_text(encoding="utf-8"), pins)


def test_no_registry_is_named(tracked: list[Path], read: Read) -> None:
    looked_at = [path for path in tracked if path.parts[0] in {"requirements", ".ci", "Makefile", "pyproject.toml"}]
    assert len(looked_at) >= 8
    assert not {str(path): found for path in looked_at if (found := ADDRESS.findall(read(path)))}
