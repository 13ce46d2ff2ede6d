"""The kinds of chart a definition may ask for, and what Superset must be told for each.

A figure is shown, never computed: a chart's metric is the value of the one row its group holds, and empty when there
are several, so that no choice of filters can average footprints that do not compare.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Node = dict[str, Any]

# The suffixes by which Superset pairs two series into a band around a third one; its name for a forecast's interval.
BAND_EDGES = ("__yhat_lower", "__yhat_upper")
# A column of links is called by the figure that they explain; one that is safe where HTML is shown, by the text that it shows.
LINK = "explain"
SHOWN = "shown"
_ROW_LIMIT = 10_000
# A light vermilion: the text on it stays dark.
_WARNING = "#F7C6A3"


def name_shown(column: str) -> str:
    """The column that shows a text where a table is shown as HTML."""
    return f"{SHOWN}_{column}"


def show_only_row(column: str) -> str:
    """SQL of a metric that is the value of a one-row group and null otherwise."""
    return f"case when count(*) = 1 then max({column}) end"


def count_value(column: str, value: str) -> str:
    """SQL of a metric that counts the rows of one value of a list."""
    return f"count(*) filter (where {column} = '{value}')"


def build_chart(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    """Superset's type of chart, its parameters and its queries, from one entry of a definition already in one language."""
    return _KINDS[chart["kind"]](chart, labels)


def _metric(label: str, sql: str) -> Node:
    return {
        "expressionType": "SQL",
        "sqlExpression": sql,
        "label": label,
        "hasCustomLabel": True,
        "optionName": f"metric_{sql}",
    }


def _one(column: str, label: str) -> Node:
    return _metric(label, show_only_row(column))


def _where(column: str, operator: str, value: str | int | None = None) -> Node:
    named = {"==": "EQUALS", "!=": "NOT_EQUALS", "IS NOT NULL": "IS_NOT_NULL"}
    return {
        "clause": "WHERE",
        "expressionType": "SIMPLE",
        "subject": column,
        "operator": operator,
        "operatorId": named[operator],
        "comparator": value,
        "filterOptionName": f"filter_{column}_{named[operator]}",
    }


def _narrow(chart: Node) -> list[Node]:
    """The rows that a chart is about: `only` these values, without those, where a column is known."""
    return [
        *(_where(column, "==", value) for column, value in chart.get("only", {}).items()),
        *(_where(column, "!=", value) for column, value in chart.get("without", {}).items()),
        *(_where(column, "IS NOT NULL") for column in chart.get("known", [])),
    ]


def _query(columns: list[Any], metrics: list[Node] | None, filters: list[Node], orderby: list[Any] | None = None) -> Node:
    asked = [{"col": node["subject"], "op": node["operator"], "val": node["comparator"]} for node in filters]
    query: Node = {
        "columns": columns,
        "filters": asked,
        "orderby": orderby or [],
        "row_limit": _ROW_LIMIT,
        "extras": {"having": "", "where": ""},
    }
    return query if metrics is None else query | {"metrics": metrics}


def _axes(chart: Node) -> Node:
    return {
        "x_axis": chart["x"],
        "x_axis_title": chart["x_title"],
        "x_axis_title_margin": 28 if chart["x_title"] else 0,
        "y_axis_title": chart["y_title"],
        "y_axis_title_margin": 55,
        "y_axis_title_position": "Left",
        # Counts; an axis of few of them also has halves.
        "y_axis_format": chart.get("format", ",.1~f"),
        "y_axis_bounds": [None, None],
        "rich_tooltip": True,
        "showTooltipTotal": False,
        "show_legend": True,
        "legendOrientation": "top",
        "legendType": "plain",
        "legendMargin": None,
        "row_limit": _ROW_LIMIT,
        "truncate_metric": True,
        "only_total": False,
        "annotation_layers": [],
        "extra_form_data": {},
    }


def _years(chart: Node) -> Node:
    if "grain" in chart:
        return {"time_grain_sqla": chart["grain"], "x_axis_time_format": "%Y-%m", "tooltipTimeFormat": "%Y-%m-%d"}
    # A year is a name here: as a number the axis would run 2,022.5, as a date it would drift with time zones.
    return {"xAxisForceCategorical": True, "x_axis_sort": chart["x"], "x_axis_sort_asc": True}


