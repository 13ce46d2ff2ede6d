"""A pull as a whole takes no longer than it was given, whatever the remote does."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter

from ingest.connectors.declaration import Connector
from ingest.connectors.faults import ConnectorFault, out_of_time

_LONGEST_PAUSE_S = 120.0
_GRACE_S = 2.0

Answer = TypeVar("Answer")


class Deadline:
    """How much time is left."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self._end - time.monotonic()

    def check(self) -> None:
        """Raises ConnectorFault once the time is over; call it between chunks."""
        if self.left <= 0:
            raise out_of_time(self.seconds)

    @contextmanager
    def alarmed(self) -> Iterator[None]:
        """Interrupt even a call that waits for ever: a remote that sends a byte a minute never lets `check` have its turn.

        Only the main thread can be interrupted, and that is where the command runs.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ring(*_: object) -> None:
            raise out_of_time(self.seconds)

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, self.seconds + _GRACE_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _asks_again(error: BaseException) -> bool:
    return isinstance(error, ConnectorFault) and error.retry


def try_again(connector: Connector, deadline: Deadline, act: Callable[[], Answer]) -> Answer:
    """Do what may fail in passing, with pauses that double and jitter; the remote's own wish to wait is respected.

    Raises:
        ConnectorFault: the last one, when attempts or time are used up.
    """
    pause = wait_exponential_jitter(multiplier=connector.retry_seconds, max=_LONGEST_PAUSE_S, jitter=connector.retry_seconds)

    def wait(state: RetryCallState) -> float:
        error: Any = state.outcome.exception() if state.outcome else None
        return max(pause(state), getattr(error, "wait_seconds", 0.0))

    def stop(state: RetryCallState) -> bool:
        return state.attempt_number >= connector.attempts or state.upcoming_sleep >= deadline.left

    return Retrying(stop=stop, wait=wait, retry=retry_if_exception(_asks_again), reraise=True)(act)
