"""Write the assets Superset imports, in zh and en, from the definitions; `--check` tells whether they are up to date.

The ministry's are committed, so that a change is seen in review. Other readers get theirs from the same definitions at publication,
with tables of their own file: which dashboards and charts those are follows from what the file holds.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dashboards.charts import BAND_EDGES, Node, build_chart, name_shown
from dashboards.definitions import LANGUAGES, ROOM, Definitions, join_languages, read_definitions, speak
from dashboards.explained import name_link, show_texts, write_link
from dashboards.named_columns import name_columns
from dashboards.tiles import write_map, write_style

ASSETS = ROOM / "assets"
MINISTRY = "ministry"
FULL_WIDTH = 12

# Identifiers come from names, so that a checkout anywhere imports onto the same assets. Never change this one.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "tanlian.superset")
_NOTICE = "# Written by `python -m dashboards.assets` from ../definitions; change those files.\n"


def name_uuid(*parts: str, reader: str = MINISTRY) -> str:
    """The identifier of an asset; every reader has assets of its own."""
    named = parts if reader == MINISTRY else ("reader", reader, *parts)
    return str(uuid.uuid5(_NAMESPACE, "/".join(named)))


@dataclass(frozen=True)
class Reader:
    """Whom a bundle is for: an audience of the release with its kind, and the tables that its file holds (None: every one)."""

    name: str = MINISTRY
    kind: str = MINISTRY
    titles: dict[str, str] = field(default_factory=dict)
    tables: frozenset[str] | None = None
    member: str | None = None

    def holds(self, table: str) -> bool:
        return self.tables is None or table in self.tables

    def is_shown(self, chart: Node) -> bool:
        """Whether the chart can be filled, and is meant for this kind of reader where it is not meant for every one."""
        return self.holds(chart["dataset"]) and self.kind in chart.get("audiences", [self.kind])

    def uuid(self, *parts: str) -> str:
        return name_uuid(*parts, reader=self.name)

    def slug(self, slug: str, lang: str) -> str:
        prefix = "" if self.name == MINISTRY else self.name.replace("_", "-").lower() + "-"
        return f"{prefix}{slug}-{lang}"

    def path(self, kind: str, name: str) -> str:
        prefix = "" if self.name == MINISTRY else f"{self.name}__"
        return f"{kind}/{prefix}{name}.yaml"


def list_dashboards(definitions: Definitions, reader: Reader) -> list[Node]:
    """The dashboards meant for this kind of reader, each with the charts that its tables can fill; none without a chart of its own."""
    fitted = []
    for dashboard in definitions.dashboards:
        if reader.kind not in dashboard.get("audiences", [MINISTRY]):
            continue
        charts = {
            name: _add_links(chart, definitions, reader)
            for name, chart in definitions.list_charts(dashboard).items()
            if reader.is_shown(chart)
        }
        if not set(charts) & set(dashboard["charts"]):
            continue
        filters = {name: entry for name, entry in dashboard["filters"].items() if reader.holds(entry["dataset"])}
        layout = [fitted_row for row in dashboard["layout"] if (fitted_row := _fit_row(row, set(charts)))]
        fitted.append(dashboard | {"charts": charts, "filters": filters, "layout": layout})
    return fitted


def _add_links(chart: Node, definitions: Definitions, reader: Reader) -> Node:
    """The chart with a column of links that explain a figure of it, where it names one and the reader may ask; its texts are shown as such."""
    if "explain" not in chart or reader.name != MINISTRY:
        return chart
    shown = show_texts(definitions.tables[chart["dataset"]]["columns"])
    columns = [name_shown(column) if name_shown(speak(column, "zh")) in shown else column for column in chart["columns"]]
    return chart | {"columns": [*columns, name_link(chart["explain"], "{lang}")]}


def _fit_row(row: Node, there: set[str]) -> Node | None:
    """The row without what is missing; the rest takes the whole width."""
    kept = {name: width for name, width in row["charts"].items() if name in there}
    if not kept:
        return None
    total = sum(kept.values())
    widths = {name: width * FULL_WIDTH // total for name, width in kept.items()}
    return row | {"charts": widths}


def build_assets(definitions: Definitions, reader: Reader | None = None) -> dict[str, Node]:
    """Relative path -> content of every file of the bundle but its metadata."""
    whose = reader or Reader()
    dashboards = list_dashboards(definitions, whose)
    used = {chart["dataset"] for node in dashboards for chart in node["charts"].values()}
    used |= {entry["dataset"] for node in dashboards for entry in node["filters"].values()}
    folder = "tanlian" if whose.name == MINISTRY else whose.name
    files = {f"databases/{folder}.yaml": _build_database(definitions.shared["database"], whose)}
    asked = _list_asked(dashboards)
    explained = {(chart["dataset"], chart["explain"]) for node in dashboards for chart in node["charts"].values() if "explain" in chart}
    for table in sorted(used):
        files[f"datasets/{folder}/{table}.yaml"] = _build_dataset(
            table, definitions, whose, asked, [column for name, column in sorted(explained) if name == table]
        )
    for lang in LANGUAGES:
        labels = speak(definitions.shared["labels"], lang)
        colours = speak(definitions.shared["colours"], lang)
        menu = [(node["order"], speak(node["title"], lang), whose.slug(node["slug"], lang)) for node in dashboards]
        for node in dashboards:
            spoken = speak(node, lang) | {"colours": colours, "labels": labels, "css": definitions.shared["css"] + write_style()}
            spoken["columns"] = {table: _list_columns(definitions.tables[table]["columns"]) for table in used}
            for name, chart in spoken["charts"].items():
                files[whose.path("charts", f"{name}_{lang}")] = _build_chart(name, chart, spoken, lang, whose)
            spoken["menu"] = _write_menu(menu, spoken, lang, whose, definitions.shared["footnote"][_choose_footnote(node, whose)][lang])
            files[whose.path("dashboards", f"{spoken['slug']}_{lang}".replace("-", "_"))] = _build_dashboard(spoken, lang, whose)
    return files


def _choose_footnote(dashboard: Node, reader: Reader) -> str:
    if reader.name != MINISTRY:
        return "others"
    return "linked" if any("explain" in chart for chart in dashboard["charts"].values()) else "unlinked"


def _list_asked(dashboards: list[Node]) -> set[str]:
    """Every word of the charts and filters in either language; the names of columns are among them."""
    words: set[str] = set()
    for node in dashboards:
        for lang in LANGUAGES:
            spoken = json.dumps(speak([list(node["charts"].values()), list(node["filters"].values())], lang))
            words |= set(re.findall(r"\w+", spoken, re.ASCII))
    return words


def _list_columns(columns: Node) -> set[str]:
    return {*columns, *name_columns(columns)}


def _write_menu(menu: list[tuple[int, str, str]], spoken: Node, lang: str, reader: Reader, footnote: str) -> str:
    """Links to the dashboards, this one anew among them, and to the other language, then how a figure's origin is asked for."""
    here = reader.slug(spoken["slug"], lang)
    linked = {slug: f"[{title}](/superset/dashboard/{slug}/)" for _, title, slug in menu}
    links = [f"**{link}**" if slug == here else link for slug, link in linked.items()]
    other = next(code for code in LANGUAGES if code != lang)
    name = {"zh": "中文", "en": "English"}[other]
    language = f"[{name}](/superset/dashboard/{reader.slug(spoken['slug'], other)}/)"
    return f"{' · '.join([*links, language])}\n\n{spoken['header']} {footnote}"


