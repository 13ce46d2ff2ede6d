"""The command line's sentences in the reader's language, from one YAML."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml


@cache
def _texts() -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = yaml.load(Path(__file__).with_suffix(".yaml").read_bytes(), Loader=yaml.CSafeLoader)
    return texts


def write_second(instant: str) -> str:
    """An instant of the ledger or a manifest, to the second; UTC, which whoever shows it says beside it."""
    return instant[:19].replace("T", " ")


def write_utc(instant: str) -> str:
    """The same with its zone: nobody should take it for the time on the wall."""
    return f"{write_second(instant)} (UTC)"


def say(key: str, lang: str, **values: object) -> str:
    """The sentence `key` in `lang`, with its places filled."""
    return _texts()[key][lang].format(**values)
