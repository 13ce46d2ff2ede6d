"""Reports for a reader, as HTML, PDF and workbook from one content: each reads the reader's own file of a release and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dashboards.reports import footprint_exhibits, market_exhibits, quality_exhibits
from dashboards.reports.cells import find_headline_year
from dashboards.reports.exhibit import Exhibit, drawing_in
from dashboards.reports.numbers import write_instant
from dashboards.reports.release_file import open_releases
from dashboards.reports.report import list_facts
from dashboards.reports.report_workbook import write_workbook
from dashboards.reports.sections import card, changes, footprints, instruments, portfolio, repairs, standards
from dashboards.reports.sections.subject import Subject, read_provinces
from dashboards.reports.wording import Language, Text, load_entries, say

Format = Literal["html", "pdf", "xlsx"]
FORMATS: tuple[Format, ...] = ("html", "pdf", "xlsx")
Build = Callable[[Subject], Exhibit | None]


@dataclass(frozen=True)
class Kind:
    """A report: whose file it reads (`audience`), which sections it has, and which methods they rest on."""

    name: str
    audience: Literal["ministry", "region", "bank", "enterprise"]
    sections: tuple[tuple[str, tuple[Build, ...]], ...]
    methods: tuple[str, ...]


def _of_release(build: Callable[..., Exhibit]) -> Build:
    """An exhibit of the release report, which is built from the releases and the year."""
    return lambda subject: build(subject.releases, subject.year)


def _of_release_alone(build: Callable[..., Exhibit]) -> Build:
    return lambda subject: build(subject.releases)


def _of_gates(build: Callable[[quality_exhibits.Gates], Exhibit | None]) -> Build:
    """An exhibit of what the gates said, which stands in the release's manifest and in no reader's file."""
    return lambda subject: build(subject.gates)


TIERS = _of_release(footprint_exhibits.build_tiers)
RECALCULATION = _of_release(footprint_exhibits.build_recalculation)
PRICE = _of_release_alone(market_exhibits.build_price)
INSTRUMENTS: tuple[tuple[str, tuple[Build, ...]], ...] = (
    ("ets", (instruments.build_positions,)),
    ("ccer", (instruments.build_credits, instruments.build_findings)),
    ("eia", (instruments.build_assessments, instruments.build_increments)),
)
CHANGES: tuple[str, tuple[Build, ...]] = ("changes", (changes.build_changes,))

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "pilot-region",
            "region",
            (
                ("standards", (standards.build_targets, standards.build_standards_path, standards.build_forecasts)),
                ("factors", (RECALCULATION, standards.build_factor_coverage, footprints.build_factor_impacts)),
                ("labels", (footprints.build_labels,)),
                ("tiers", (TIERS,)),
                ("disclosures", (footprints.build_disclosures, footprints.build_against_country)),
                *INSTRUMENTS,
                ("repairs", (repairs.build_repairs,)),
                CHANGES,
            ),
            ("M1", "M2", "M3", "M4", "M5", "M7", "M8", "M9", "M11"),
        ),
        Kind(
            "ministry-brief",
            "ministry",
            (
                ("targets", (standards.build_targets, standards.build_standards_path, standards.build_forecasts)),
                ("standards", (standards.build_priorities,)),
                ("sectors", (_of_release(footprint_exhibits.build_trends), _of_release(footprint_exhibits.build_parts), TIERS)),
                ("price", (PRICE,)),
                *INSTRUMENTS,
                ("labels", (footprints.build_labels,)),
                ("repairs", (_of_release_alone(quality_exhibits.build_verdicts), repairs.build_repairs, repairs.build_faults)),
                ("gates", (_of_gates(quality_exhibits.build_gates), _of_gates(quality_exhibits.build_warnings))),
                CHANGES,
            ),
            ("M1", "M3", "M5", "M6", "M7", "M8", "M9", "M11", "M12"),
        ),
        Kind(
            "bank-pack",
            "bank",
            (
                ("portfolio", (portfolio.build_portfolio,)),
                ("borrowers", (portfolio.build_borrowers,)),
                ("stress", (portfolio.build_stress,)),
                ("products", (portfolio.build_borrower_products,)),
                ("price", (PRICE,)),
                ("ets", (instruments.build_positions,)),
                ("ccer", (instruments.build_findings,)),
                ("eia", (instruments.build_assessments,)),
                CHANGES,
            ),
            ("M1", "M2", "M5", "M6", "M7", "M8", "M9", "M10"),
        ),
        Kind(
            "enterprise-card",
            "enterprise",
            (
                ("position", (card.build_distribution,)),
                ("levers", (card.build_levers, card.build_contributions, card.build_costs)),
                ("labels", (footprints.build_labels,)),
                ("ets", (instruments.build_positions,)),
                CHANGES,
            ),
            ("M1", "M2", "M4", "M5", "M7"),
        ),
    )
}


@dataclass(frozen=True)
class Content:
    """All that a report says, in both languages."""

    kind: Kind
    title: Text
    reader: Text
    facts: list[tuple[str, str]]
    release_line: Text
    is_demonstration: bool
    sections: list[tuple[str, list[Exhibit]]]
    methods: list[dict[str, Any]]
    citations: list[dict[str, Any]]
    file_name: str
    findings: list[tuple[str, Text]] = field(default_factory=list)
    read_from: str = "read_from_file"  # what the report says that it read


def collect_content(kind: Kind, member: str | None, file: Path, previous: Path | None, gates: quality_exhibits.Gates = ()) -> Content:
    """Read the reader's file (and the one before it) and build every section; `gates` are the manifest's, for the ministry alone.

    Raises FileNotFoundError where the reader has no file in the release.
    """
    with open_releases(file, previous) as releases:
        subject = Subject(releases, member, find_headline_year(releases), gates if kind.audience == "ministry" else ())
        summary = releases.read_one("select * from now.release__summary") or {}
        sections = [(code, [exhibit for build in builds if (exhibit := build(subject)) is not None]) for code, builds in kind.sections]
        name = read_provinces(subject).get(member or "", Text(member or "", member or ""))
        return Content(
            kind,
            say(f"report_{kind.name}"),
            say("reader_ministry") if kind.audience == "ministry" else say(f"reader_{kind.audience}", member=member, name=name),
            list_facts(releases),
            say("release_line", release=summary.get("release_id", "—"), as_of=write_instant(summary.get("as_of"))),
            bool(summary.get("is_demonstration")),
            sections,
            _list_methods(kind),
            load_entries("citations.yaml") + load_entries("audience_citations.yaml"),
            file.name,
            [(code, exhibits[0].title) for code, exhibits in sections if exhibits],
            "read_from_file_and_manifest" if subject.gates else "read_from_file",
        )


def _list_methods(kind: Kind) -> list[dict[str, Any]]:
    """The methods behind the report's figures, a reader's own wording of one before the ministry's."""
    found = {entry["code"]: entry for entry in load_entries("methods.yaml") + load_entries("audience_methods.yaml")}
    return [found[code] for code in kind.methods]


