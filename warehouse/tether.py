"""A program on a tether: it ends when the process that started it does, however that one ended.

A killed release would otherwise leave dbt building for minutes, on a folder that the next run may be clearing away. The kernel sends the
signal (Linux), so that nothing has to be alive to send it; elsewhere the program runs as any other.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tethered(command: list[str]) -> list[str]:
    """The command line that runs `command` tied to this process."""
    return [sys.executable, "-IS", __file__, str(os.getpid()), *command]


def main() -> None:
    """Tie this process to its parent, then become the program."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):  # it ended before the tie was made
            raise SystemExit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