def _build_database(database: Node, reader: Reader) -> Node:
    name = database["name"] if reader.name == MINISTRY else f"{database['name']} · {reader.name}"
    return {
        "database_name": name,
        "sqlalchemy_uri": database["uri"].replace("{reader}", reader.name),
        "cache_timeout": None,
        # Statements of one's own are the ministry's only.
        "expose_in_sqllab": reader.name == MINISTRY,
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
        "uuid": reader.uuid("database"),
        "version": "1.0.0",
    }


def _build_dataset(table: str, definitions: Definitions, reader: Reader, asked: set[str], explained: list[str]) -> Node:
    labels = definitions.shared["labels"]
    columns = definitions.tables[table]["columns"]
    times = [name for name, kind in columns.items() if kind in ("DATE", "TIMESTAMP")]
    named = {name: sql for name, sql in name_columns(columns).items() if name in asked}
    if reader.name == MINISTRY:
        named |= {name: sql for name, sql in show_texts(columns).items() if name in asked}
        named |= {
            name_link(column, lang): write_link(table, definitions.tables[table], column, lang, labels["explain_link"][lang])
            for column in explained
            for lang in LANGUAGES
        }
    return {
        "table_name": table,
        "main_dttm_col": times[0] if times else None,
        "description": join_languages(definitions.tables[table]["description"]),
        "catalog": reader.name,
        "schema": definitions.shared["database"]["schema"],
        "sql": None,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": None,
        "normalize_columns": False,
        "always_filter_main_dttm": False,
        "uuid": reader.uuid("dataset", table),
        "metrics": [
            {
                "metric_name": name,
                "verbose_name": join_languages(metric["label"]),
                "metric_type": None,
                "expression": metric["expression"],
                "description": None,
                "d3format": None,
                "extra": {},
                "warning_text": None,
            }
            for name, metric in definitions.shared["order_metrics"].get(table, {}).items()
        ],
        "columns": [
            *(_build_column(name, kind, labels.get(name), name in times) for name, kind in columns.items()),
            *(_build_column(name, "VARCHAR", None, False, sql) for name, sql in named.items()),
        ],
        "version": "1.0.0",
        "database_uuid": reader.uuid("database"),
    }