def _figure(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    if "of" in chart:
        metric = _metric(chart["caption"], count_value(chart["of"], chart["value"]))
    elif chart.get("count"):
        metric = _metric(chart["caption"], "count(*)")
    else:
        metric = _one(chart["column"], chart["caption"])
    narrowed = _narrow(chart)
    params = {
        "metric": metric,
        "adhoc_filters": narrowed,
        "y_axis_format": chart["format"],
        "header_font_size": 0.5,
        "subtitle": chart["caption"],
        "subtitle_font_size": 0.3,
        "show_metric_name": False,
        "extra_form_data": {},
    }
    return "big_number_total", params, [_query([], [metric], narrowed)]


def _table(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    columns = chart["columns"]
    names = labels | chart.get("labels", {})
    config: Node = {}
    for column in columns:
        config[column] = {"customColumnName": _find_title(column, names)}
        if column.startswith(f"{LINK}_"):
            config[column] |= {"columnWidth": 70}
        elif column.endswith("_year"):
            config[column] |= {"d3NumberFormat": "d", "d3SmallNumberFormat": "d"}
        elif column in chart.get("formats", {}):
            pattern = chart["formats"][column]
            config[column] |= (
                {"d3TimeFormat": pattern} if pattern.startswith("%") else {"d3NumberFormat": pattern, "d3SmallNumberFormat": pattern}
            )
        elif column.endswith(("_date", "_on")):
            config[column] |= {"d3TimeFormat": "%Y-%m-%d"}
        elif column.endswith(("_share", "_ratio")):
            config[column] |= {"d3NumberFormat": ".1%", "d3SmallNumberFormat": ".1%"}
        elif column.endswith(("_t_co2e", "_cny", "_t")):
            config[column] |= {"d3NumberFormat": ",.0f", "d3SmallNumberFormat": ",.0f"}
        elif column.endswith("_kg_co2e"):
            config[column] |= {"d3NumberFormat": ",.5~r", "d3SmallNumberFormat": ",.5~r"}
        elif column.endswith(("_count", "_days", "_examined", "_received")):
            config[column] |= {"d3NumberFormat": ",d", "d3SmallNumberFormat": ",d"}
    order = [[chart["order"], chart.get("ascending", False)]] if "order" in chart else []
    narrowed, limit = _narrow(chart), chart.get("limit", _ROW_LIMIT)
    params: Node = {
        "query_mode": "raw",
        "all_columns": columns,
        "groupby": [],
        "metrics": [],
        "adhoc_filters": narrowed,
        "order_by_cols": [json.dumps(entry) for entry in order],
        "row_limit": limit,
        "server_pagination": False,
        "page_length": 0,
        "include_search": False,
        "show_cell_bars": False,
        "color_pn": False,
        # What senders wrote stays text, also beside links (dashboards.explained).
        "allow_render_html": any(column.startswith(f"{LINK}_") for column in columns),
        "table_timestamp_format": "%Y-%m-%d %H:%M",
        "column_config": config,
        "extra_form_data": {},
    }
    if "warn" in chart:
        params["conditional_formatting"] = [
            {"column": column, "operator": "=", "targetValue": value, "colorScheme": _WARNING, "useGradient": False}
            for column, value in chart["warn"].items()
        ]
    return "table", params, [_query(columns, None, narrowed, order) | {"row_limit": limit}]


def _band(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    metrics = [
        *(_one(column, chart["band_label"] + edge) for column, edge in zip((chart["low"], chart["high"]), BAND_EDGES, strict=True)),
        *(_one(column, label) for column, label in chart["others"].items()),
        _one(chart["line"], chart["line_label"]),
    ]
    params = (
        _axes(chart)
        | _years(chart)
        | {
            "metrics": metrics,
            "groupby": [],
            "adhoc_filters": [],
            "seriesType": "line",
            "markerEnabled": True,
            "markerSize": 7,
            "opacity": 0.2,
        }
    )
    return "echarts_timeseries_line", params, [_query([chart["x"]], metrics, [], [[chart["x"], True]])]


def _parts(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    parts = [_one(column, label) for column, label in chart["parts"].items()]
    whole = [_one(chart["whole"], chart["whole_label"])]
    known = [_where(chart["whole"], "IS NOT NULL")]
    params = (
        _axes(chart)
        | _years(chart)
        | {
            "metrics": parts,
            "groupby": [],
            "adhoc_filters": known,
            "seriesType": "bar",
            "stack": True,
            "opacity": 0.9,
            "yAxisIndex": 0,
            "metrics_b": whole,
            "groupby_b": [],
            "adhoc_filters_b": known,
            "seriesTypeB": "scatter",
            "stackB": False,
            "markerEnabledB": True,
            "markerSizeB": 10,
            "yAxisIndexB": 0,
            "row_limit_b": _ROW_LIMIT,
            "truncate_metric_b": True,
            "y_axis_format_secondary": chart["format"],
            "y_axis_bounds_secondary": [None, None],
        }
    )
    order = [[chart["x"], True]]
    return "mixed_timeseries", params, [_query([chart["x"]], parts, known, order), _query([chart["x"]], whole, known, order)]


def _ranking(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    metric = _one(chart["column"], chart["column_label"])
    without = [_where(column, "!=", value) for column, value in chart["without"].items()]
    params = _axes(chart) | {
        "metrics": [metric],
        "groupby": [],
        "adhoc_filters": without,
        "orientation": "horizontal",
        "x_axis_sort": metric["label"],
        "x_axis_sort_asc": True,
        "show_legend": False,
        "show_value": True,
        # Every name, also where they are many: by itself it would leave out each second one.
        "xAxisLabelInterval": "0",
        # On a horizontal chart Superset swaps the axes but not their titles' margins.
        "x_axis_title": chart["x_title"],
        "y_axis_title_margin": 30,
    }
    return "echarts_timeseries_bar", params, [_query([chart["x"]], [metric], without, [[metric, False]])]


def _counts(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    narrowed = [*_narrow(chart), *([_where(chart["series"], "IS NOT NULL")] if "series" in chart else [])]
    if "values" in chart:
        # Values of a list are codes: each is counted under its name in the reader's language.
        metrics, groupby = [_metric(label, count_value(chart["of"], value)) for value, label in chart["values"].items()], []
    else:
        metrics, groupby = [_metric(chart["count_label"], "count(*)")], [chart["series"]] if "series" in chart else []
    is_lying = chart.get("horizontal", False)
    params = (
        _axes(chart)
        | _years(chart)
        | {
            "metrics": metrics,
            "groupby": groupby,
            "adhoc_filters": narrowed,
            "orientation": "horizontal" if is_lying else "vertical",
            "stack": "Stack",
            "show_value": True,
            "only_total": True,
            "showTooltipTotal": True,
            "showTooltipPercentage": True,
            "sort_series_type": "name",
            "sort_series_ascending": True,
            "y_axis_title_margin": 30 if is_lying else 35,
            "show_legend": bool(groupby) or len(metrics) > 1,
        }
    )
    if is_lying:
        params["xAxisLabelInterval"] = "0"
    columns = [chart["x"], *groupby]
    return "echarts_timeseries_bar", params, [_query(columns, metrics, narrowed, [[name, True] for name in columns])]


def _bars(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    """Values side by side or stacked, upright or lying: several columns of the marts, or one column by a series."""
    if "series" in chart:
        metrics, groupby = [_one(chart["column"], chart["column_label"])], [chart["series"]]
    else:
        metrics, groupby = [_one(column, label) for column, label in chart["columns"].items()], []
    narrowed, is_lying = _narrow(chart), chart.get("horizontal", False)
    by_value = chart.get("by_value", False)
    params = _axes(chart) | {
        "metrics": metrics,
        "groupby": groupby,
        "adhoc_filters": narrowed,
        "orientation": "horizontal" if is_lying else "vertical",
        "stack": "Stack" if chart.get("stacked") else None,
        # Figures beside bars that stand close would lie on one another.
        "show_value": not groupby and len(metrics) == 1,
        "show_legend": bool(groupby) or len(metrics) > 1,
        "xAxisLabelInterval": "0" if is_lying else "auto",
        "row_limit": chart.get("limit", _ROW_LIMIT),
    }
    params |= _years(chart)
    if chart.get("series") == "year":
        params |= {"sort_series_type": "name", "sort_series_ascending": True}
    if by_value:
        params["x_axis_sort"] = metrics[0]["label"]
    if is_lying:
        params["y_axis_title_margin"] = 30
    order = [[metrics[0], False]] if by_value else [[chart["x"], True]]
    query = _query([chart["x"], *groupby], metrics, narrowed, order) | {"row_limit": chart.get("limit", _ROW_LIMIT)}
    return "echarts_timeseries_bar", params, [query]


def _lines(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    """Lines over years, or over days and months where `grain` says so: several columns, or one by a series."""
    if "series" in chart:
        metrics, groupby = [_one(chart["column"], chart["column_label"])], [chart["series"]]
    else:
        metrics, groupby = [_one(column, label) for column, label in chart["columns"].items()], []
    narrowed = _narrow(chart)
    params = _axes(chart) | {
        "metrics": metrics,
        "groupby": groupby,
        "adhoc_filters": narrowed,
        "seriesType": chart.get("shape", "line"),
        "markerEnabled": "grain" not in chart,
        "markerSize": 6,
        "truncateYAxis": chart.get("truncated", False),
    }
    params |= _years(chart)
    return "echarts_timeseries_line", params, [_query([chart["x"], *groupby], metrics, narrowed, [[chart["x"], True]])]


def _tiles(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    """The map of tiles: a table of one cell, in which what `dashboards.tiles` wrote is shown as HTML."""
    metric = _metric(chart["column_label"], chart["sql"])
    params: Node = {
        "query_mode": "aggregate",
        "groupby": [],
        "metrics": [metric],
        "adhoc_filters": [],
        "row_limit": _ROW_LIMIT,
        "server_pagination": False,
        "page_length": 0,
        "include_search": False,
        "show_cell_bars": False,
        "allow_render_html": True,
        "extra_form_data": {},
    }
    return "table", params, [_query([], [metric], [])]


def _network(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    metric, narrowed = _metric(chart["count_label"], "count(*)"), _narrow(chart)
    params = {
        "source": chart["source"],
        "target": chart["target"],
        "metric": metric,
        "adhoc_filters": narrowed,
        "row_limit": chart.get("limit", 300),
        "show_legend": False,
        "layout": "force",
        "roam": True,
        "draggable": True,
        "selectedMode": "single",
        "edgeSymbol": "none,arrow",
        "baseEdgeWidth": 2,
        "baseNodeSize": 14,
        "edgeLength": 120,
        "repulsion": 400,
        "gravity": 0.3,
        "friction": 0.2,
        "extra_form_data": {},
    }
    query = _query([chart["source"], chart["target"]], [metric], narrowed) | {"row_limit": params["row_limit"]}
    return "graph_chart", params, [query]


def _daily(chart: Node, labels: Node) -> tuple[str, Node, list[Node]]:
    metrics = [_one(column, label) for column, label in chart["lines"].items()]
    only = [_where(column, "==", value) for column, value in chart["only"].items()]
    params = _axes(chart) | {
        "metrics": metrics,
        "groupby": [],
        "adhoc_filters": only,
        "time_grain_sqla": "P1D",
        "x_axis_time_format": "%Y-%m",
        "tooltipTimeFormat": "%Y-%m-%d",
        "seriesType": "line",
        "markerEnabled": False,
        "truncateYAxis": True,
        # The later series is drawn on top: block deals pull the mean below the close, so the close stays to be seen.
        "sort_series_type": "sum",
        "sort_series_ascending": True,
        "y_axis_title_margin": 55,
    }
    return "echarts_timeseries_line", params, [_query([chart["x"]], metrics, only, [[chart["x"], True]])]


def _find_title(column: str, titles: Node) -> str:
    """A column of names has a title of its own, or that of its codes; columns of links have one title."""
    plain = LINK if column.startswith(f"{LINK}_") else _strip_language(column.removeprefix(f"{SHOWN}_"))
    codes = plain.removesuffix("_name")
    return next(str(titles[name]) for name in (plain, codes, f"{codes}_code", column) if name in titles)


def _strip_language(column: str) -> str:
    return column[:-3] if column.endswith(("_zh", "_en")) else column


_KINDS: dict[str, Callable[[Node, Node], tuple[str, Node, list[Node]]]] = {
    "figure": _figure,
    "table": _table,
    "band": _band,
    "parts": _parts,
    "ranking": _ranking,
    "counts": _counts,
    "daily": _daily,
    "bars": _bars,
    "lines": _lines,
    "tiles": _tiles,
    "network": _network,
}
