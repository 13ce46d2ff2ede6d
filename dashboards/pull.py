"""Bring back what was edited in the browser, as a change of files that can be reviewed.

A text goes into the definition that it came from, in its language; anything else is put into the generated asset, where the difference
is seen and the check for drift names the file until the definition says the same. What Superset itself adds or numbers is no edit.
"""

from __future__ import annotations

import json
import re
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
_WRITTEN_BESIDE = (
    "chart_configuration",
    "global_chart_configuration",
    "map_label_colors",
    "color_scheme_domain",
    "shared_label_colors",
    "default_filters",
)


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
        if kind == "dashboards":
            found = _renumber(found, given)
        for name in _EDITABLE[kind]:
            before, after = _strip(given[name]), _strip(found.get(name))
            if _covers(after, before):
                continue
            what = f"{path}: {name}"
            place = _put_text(definitions, path, given[name], found[name]) if name in _TEXTS else None
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


def _renumber(found: Node, given: Node) -> Node:
    """A dashboard whose filters name its charts by the numbers that the given one has; a chart that is not in it keeps its own."""
    numbers = {entry["meta"]["uuid"]: entry["meta"]["chartId"] for entry in given["position"].values() if _is_chart(entry)}
    placed = {entry["meta"]["chartId"]: numbers.get(entry["meta"]["uuid"]) for entry in found["position"].values() if _is_chart(entry)}
    renumbered: Node = json.loads(json.dumps(found))
    metadata = renumbered["metadata"]
    clicks = {int(number): entry for number, entry in metadata.get("chart_configuration", {}).items()}
    if clicks:
        numbered = {placed.get(number) or number: entry for number, entry in clicks.items()}
        metadata["chart_configuration"] = {str(number): entry | {"id": number} for number, entry in numbered.items()}
    scopes = [entry.get("scope", {}) for entry in metadata.get("native_filter_configuration", [])]
    scopes += [entry.get("crossFilters", {}).get("scope") for entry in clicks.values()]
    for scope in scopes:
        if isinstance(scope, dict) and "excluded" in scope:
            scope["excluded"] = sorted(placed.get(number) or number for number in scope["excluded"])
    return renumbered


def _is_chart(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("type") == "CHART"


def _put_text(definitions: Path, asset: str, old: str | None, new: str | None) -> Path | None:
    """Write a text in place of the old one where its definition holds that exactly once; gives the file."""
    if not old or not new or "\n" in new:
        return None
    name = Path(asset).stem.rsplit("_", 1)[0]
    for path in sorted(definitions.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        block = _find_block(text, name) if asset.startswith("charts/") else _find_head(text, name)
        for quoted in (_quote(old), old):
            changed = block.replace(quoted, _quote(new))
            if block.count(quoted) == 1 and _reads_as(text.replace(block, changed), new):
                path.write_text(text.replace(block, changed), encoding="utf-8")
                return path
    return None


def _find_block(text: str, chart: str) -> str:
    """The lines of a chart in a definition."""
    found = re.search(rf"^  {chart}:\n(?: {{4}}.*\n|\n)*", text, re.MULTILINE)
    return found[0] if found else ""


def _find_head(text: str, dashboard: str) -> str:
    """What stands before the filters in the definition of a dashboard."""
    head, _, _ = text.partition("\nfilters:")
    return head if f"\nslug: {dashboard.replace('_', '-')}\n" in head else ""


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _reads_as(text: str, wanted: str) -> bool:
    """Whether the file is still a definition and now says what was wanted."""
    try:
        return json.dumps(wanted, ensure_ascii=False) in json.dumps(yaml.safe_load(text), ensure_ascii=False)
    except yaml.YAMLError:
        return False
