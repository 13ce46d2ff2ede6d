"""What the house tests look at: the files that belong to the project, read once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Files that git holds or would take up, relative to the checkout."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    files = sorted(Path(name) for name in set(listed) if name and (ROOT / name).is_file())
    assert len(files) > 100, "a check must fail on nothing"
    return files


@pytest.fixture(scope="session")
def read() -> Callable[[Path], str]:
    """The text of a file of the project by its relative path; bytes that are no UTF-8 are replaced, since only words are looked for."""
    texts: dict[Path, str] = {}

    def read_once(path: Path) -> str:
        if path not in texts:
            texts[path] = (ROOT / path).read_text(encoding="utf-8", errors="replace")
        return texts[path]

    return read_once
