"""What tests of several packages share: the published data beside the checkout, and the `tanlian` command as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of acceptance worlds and published data; tests that need it say so where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("../shared is not beside the checkout")
    return folder


@pytest.fixture(scope="session")
def tanlian() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `tanlian ARGUMENTS` on a data directory; further keywords are environment variables."""

    def run(data: Path, *arguments: str, timeout: float = 900, **environment: str) -> subprocess.CompletedProcess[str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TANLIAN_")}
        return subprocess.run(
            [str(Path(sys.executable).with_name("tanlian")), *arguments],
            env=plain | {"TANLIAN_DATA": str(data), "TANLIAN_LANG": "en", "TANLIAN_THREADS": "2", "COLUMNS": "200"} | environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Figures that long tests measured, to be kept in docs/reliability.md."""
    for report in terminalreporter.getreports("passed"):
        for name, figures in report.user_properties:
            if name == "figures" and "soak" in report.keywords:
                terminalreporter.write_line(f"{report.nodeid}: {figures}")
