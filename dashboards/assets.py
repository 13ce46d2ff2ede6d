"""Write the assets Superset imports, in zh and en, from the one definition; `--check` tells whether they are up to date."""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from dashboards.charts import BAND_EDGES, Node, build_chart

ROOM = Path(__file__).resolve().parent / "superset"
DEFINITION = ROOM / "sector_footprints.yaml"
ASSETS = ROOM / "assets"
LANGUAGES = ("zh", "en")

# Identifiers come from names, so that a checkout anywhere imports onto the same assets. Never change this one.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "tanlian.superset")
_NOTICE = "# Written by `python -m dashboards.assets` from sector_footprints.yaml; change that file.\n"


def name_uuid(*parts: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


def read_definition(path: Path = DEFINITION) -> Node:
    loaded: Node = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def speak(node: Any, lang: str) -> Any:
    """The definition in one language: `{zh, en}` becomes the text, `{lang}` in a name the language."""
    if isinstance(node, dict):
        if set(node) == set(LANGUAGES):
            return node[lang]
        if set(node) & set(LANGUAGES):
            raise ValueError(f"a text needs zh and en and nothing else (an unquoted comma?), found {node}")
        return {speak(key, lang): speak(value, lang) for key, value in node.items()}
    if isinstance(node, list):
        return [speak(value, lang) for value in node]
    return node.replace("{lang}", lang) if isinstance(node, str) else node


def build_assets(definition: Node) -> dict[str, Node]:
    """Relative path -> content of every file of the bundle but its metadata."""
    files = {"databases/tanlian.yaml": _build_database(definition["database"])}
    for table, dataset in definition["datasets"].items():
        files[f"datasets/tanlian/{table}.yaml"] = _build_dataset(table, dataset, definition)
    for lang in LANGUAGES:
        spoken = speak(definition, lang)
        for name, chart in spoken["charts"].items():
            files[f"charts/{name}_{lang}.yaml"] = _build_chart(name, chart, spoken, lang)
        files[f"dashboards/{spoken['slug']}_{lang}.yaml".replace("-", "_")] = _build_dashboard(spoken, lang)
    return files


def _build_database(database: Node) -> Node:
    return {
        "database_name": database["name"],
        "sqlalchemy_uri": database["uri"],
        "cache_timeout": None,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_file_upload": False,
        # The import takes the address from the bundle, so what makes it read-only must stand in the bundle too. Without
        # the two settings, SQL in a read-only connection can still read any file of the host.
        "extra": {
            "engine_params": {"connect_args": {"read_only": True, "config": {"enable_external_access": False, "lock_configuration": True}}},
            "metadata_params": {},
            "allows_virtual_table_explore": False,
        },
        "uuid": name_uuid("database"),
        "version": "1.0.0",
    }


def _build_dataset(table: str, dataset: Node, definition: Node) -> Node:
    labels = definition["labels"]
    times = [name for name, kind in dataset["columns"].items() if kind in ("DATE", "TIMESTAMP")]
    return {
        "table_name": table,
        "main_dttm_col": times[0] if times else None,
        "description": _join_languages(dataset["description"]),
        "catalog": definition["database"]["catalog"],
        "schema": definition["database"]["schema"],
        "sql": None,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": None,
        "normalize_columns": False,
        "always_filter_main_dttm": False,
        "uuid": name_uuid("dataset", table),
        "metrics": [
            {
                "metric_name": name,
                "verbose_name": _join_languages(metric["label"]),
                "metric_type": None,
                "expression": metric["expression"],
                "description": None,
                "d3format": None,
                "extra": {},
                "warning_text": None,
            }
            for name, metric in dataset.get("order_metrics", {}).items()
        ],
        "columns": [
            {
                "column_name": name,
                "verbose_name": _join_languages(labels[name]) if name in labels else None,
                "is_dttm": name in times,
                "is_active": True,
                "type": kind if isinstance(kind, str) else kind[0],
                "groupby": True,
                "filterable": True,
                "expression": None,
                "description": None,
                "python_date_format": None,
                "extra": {},
            }
            for name, kind in dataset["columns"].items()
        ],
        "version": "1.0.0",
        "database_uuid": name_uuid("database"),
    }


def _join_languages(texts: Node) -> str:
    return texts["zh"] if texts["zh"] == texts["en"] else f"{texts['zh']} / {texts['en']}"


def _build_chart(name: str, chart: Node, spoken: Node, lang: str) -> Node:
    viz_type, params, queries = build_chart(chart, spoken["labels"])
    # The importer puts the datasets' numbers in place of these.
    params |= {"viz_type": viz_type, "datasource": "0__table", "color_scheme": spoken["colours"]["scheme"]}
    context = {
        "datasource": {"id": 0, "type": "table"},
        "force": False,
        "queries": queries,
        "form_data": params,
        "result_format": "json",
        "result_type": "full",
    }
    return {
        "slice_name": chart["title"],
        "description": chart.get("description"),
        "certified_by": None,
        "certification_details": None,
        "viz_type": viz_type,
        "params": params,
        "query_context": json.dumps(context, ensure_ascii=False, sort_keys=True),
        "cache_timeout": None,
        "uuid": name_uuid("chart", name, lang),
        "version": "1.0.0",
        "dataset_uuid": name_uuid("dataset", chart["dataset"]),
    }


def _build_dashboard(spoken: Node, lang: str) -> Node:
    # The numbers only tie filters to charts within this file; the importer replaces them by its own.
    numbers = {name: number for number, name in enumerate(spoken["charts"], start=1)}
    return {
        "dashboard_title": spoken["title"],
        "description": spoken["description"],
        "css": None,
        "slug": f"{spoken['slug']}-{lang}",
        "certified_by": None,
        "certification_details": None,
        "published": True,
        "uuid": name_uuid("dashboard", spoken["slug"], lang),
        "position": _build_position(spoken, lang, numbers),
        "metadata": {
            "native_filter_configuration": [_build_filter(name, entry, spoken, numbers) for name, entry in spoken["filters"].items()],
            # A click on a bar would silently add a second product or year to the filters.
            "cross_filters_enabled": False,
            "color_scheme": spoken["colours"]["scheme"],
            "label_colors": _build_colours(spoken["colours"]["series"]),
            "shared_label_colors": [],
            "color_scheme_domain": [],
            "expanded_slices": {},
            "refresh_frequency": 0,
            "timed_refresh_immune_slices": [],
            "default_filters": "{}",
            "filter_bar_orientation": "VERTICAL",
        },
        "version": "1.0.0",
    }


def _build_colours(series: list[list[str]]) -> Node:
    # The two edges of a band are series of their own to Superset.
    return {label + edge: colour for label, colour in series for edge in ("", *BAND_EDGES)}


def _build_filter(name: str, entry: Node, spoken: Node, numbers: dict[str, int]) -> Node:
    excluded = [numbers[chart] for chart in entry.get("excludes", [])]
    return {
        "id": f"NATIVE_FILTER-{name}",
        "type": "NATIVE_FILTER",
        "filterType": "filter_select",
        "name": entry["label"],
        "description": entry["help"],
        "targets": [{"column": {"name": entry["column"]}, "datasetUuid": name_uuid("dataset", entry["dataset"])}],
        "controlValues": {
            "multiSelect": False,
            "enableEmptyFilter": True,
            "defaultToFirstItem": True,
            "inverseSelection": False,
            "searchAllOptions": False,
            "sortAscending": entry["ascending"],
        },
        "requiredFirst": True,
        "sortMetric": entry.get("sort_metric"),
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
        "cascadeParentIds": [f"NATIVE_FILTER-{parent}" for parent in entry.get("after", [])],
        "scope": {"rootPath": ["ROOT_ID"], "excluded": excluded},
    }


def _build_position(spoken: Node, lang: str, numbers: dict[str, int]) -> Node:
    position: Node = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": [], "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": spoken["title"]}},
    }
    text = {"MARKDOWN-header": ("MARKDOWN", {"code": spoken["header"], "width": 12, "height": 8})}
    _add_row(position, "ROW-header", text)
    for number, row in enumerate(spoken["layout"], start=1):
        children = {
            f"CHART-{name}": (
                "CHART",
                {
                    "chartId": numbers[name],
                    "uuid": name_uuid("chart", name, lang),
                    "sliceName": spoken["charts"][name]["title"],
                    "width": width,
                    "height": row["height"],
                },
            )
            for name, width in row["charts"].items()
        }
        _add_row(position, f"ROW-{number}", children)
    return position


