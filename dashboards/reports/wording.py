"""Words in both languages, from one place, so that neither language can say something the other does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")


@dataclass(frozen=True)
class Text:
    """One statement in Chinese and English."""

    zh: str
    en: str

    def __getitem__(self, language: str) -> str:
        return self.zh if language == "zh" else self.en

    def fill(self, **values: object) -> Text:
        """Insert values; a `Text` value enters in the language it is inserted into. Braces in values stay as they are."""
        filled = {
            language: self[language].format(**{k: v[language] if isinstance(v, Text) else v for k, v in values.items()})
            for language in LANGUAGES
        }
        return Text(filled["zh"], filled["en"])

    def as_dict(self) -> dict[str, str]:
        return {"zh": self.zh, "en": self.en}


def same(text: object) -> Text:
    """What reads alike in both languages: a number, a code, a date."""
    return Text(str(text), str(text))


@cache
def load_wording() -> Mapping[str, Text]:
    """All fixed statements of the reports by their code.

    Raises KeyError where a language is missing: a half-translated report is not written.
    """
    entries: dict[str, dict[str, str]] = {}
    for name in ("wording.yaml", "audience_wording.yaml"):
        entries |= yaml.load(files(__package__).joinpath(name).read_text(encoding="utf-8"), yaml.CSafeLoader)
    return {code: Text(entry["zh"], entry["en"]) for code, entry in entries.items()}


def say(code: str, **values: object) -> Text:
    """The statement of that code, with values inserted."""
    text = load_wording()[code]
    return text.fill(**values) if values else text


def load_entries(name: str) -> list[dict[str, Any]]:
    """A YAML list of this package whose `{zh, en}` mappings become `Text` (methods, citations)."""
    entries = yaml.safe_load(files(__package__).joinpath(name).read_text(encoding="utf-8"))
    return [{k: Text(**v) if isinstance(v, dict) else v for k, v in entry.items()} for entry in entries]
