"""The data catalogue: one page in both languages, searchable offline, made from what the release was made from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dashboards.reports.numbers import write_instant
from dashboards.reports.wording import LANGUAGES, Text, load_wording
from ingest.contract import Contract, Message, read_contracts
from ingest.reference import ReferenceLists
from warehouse.exchange.files import Source, open_source
from warehouse.lineage.columns import list_origins, list_parents
from warehouse.lineage.steps import Key, Steps
from warehouse.own_tables import describe_columns, read_own_tables

MODELS = Path(__file__).parents[2] / "dbt_project" / "models"
SEEDS = MODELS.parent / "seeds"
PAGE = "index.html"
_OF_FILE = re.compile(r"\bmethods\.md ")
_MOST_ORIGINS = 40


def write_catalogue(file: Path, steps: Steps | None, reference: Path | None, out: Path) -> Path:
    """Write `index.html` and `catalogue.json` into `out`; gives the page.

    Args:
        file: the reader's file: the catalogue lists its marts and no other.
        steps: the models kept with the release, for the lineage of columns; without them the catalogue says that it has none.
    """
    source = open_source(file)
    try:
        document = collect_catalogue(source, steps, read_lists(ReferenceLists(overlay=reference)))
    finally:
        source.connection.close()
    out.mkdir(parents=True, exist_ok=True)
    (out / "catalogue.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    page = out / PAGE
    page.write_text(render_catalogue(document), encoding="utf-8")
    return page


def collect_catalogue(source: Source, steps: Steps | None, lists: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything the page shows."""
    summary = (source.read("select * from marts.release__summary") or [{}])[0]
    contracts = read_contracts()
    described = read_descriptions()
    return {
        "release": {
            "release_id": summary.get("release_id"),
            "as_of": write_instant(summary.get("as_of")),
            "published_at": write_instant(summary.get("published_at")),
            "is_demonstration": bool(summary.get("is_demonstration")),
            "has_lineage": steps is not None,
        },
        "marts": [_mart(source, name, described.get(name), steps) for name in source.marts],
        "sources": [_source(contract, source) for contract in contracts.values()],
        "lists": lists,
    }


def read_descriptions() -> Mapping[str, Text]:
    """Mart -> what it holds, as the models' own YAML says it, and the release of the tables it adds."""
    found = {}
    for path in sorted(MODELS.rglob("_*.yml")):
        document = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader) or {}
        for model in document.get("models", []):
            text = _split(str(model.get("description", "")))
            found[model["name"]] = Text(**text) if text else Text("", "")
    return found | {name: table.text for name, table in read_own_tables().items()}


def _pair(text: Text | None) -> dict[str, str] | None:
    return text.as_dict() if text else None


def _mart(source: Source, mart: str, text: Text | None, steps: Steps | None) -> dict[str, Any]:
    entries = describe_columns(mart)
    place = f"marts.{mart}"
    traced = steps if steps is not None and place in steps.final else None
    columns = []
    for name, kind in source.marts[mart].items():
        entry = entries.get(name)
        columns.append(
            {
                "name": name,
                "type": kind,
                "label": _pair(entry.label) if entry else None,
                "text": _pair(entry.text) if entry else None,
                "from": _write_places(list_parents(traced, place, name)) if traced else [],
                "origins": _write_places(list_origins(traced, place, name)[:_MOST_ORIGINS]) if traced else [],
            }
        )
    count = source.read(f'select count(*) as n from marts."{mart}"')[0]["n"]
    return {"name": mart, "text": _pair(text), "row_count": count, "columns": columns}


def _write_places(keys: list[Key]) -> list[str]:
    """Relation and column, without the layer that the relation stands in."""
    return sorted(f"{place.rpartition('.')[2]}.{column}" for place, column in keys)