def _build_column(name: str, kind: str, label: Node | None, is_time: bool, sql: str | None = None) -> Node:
    return {
        "column_name": name,
        "verbose_name": join_languages(label) if label else None,
        "is_dttm": is_time,
        "is_active": True,
        "type": kind,
        "groupby": True,
        "filterable": True,
        "expression": sql,
        "description": None,
        "python_date_format": None,
        "extra": {},
    }


def _build_chart(name: str, chart: Node, spoken: Node, lang: str, reader: Reader) -> Node:
    if chart["kind"] == "tiles":
        choices = {entry: spoken["filters"][entry]["column"] for entry in spoken["filters"]}
        chart = chart | {"sql": write_map(chart["column"], lang, choices)}
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
        "uuid": reader.uuid("chart", name, lang),
        "version": "1.0.0",
        "dataset_uuid": reader.uuid("dataset", chart["dataset"]),
    }


def _build_dashboard(spoken: Node, lang: str, reader: Reader) -> Node:
    # The numbers only tie filters to charts within this file; the importer replaces them by its own.
    numbers = {name: number for number, name in enumerate(spoken["charts"], start=1)}
    title = spoken["title"] if reader.name == MINISTRY else f"{spoken['title']} · {reader.titles[lang]}"
    return {
        "dashboard_title": title,
        "description": spoken["description"],
        "css": spoken["css"],
        "slug": reader.slug(spoken["slug"], lang),
        "certified_by": None,
        "certification_details": None,
        "published": True,
        "uuid": reader.uuid("dashboard", spoken["slug"], lang),
        "position": _build_position(spoken, lang, numbers, reader, title),
        "metadata": {
            "native_filter_configuration": [
                _build_filter(name, entry, spoken, numbers, reader) for name, entry in spoken["filters"].items()
            ],
            "cross_filters_enabled": spoken.get("cross_filters", True),
            "chart_configuration": _scope_clicks(spoken, numbers),
            "color_scheme": spoken["colours"]["scheme"],
            "label_colors": _build_colours(spoken["colours"]["series"]),
            "shared_label_colors": [],
            "color_scheme_domain": [],
            "expanded_slices": {},
            "refresh_frequency": 0,
            "timed_refresh_immune_slices": [],
            "default_filters": "{}",
            "filter_bar_orientation": "HORIZONTAL",
        },
        "version": "1.0.0",
    }


