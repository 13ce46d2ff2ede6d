"""What tests of several packages share: the published data beside the checkout, and the `tanlian` command as a person runs it."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# The same examples every time, and none judged by how long it took: what fails here fails on every machine, however busy.
# `--hypothesis-profile=explore` draws new ones.
settings.register_profile("same", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None)
settings.load_profile("same")

# Below the ports that the system hands out by itself (/proc/sys/net/ipv4/ip_local_port_range): a server here takes a minute to come to
# its port, and until then any connection of another process could be given that number.
_PORTS = itertools.cycle(range(20_000, 29_000))


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

    def run(data: Path, *arguments: str, timeout: float = 1_800, **environment: str) -> subprocess.CompletedProcess[str]:
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


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Figures of a long test, shown at the end of the run."""
    return lambda **figures: request.node.user_properties.append(("figures", figures))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Figures that long tests measured, to be kept in docs/reliability.md."""
    for report in terminalreporter.getreports("passed"):
        for name, figures in report.user_properties:
            if name == "figures" and "soak" in report.keywords:
                terminalreporter.write_line(f"{report.nodeid}: {figures}")


def find_free_port() -> int:
    """A port of loopback that is free and that no other worker of this run is given."""
    worker = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))) or 0)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    for port in _PORTS:
        with socket.socket() as probe:
            if port % workers == worker and probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("the ports never end")
