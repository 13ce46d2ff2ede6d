"""Bring back what was edited in the browser, as a change of files that can be reviewed.

A text goes into the definition that it came from, in its language; anything else is put into the generated asset, where the difference
is seen and the check for drift names the file until the definition says the same. What Superset itself adds or numbers is no edit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dashboards.assets import ASSETS, build_assets, render, render_assets, write_assets
from dashboards.charts import Node
from dashboards.client import SupersetClient
from dashboards.definitions import DEFINITIONS, read_definitions

# What a person may edit, by kind of asset.
_EDITABLE = {
    "charts": ("slice_name", "description", "viz_type", "params"),
    "dashboards": ("dashboard_title", "description", "css", "slug", "position", "metadata"),
}
_TEXTS = ("slice_name", "dashboard_title", "description")
# Numbers of this server, and what Superset writes beside what it was given.
_OWN_NUMBERS = ("datasource", "slice_id", "chartId", "dashboards", "dashboardId")
_WRITTEN_BESIDE = ("chart_configuration", "global_chart_configuration", "map_label_colors", "color_scheme_domain", "shared_label_colors")


@dataclass
class Pulled:
    """What was edited: `texts` were put into the definitions, `settings` into the assets; both name the asset and what changed."""

    texts: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def pull(client: SupersetClient, definitions: Path = DEFINITIONS, assets: Path = ASSETS) -> Pulled:
    """Compare the server's assets with what the definitions give, and write the differences into the files."""
    exported = {content["uuid"]: content for content in client.export_assets().values() if "uuid" in content}
    pulled, settings = Pulled(), dict[str, Node]()
    for path, given in build_assets(read_definitions(definitions)).items():
        kind, found = path.split("/")[0], exported.get(given["uuid"])
        if kind not in _EDITABLE or found is None:
            continue
        for name in _EDITABLE[kind]:
            before, after = _strip(given[name]), _strip(found.get(name))
            if _covers(after, before):
                continue
            what = f"{path}: {name}"
            place = _put_text(definitions, given[name], found[name]) if name in _TEXTS else None
            if place is not None:
                pulled.texts.append(f"{what}: {given[name]} -> {found[name]}")
                pulled.files.append(place)
            else:
                pulled.settings.append(what)
                settings.setdefault(path, given | {})[name] = found[name]
    rendered = render_assets(read_definitions(definitions))
    for path, content in settings.items():
        rendered[path] = render(content)
        pulled.files.append(assets / path)
    write_assets(rendered, assets)
    return pulled


def _strip(node: Any) -> Any:
    """Without what is this server's own: numbers and what it writes beside."""
    if isinstance(node, dict):
        return {key: _strip(value) for key, value in node.items() if key not in (*_OWN_NUMBERS, *_WRITTEN_BESIDE)}
    if isinstance(node, list):
        return [_strip(value) for value in node]
    return node


def _covers(after: Any, before: Any) -> bool:
    """Whether everything that was given is still there as it was; what stands beside it in a mapping was added by Superset."""
    if isinstance(before, dict) and isinstance(after, dict):
        return all(_covers(after.get(key), value) for key, value in before.items() if value is not None)
    if isinstance(before, list) and isinstance(after, list):
        return len(after) == len(before) and all(_covers(found, given) for found, given in zip(after, before, strict=True))
    return bool(after == before) or (before in (None, "", [], {}) and after in (None, "", [], {}))


def _put_text(definitions: Path, old: str | None, new: str | None) -> Path | None:
    """Write a text in place of the old one where that stands in one definition exactly once; gives the file."""
    if not old or not new or "\n" in new:
        return None
    for path in sorted(definitions.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        for quoted in (_quote(old), old):
            if text.count(quoted) == 1 and _reads_as(text.replace(quoted, _quote(new)), new):
                path.write_text(text.replace(quoted, _quote(new)), encoding="utf-8")
                return path
    return None


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _reads_as(text: str, wanted: str) -> bool:
    """Whether the file is still a definition and now says what was wanted."""
    try:
        return json.dumps(wanted, ensure_ascii=False) in json.dumps(yaml.safe_load(text), ensure_ascii=False)
    except yaml.YAMLError:
        return False
