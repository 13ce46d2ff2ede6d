"""The command line's sentences in the reader's language, from one YAML."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml


@cache
def _texts() -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = yaml.load(Path(__file__).with_suffix(".yaml").read_bytes(), Loader=yaml.CSafeLoader)
    return texts


def say(key: str, lang: str, **values: object) -> str:
    """The sentence `key` in `lang`, with its places filled."""
    return _texts()[key][lang].format(**values)
