"""An explanation as one HTML file that needs nothing else: both languages, a picture of the chain, every text escaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ingest.inert import visible
from warehouse.lineage import named
from warehouse.lineage.picture import BOX_HEIGHT, BOX_WIDTH, draw
from warehouse.texts import say

SHOWN_ROWS = 200
FIRST_ROWS = 20  # stand open; further ones are folded, so that the page can be read and printed
_SECTION = re.compile(r"[（(]methods\.md [^）)]*[）)]")


def write_page(document: dict[str, Any], lang: str, path: Path) -> None:
    """Write the page; `lang` is the one shown first."""
    path.write_text(render_page(document, lang), encoding="utf-8")


def render_page(document: dict[str, Any], lang: str) -> str:
    """The page as text. Control characters and direction marks of delivered texts are shown by number."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = lambda value: visible(str(value))
    environment.globals["both"] = lambda key, **values: {code: visible(say(key, code, **values)) for code in ("zh", "en")}
    told = document | {
        "steps": [step | {"description": _drop_section(step["description"])} for step in document["steps"]],
        "method": document["method"] | _drop_section({code: document["method"][code] for code in ("zh", "en")}),
    }
    return environment.get_template("page.html").render(
        document=told,
        picture=draw(told),
        named=named,
        deliveries_of=_list_deliveries,
        columns_of=_list_columns,
        lang=lang,
        box_width=BOX_WIDTH,
        box_height=BOX_HEIGHT,
        shown_rows=SHOWN_ROWS,
        first_rows=FIRST_ROWS,
    )


def _drop_section(words: dict[str, str]) -> dict[str, str]:
    """A model's description without the section of the methods, which stands beside it on the page."""
    return {lang: _SECTION.sub("", text).strip() for lang, text in words.items()}


def _list_deliveries(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The deliveries that brought these rows, each once, with how many of the rows."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for row in rows:
        place = (row["delivery"]["sequence"], row["file"])
        found.setdefault(place, {"delivery": row["delivery"], "file": row["file"], "row_count": 0})["row_count"] += 1
    return list(found.values())


def _list_columns(rows: list[dict[str, Any]]) -> list[str]:
    """Columns of a list in which something stands."""
    return [name for name in rows[0]["cells"] if any(row["cells"][name] not in (None, "") for row in rows)] if rows else []