def _build_colours(series: list[list[str]]) -> Node:
    # The two edges of a band are series of their own to Superset.
    return {label + edge: colour for label, colour in series for edge in ("", *BAND_EDGES)}


def _list_reached(entry: Node, spoken: Node) -> set[str]:
    """The charts that a filter narrows. One whose table lacks the column would drop the filter without a word: it is out of reach."""
    having = {chart for chart, node in spoken["charts"].items() if entry["column"] in spoken["columns"][node["dataset"]]}
    return having - set(entry.get("excludes", []))


def _scope_clicks(spoken: Node, numbers: dict[str, int]) -> Node:
    """Which charts a click on another leaves alone: those that a filter already holds to one value of what is clicked. Two values of a year
    together would show nothing.
    """
    found: Node = {}
    for name, chart in spoken["charts"].items():
        clicked = {chart.get("x"), chart.get("series")}
        held = [entry for entry in spoken["filters"].values() if entry.get("required", True) and entry["column"] in clicked]
        if held:
            left = {name}.union(*(_list_reached(entry, spoken) for entry in held))
            scope = {"rootPath": ["ROOT_ID"], "excluded": sorted(numbers[chart] for chart in left)}
            found[str(numbers[name])] = {"id": numbers[name], "crossFilters": {"scope": scope}}
    return found


def _build_filter(name: str, entry: Node, spoken: Node, numbers: dict[str, int], reader: Reader) -> Node:
    excluded = sorted(numbers[chart] for chart in spoken["charts"] if chart not in _list_reached(entry, spoken))
    is_required = entry.get("required", True)
    return {
        "id": f"NATIVE_FILTER-{name}",
        "type": "NATIVE_FILTER",
        "filterType": "filter_select",
        "name": entry["label"],
        "description": entry["help"],
        "targets": [{"column": {"name": entry["column"]}, "datasetUuid": reader.uuid("dataset", entry["dataset"])}],
        "controlValues": {
            "multiSelect": not is_required,
            "enableEmptyFilter": is_required,
            "defaultToFirstItem": is_required,
            "inverseSelection": False,
            "searchAllOptions": False,
            "sortAscending": entry["ascending"],
        },
        "requiredFirst": is_required,
        "sortMetric": entry.get("sort_metric"),
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
        "cascadeParentIds": [f"NATIVE_FILTER-{parent}" for parent in entry.get("after", []) if parent in spoken["filters"]],
        "scope": {"rootPath": ["ROOT_ID"], "excluded": excluded},
    }


def _build_position(spoken: Node, lang: str, numbers: dict[str, int], reader: Reader, title: str) -> Node:
    position: Node = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": [], "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": title}},
    }
    text = {"MARKDOWN-header": ("MARKDOWN", {"code": spoken["menu"], "width": FULL_WIDTH, "height": 15})}
    _add_row(position, "ROW-header", text)
    for number, row in enumerate(spoken["layout"], start=1):
        children = {
            f"CHART-{name}": (
                "CHART",
                {
                    "chartId": numbers[name],
                    "uuid": reader.uuid("chart", name, lang),
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


def render_assets(definitions: Definitions) -> dict[str, str]:
    """Relative path -> text of each generated file, of the ministry."""
    return {path: render(content) for path, content in build_assets(definitions).items()}


def render(content: Node) -> str:
    return _NOTICE + yaml.dump(content, Dumper=_PlainDumper, allow_unicode=True, sort_keys=True, width=120)


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
    rendered = render_assets(read_definitions())
    if not options.check:
        write_assets(rendered)
        return 0
    drift = find_drift(rendered)
    if drift:
        sys.stderr.write("not up to date, run python -m dashboards.assets:\n" + "".join(f"  {path}\n" for path in drift))
    return 1 if drift else 0


if __name__ == "__main__":
    sys.exit(main())