def _add_row(position: Node, row: str, children: dict[str, tuple[str, Node]]) -> None:
    parents = ["ROOT_ID", "GRID_ID"]
    position["GRID_ID"]["children"].append(row)
    position[row] = {
        "type": "ROW",
        "id": row,
        "children": list(children),
        "parents": parents,
        "meta": {"background": "BACKGROUND_TRANSPARENT"},
    }
    for name, (kind, meta) in children.items():
        position[name] = {"type": kind, "id": name, "children": [], "parents": [*parents, row], "meta": meta}


class _PlainDumper(yaml.SafeDumper):
    """Writes a thing out each time it occurs: an anchor would tie two charts together in the eyes of a reader."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render_assets(definition: Node) -> dict[str, str]:
    """Relative path -> text of each generated file."""
    return {
        path: _NOTICE + yaml.dump(content, Dumper=_PlainDumper, allow_unicode=True, sort_keys=True, width=120)
        for path, content in build_assets(definition).items()
    }


def find_drift(rendered: dict[str, str], folder: Path = ASSETS) -> list[str]:
    """Files that are missing, differ, or stand in the folder without a place in the definition."""
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    changed = [path for path, text in rendered.items() if path in present and (folder / path).read_text(encoding="utf-8") != text]
    return sorted({*changed, *(set(rendered) ^ present)})


def write_assets(rendered: dict[str, str], folder: Path = ASSETS) -> None:
    for path in find_drift(rendered, folder):
        target = folder / path
        if path in rendered:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(rendered[path], encoding="utf-8")
        else:
            target.unlink()


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m dashboards.assets", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file is not up to date")
    options = parser.parse_args(None if arguments is None else list(arguments))
    rendered = render_assets(read_definition())
    if not options.check:
        write_assets(rendered)
        return 0
    drift = find_drift(rendered)
    if drift:
        sys.stderr.write("not up to date, run python -m dashboards.assets:\n" + "".join(f"  {path}\n" for path in drift))
    return 1 if drift else 0


if __name__ == "__main__":
    sys.exit(main())
