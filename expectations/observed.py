"""What a check saw, in the reader's language: its query writes it in English, and the phrases of `observed.yaml` turn it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml

_PLACE = re.compile(r"\\\{(\w)\\\}")


@cache
def _phrases() -> list[tuple[re.Pattern[str], str]]:
    entries = yaml.load(Path(__file__).with_suffix(".yaml").read_bytes(), Loader=yaml.CSafeLoader)
    return [(re.compile(_PLACE.sub(r"(?P<\1>[^\\s,;]+)", re.escape(entry["en"]))), entry["zh"]) for entry in entries]


def speak_observed(observed: str, lang: str) -> str:
    """The words around the figures and names in a language; what is no known phrase stays as it is."""
    if lang == "zh":
        for pattern, phrase in _phrases():
            observed = pattern.sub(lambda found, phrase=phrase: phrase.format(**found.groupdict()), observed)  # type: ignore[misc]
    return observed
