"""The report: one HTML file that needs nothing else, in Chinese and English, for a person who was not there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dashboards.reports import changes, footprint_exhibits, market_exhibits, quality_exhibits
from dashboards.reports.cells import find_headline_year
from dashboards.reports.exhibit import Exhibit
from dashboards.reports.headline import compute_headlines
from dashboards.reports.numbers import write_day, write_instant, write_number
from dashboards.reports.release_file import Releases, Row, open_releases
from dashboards.reports.wording import LANGUAGES, load_entries, say


def write_report(release_file: Path, previous_file: Path | None, manifest: Mapping[str, Any], out: Path, lang_default: str = "zh") -> Path:
    """Write the report on `release_file` to `out` and return `out`.

    `manifest` gives the gates (`manifest["gates"]`: suite, severity, success, checks_run, rows_examined, failures).
    `out` is replaced whole: a reader never meets half a report.
    """
    if lang_default not in LANGUAGES:
        raise ValueError(f"lang_default: expected one of {LANGUAGES}, found {lang_default!r}")
    with open_releases(release_file, previous_file) as releases:
        page = render_page(collect_content(releases, manifest), lang_default)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(out)
    return out


def collect_content(releases: Releases, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the template shows, in its order."""
    year = find_headline_year(releases)
    return {
        "summary": releases.read_one("select * from now.release__summary"),
        "facts": list_facts(releases),
        "has_previous": releases.has_previous,
        "figures": compute_headlines(releases),
        "sections": [
            (section, [exhibit for exhibit in exhibits if exhibit is not None])
            for section, exhibits in build_sections(releases, manifest, year)
        ],
        "methods": load_entries("methods.yaml"),
        "citations": load_entries("citations.yaml"),
    }


def build_sections(releases: Releases, manifest: Mapping[str, Any], year: int | None) -> list[tuple[str, list[Exhibit | None]]]:
    footprint = footprint_exhibits
    gates = list(manifest.get("gates") or [])
    return [
        ("trend", [footprint.build_trends(releases, year)]),
        ("provinces", [footprint.build_provinces(releases, year)]),
        ("parts", [footprint.build_parts(releases, year)]),
        (
            "benchmarks",
            [
                footprint.build_benchmark_coverage(releases, year),
                footprint.build_tiers(releases, year),
                footprint.build_benchmark_table(releases, year),
            ],
        ),
        ("price", [market_exhibits.build_price(releases)]),
        (
            "quality",
            [
                footprint.build_recalculation(releases, year),
                footprint.build_verification(releases, year),
                quality_exhibits.build_verdicts(releases),
                quality_exhibits.build_sources(releases),
            ],
        ),
        ("gates", [quality_exhibits.build_gates(gates), quality_exhibits.build_warnings(gates)]),
        ("changes", [changes.build_mart_changes(releases), changes.build_mean_changes(releases)]),
    ]


def list_facts(releases: Releases) -> list[tuple[str, str]]:
    """The release's own description, label code and value."""
    summary: Row | None = releases.read_one("select * from now.release__summary")
    if summary is None:
        return []
    return [
        ("fact_release", summary["release_id"] or "—"),
        ("fact_as_of", write_instant(summary["as_of"])),
        ("fact_rule_date", write_day(summary["rule_date"])),
        ("fact_published", write_instant(summary["published_at"])),
        ("fact_parent", summary["parent_release_id"] or "—"),
        ("fact_code", (summary["code_version"] or "—")[:40]),
        ("fact_deliveries", write_number(summary["delivery_count"])),
        ("fact_gates", write_number(summary["gate_count"])),
        ("fact_examined", write_number(summary["rows_examined"])),
    ]


def render_page(content: dict[str, Any], lang_default: str) -> str:
    environment = Environment(
        loader=PackageLoader("dashboards.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = files(__package__).joinpath("templates/report.css").read_text(encoding="utf-8")
    template = environment.get_template("report.html")
    return template.render(content, say=say, style=Markup(style), lang_default=lang_default, languages=LANGUAGES)