def write_audience_report(
    kind: Kind,
    member: str | None,
    files: tuple[Path, Path | None],
    language: Language,
    format: Format,
    out: Path,
    gates: quality_exhibits.Gates = (),
) -> Path:
    """Write a report on the reader's file (and the one before it) to `out`, which is replaced whole, and return `out`."""
    with drawing_in(language):
        content = collect_content(kind, member, *files, gates)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{os.getpid()}.{out.name}")
    try:
        if format == "xlsx":
            write_workbook(content, language, unfinished)
        elif format == "pdf":
            write_pdf(render_page(content, language), unfinished)
        else:
            unfinished.write_text(render_page(content, language), encoding="utf-8")
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return out


def render_page(content: Content, language: Language) -> str:
    """The report as one HTML page in one language: nothing is loaded from anywhere."""
    environment = Environment(
        loader=PackageLoader("dashboards.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = "".join(files(__package__).joinpath(f"templates/{name}").read_text(encoding="utf-8") for name in ("report.css", "audience.css"))
    template = environment.get_template("audience.html")
    return template.render(content=content, language=language, say=say, style=Markup(style))


def write_pdf(page: str, out: Path) -> None:
    """The page on A4, its fonts embedded; whatever would be fetched is refused."""
    from weasyprint import HTML

    HTML(string=page, url_fetcher=_refuse).write_pdf(str(out))


def _refuse(url: str, **_: object) -> Mapping[str, Any]:
    raise ValueError(f"a report loads nothing: {url}")
