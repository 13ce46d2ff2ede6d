"""What can go wrong with a remote place, each with a code, a sentence in both languages, and whether trying again may help."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from ingest.contract import Message


class ConnectorFault(Exception):
    """A pull that did not get what it asked for.

    Args:
        code: short name of the fault.
        message: one sentence; holds no secret, since it is shown, logged and kept.
        retry: whether the same request is tried again within this pull.
        later: whether a later pull may succeed without anybody doing anything; such a fault is no refusal.
        wait_seconds: how long the remote asked to wait.
    """

    def __init__(self, code: str, message: Message, *, retry: bool, later: bool, wait_seconds: float = 0.0) -> None:
        super().__init__(f"{code}: {message.zh} / {message.en}")
        self.code = code
        self.message = message
        self.retry = retry
        self.later = later
        self.wait_seconds = wait_seconds

    def without(self, secrets: Iterable[str]) -> ConnectorFault:
        """The same fault with every secret blotted out: a remote may have sent one back in its answer."""
        zh, en = self.message.zh, self.message.en
        for secret in secrets:
            # Host names lose their case and addresses are quoted on the way.
            for form in {secret, quote(secret), quote(secret, safe="")}:
                blot = re.compile(re.escape(form), re.IGNORECASE)
                zh, en = blot.sub("***", zh), blot.sub("***", en)
        return ConnectorFault(self.code, Message(zh, en), retry=self.retry, later=self.later, wait_seconds=self.wait_seconds)


def unreachable(zh: str, en: str, wait_seconds: float = 0.0) -> ConnectorFault:
    """The remote did not answer, or asked to come again."""
    return ConnectorFault("unreachable", Message(zh, en), retry=True, later=True, wait_seconds=wait_seconds)


def out_of_time(seconds: float) -> ConnectorFault:
    return ConnectorFault(
        "out_of_time",
        Message(f"超过时限 {seconds:g} 秒，余下的留待下次。", f"Took longer than {seconds:g} seconds: the rest is left for the next time."),
        retry=False,
        later=True,
    )


def refused(code: str, zh: str, en: str) -> ConnectorFault:
    """The remote gave what cannot be used, and will again unless somebody changes something."""
    return ConnectorFault(code, Message(zh, en), retry=False, later=False)


def broken(zh: str, en: str) -> ConnectorFault:
    """An answer that may have been damaged on the way: asked for again now, a refusal when it stays so."""
    return ConnectorFault("broken_answer", Message(zh, en), retry=True, later=False)


def too_large(name: str, largest: int) -> ConnectorFault:
    return refused("too_large", f"{name} 超过 {largest:,} 字节，未取。", f"{name} is larger than {largest:,} bytes and was not fetched.")
