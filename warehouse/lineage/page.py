"""An explanation as one HTML file that needs nothing else: both languages, a picture of the chain, every text escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ingest.inert import visible
from warehouse.lineage.picture import BOX_HEIGHT, BOX_WIDTH, draw
from warehouse.texts import say

SHOWN_ROWS = 200


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
    return environment.get_template("page.html").render(
        document=document, picture=draw(document), lang=lang, box_width=BOX_WIDTH, box_height=BOX_HEIGHT, shown_rows=SHOWN_ROWS
    )
