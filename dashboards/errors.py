"""What the dashboards room says when it cannot go on, in both languages from one place."""

from __future__ import annotations


class DashboardError(Exception):
    """A fault a person can act on: where, what was found, what to do. `text(lang)` is what the command prints."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.texts: dict[str, str] = {"zh": zh, "en": en}

    def text(self, lang: str) -> str:
        return self.texts["zh" if lang == "zh" else "en"]
