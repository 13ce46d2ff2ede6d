"""Makes the pages of Data Docs readable by themselves: no part of them is fetched from another host, and none of them needs a script.

As built, a page loads its style, its scripts and a logo from public networks: what a gate found is nobody else's business, and
where there is no network the index is blank.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

_REMOTE_PARTS = re.compile(
    r"<script[^>]*\ssrc=[\"']https?://[^>]*>\s*</script>|<(?:link|img)\b[^>]*\s(?:href|src)=[\"']https?://[^>]*>|<footer>.*?</footer>",
    re.IGNORECASE | re.DOTALL,
)
_STYLE = (
    "<style>body{font-family:sans-serif;margin:1em}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3em .6em;"
    "vertical-align:top;text-align:left}pre,code{white-space:pre-wrap;word-break:break-word}.modal{display:none}</style>"
)


def keep_local(page: str) -> str:
    """The page without the scripts, styles and pictures of other hosts, in a plain style of its own."""
    return _REMOTE_PARTS.sub("", page).replace("</head>", f"{_STYLE}</head>", 1)


def _describe_result(path: Path, results: Path) -> str:
    result = json.loads(path.read_text(encoding="utf-8"))
    broken = [item for item in result["results"] if not item["success"]]
    critical = sum(item["expectation_config"].get("severity") == "critical" for item in broken)
    link = (Path("validations") / path.relative_to(results)).with_suffix(".html").as_posix()
    time = str(result["meta"].get("validation_time", ""))[:19].replace("T", " ")
    cells = (time, result["suite_name"], len(result["results"]), critical, len(broken) - critical)
    texts = [html.escape(str(cell)) for cell in cells]
    texts[1] = f'<a href="{html.escape(link)}">{texts[1]}</a>'
    return "<tr>" + "".join(f"<td>{text}</td>" for text in texts) + "</tr>"


def write_index(site: Path, results: Path) -> Path:
    """List the kept results, newest first, by suite and by what did not hold."""
    paths = sorted(results.rglob("*.json"), key=lambda path: path.parent.parent.name, reverse=True)
    heads = ("时间 Time (UTC)", "检查组 Suite", "检查数 Checks", "严重 Critical", "警告 Warnings")
    rows = "".join(_describe_result(path, results) for path in paths)
    index = site / "index.html"
    index.write_text(
        f'<!doctype html><html><head><meta charset="utf-8"><title>Gates 质量闸门</title>{_STYLE}</head><body><h1>质量闸门 Gates</h1>'
        f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{rows}</table></body></html>",
        encoding="utf-8",
    )
    return index
