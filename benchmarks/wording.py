"""The benchmark's sentences in the reader's language."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml


@cache
def _texts() -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name("texts.yaml").read_text(encoding="utf-8"))
    return texts


def say(key: str, lang: str, **values: object) -> str:
    return _texts()[key][lang].format(**values)
