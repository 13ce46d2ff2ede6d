"""What the tables that a release adds to its marts mean: the words for them, and the words for any mart's columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from dashboards.reports.figures import Entry, read_dictionary
from dashboards.reports.wording import Text


@dataclass(frozen=True)
class OwnTable:
    """A table of the release's own: what it holds, and its columns."""

    text: Text
    columns: Mapping[str, Entry]


@cache
def read_own_tables() -> Mapping[str, OwnTable]:
    """Every table that a release adds, by its name."""
    document = yaml.load(Path(__file__).with_name("own_tables.yaml").read_bytes(), Loader=yaml.CSafeLoader)
    return {
        name: OwnTable(Text(**table["description"]), {column: _entry(Text(**text)) for column, text in table["columns"].items()})
        for name, table in document.items()
    }


def _entry(text: Text) -> Entry:
    return Entry(Text(re.split("[:：]", text.zh)[0], text.en.split(":")[0]), text)


def describe_columns(mart: str) -> Mapping[str, Entry]:
    """The words for a mart's columns: the release's own tables have theirs, all others the dictionary's."""
    own = read_own_tables().get(mart)
    return own.columns if own else read_dictionary()
