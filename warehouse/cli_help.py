"""The words of `--help` that the library brings in English only, and the order in which commands are shown: that of a delivery's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from warehouse.texts import say

_ORDER = (
    *("doctor", "run", "up", "down", "status", "demo", "fetch", "listen", "deliver", "land", "receipt", "quarantine"),
    *("build", "release", "releases", "report", "dashboards", "world"),
)
_LAST = ("contracts",)
_WORDS = {
    "Usage: ": "help.word_usage",
    "Options": "help.word_options",
    "Arguments": "help.word_arguments",
    "Commands": "help.word_commands",
    "Show this message and exit.": "help.word_help",
}


def _place(name: str) -> int:
    if name in _LAST:
        return len(_ORDER) + 1
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _speak(text: str, lang: str) -> str:
    if text in _WORDS:
        return say(_WORDS[text], lang)
    return text.replace("[required]", say("help.word_required", lang)).replace("[default: ", say("help.word_default", lang))


def _formatter_of(kind: Any, lang: str) -> Any:
    """The library's formatter, speaking a language."""

    class SpokenFormatter(kind):  # type: ignore[misc]
        def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
            super().write_usage(prog, args, _speak(prefix or "Usage: ", lang))

        @contextmanager
        def section(self, name: str) -> Iterator[None]:
            with super().section(_speak(name, lang)):
                yield

        def write_dl(self, rows: Any, *sizes: int, **named: int) -> None:
            super().write_dl([(term, _speak(text, lang)) for term, text in rows], *sizes, **named)

    return SpokenFormatter


def translate_help(command: Any, lang: str) -> Any:
    """A command and all below it, with help in a language, in order, and with no sentence cut short."""
    kind = command.context_class
    command.context_class = type("SpokenContext", (kind,), {"formatter_class": _formatter_of(kind.formatter_class, lang)})
    command.short_help = command.help
    if hasattr(command, "commands"):
        command.commands = {name: translate_help(command.commands[name], lang) for name in sorted(command.commands, key=_place)}
    return command