def _source(contract: Contract, file: Source) -> dict[str, Any]:
    """A source: what it promises, how fresh it is, under which licence it may be used."""
    fresh: dict[str, Any] = {}
    if "release__sources" in file.marts:
        rows = file.read("select last_received_at, is_stale from marts.release__sources where source = $1", [contract.source])
        fresh = rows[0] if rows else {}
    return {
        "name": contract.source,
        "title": {"zh": contract.title.zh, "en": contract.title.en},
        "purpose": {"zh": contract.purpose.zh, "en": contract.purpose.en},
        "version": contract.version,
        "history": contract.history,
        "key": list(contract.key),
        "cadence_days": contract.cadence_days,
        "last_received": write_instant(fresh.get("last_received_at")),
        "is_stale": fresh.get("is_stale"),
        "publications": _publications(contract),
        "columns": [
            {
                "name": column.name,
                "label": _both(column.title),
                "text": _both(column.description),
                "type": column.sql_type,
                "unit": column.shown_unit,
                "required": column.required,
            }
            for column in contract.columns
        ],
    }


def _both(message: Message | None) -> dict[str, str] | None:
    return {"zh": message.zh, "en": message.en} if message else None


def _publications(contract: Contract) -> list[dict[str, Any]]:
    """The publications that the source's layouts read: who publishes them, where they are cited, under which licence where that is stated."""
    found = []
    for path in contract.layouts:
        layout = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader) or {}
        found.append({"layout": path.stem} | {name: layout.get(name) for name in ("title", "publisher", "citation", "licence")})
    return found


def read_lists(reference: ReferenceLists) -> list[dict[str, Any]]:
    """Reference lists and policy parameters with the documents that they were taken from."""
    with duckdb.connect() as con:
        reference.load(con)
        return [_list(con, name) for name in sorted(reference.files)]


def _list(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    columns = [row[0] for row in con.execute(f'describe reference."{name}"').fetchall()]
    count = (con.execute(f'select count(*) from reference."{name}"').fetchone() or (0,))[0]
    confidence = "confidence" if "confidence" in columns else "null"
    query = f'select distinct citation, {confidence} from reference."{name}" where citation is not null order by all'
    cited = con.execute(query).fetchall() if "citation" in columns else []
    described = read_seeds().get(name, {})
    heads = {column["name"]: _split(column.get("description", "")) for column in described.get("columns", [])}
    return {
        "name": name,
        "title": _split(described.get("description", "")),
        "row_count": count,
        "columns": [{"name": column, "text": heads.get(column)} for column in columns],
        "citations": [{"text": text, "confidence": mark} for text, mark in cited],
    }


@cache
def read_seeds() -> Mapping[str, Any]:
    """List -> its description and its columns', as the one YAML on the lists has them."""
    document = yaml.load((SEEDS / "_seeds.yml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return {seed["name"]: seed for seed in document["seeds"]}


def _split(text: str) -> dict[str, str] | None:
    """`zh | en`, as the YAML of models and lists is written; the page says no names of files."""
    zh, _, en = _OF_FILE.sub("", text).partition(" | ")
    return {"zh": zh.strip(), "en": en.strip() or zh.strip()} if text else None


def render_catalogue(document: dict[str, Any]) -> str:
    """The page: everything inside, searched by a few lines of script, nothing loaded."""
    environment = Environment(loader=PackageLoader("warehouse.exchange"), autoescape=True, undefined=StrictUndefined)
    room = files("warehouse.exchange").joinpath("templates")
    # Inside a script element only `<` could end it.
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    words = {code: text.as_dict() for code, text in load_wording().items() if code.startswith(("catalogue_", "confidence_", "history_"))}
    return environment.get_template("catalogue.html").render(
        style=Markup(room.joinpath("catalogue.css").read_text(encoding="utf-8")),
        script=Markup(room.joinpath("catalogue.js").read_text(encoding="utf-8")),
        data=Markup(data),
        words=Markup(json.dumps(words, ensure_ascii=False).replace("<", "\\u003c")),
        languages=LANGUAGES,
        title=load_wording()["catalogue_title"],
    )
