"""The restatement notice: what changed from one release to the next, for data, method and code apart, in both languages, as Markdown.

Drawn from a comparison and nothing else, so that it can say no more than is so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dashboards.reports import wording
from dashboards.reports.cells import name_unit
from dashboards.reports.numbers import write_number, write_share
from ingest.reference import ReferenceLists
from warehouse.build import Build
from warehouse.comparison.attribution import Move, State
from warehouse.comparison.causes import CODE, CORRECTED, FACTORS, NEW, RESTATED, RULES, FileGone
from warehouse.comparison.compare import Comparison, compare, read_state
from warehouse.comparison.mixture import Clocks, keep_build_models
from warehouse.comparison.wording import measure_title, name_key, name_mart, name_source, title_of
from warehouse.ledger import Ledger
from warehouse.settings import CHINA, Settings
from warehouse.texts import say

log = logging.getLogger(__name__)

LANGUAGES = ("zh", "en")
MOST_ROWS = 2_000_000
_LISTED = 12
# What a reader must tell apart: figures that moved because the world is better known, because it is reckoned otherwise, or by the program.
CHAPTERS: Mapping[str, Sequence[str]] = {"data": (NEW, RESTATED, CORRECTED), "method": (FACTORS, RULES), "code": (CODE,)}


def notice_name(lang: str) -> str:
    return f"notice_{lang}.md"


def write_notice(found: Comparison, lang: str) -> str:
    """The notice in one language."""
    first, second = found.first, found.second
    lines = ["# " + say("notice.title", lang, second=second["release_id"], first=first["release_id"]), ""]
    if found.is_demonstration:
        lines += [f"> **{wording.say('demonstration')[lang]}**", ""]
    lines += [say("notice.clocks", lang, **_clocks(first, second)), ""]
    moved = [move for move in found.attribution.moves if move.kind == "moved"]
    if not found.marts:
        return "\n".join([*lines, say("diff.nothing", lang), ""])
    lines += [
        say(
            "notice.summary",
            lang,
            marts=len(found.marts),
            cells=write_number(sum(mart.touched for mart in found.marts)),
            means=write_number(len(moved)),
        ),
        "",
    ]
    for chapter, causes in CHAPTERS.items():
        lines += ["## " + say(f"notice.{chapter}", lang), "", *_chapter(found, moved, causes, lang), ""]
    lines += ["## " + say("notice.marts", lang), ""]
    lines += [
        say(
            "notice.mart",
            lang,
            name=name_mart(mart.mart, lang),
            mart=mart.mart,
            added=write_number(mart.added),
            removed=write_number(mart.removed),
            changed=write_number(mart.changed),
        )
        for mart in found.marts
    ]
    return "\n".join([*lines, "", say("notice.how", lang), ""])


def _clocks(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    sides = (("first", first), ("second", second))
    return {f"{name}_{side}": told[name] for side, told in sides for name in ("rule_date", "code_version")} | {
        f"as_of_{side}": _moment(told["as_of"]) for side, told in sides
    }


def _moment(as_of: str) -> str:
    """An instant (UTC, as the manifest has it) in China's time, to the second."""
    return datetime.fromisoformat(as_of).replace(tzinfo=UTC).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def _chapter(found: Comparison, moved: Sequence[Move], causes: Sequence[str], lang: str) -> list[str]:
    """Rows that came for these causes, and the means that they moved, most first."""
    lines = []
    for cause in causes:
        counts = found.attribution.row_counts.get(cause, {})
        if counts:
            rows = ", ".join(f"{name_source(source, lang)} {write_number(count, signed=True)}" for source, count in sorted(counts.items()))
            lines.append(say("notice.rows", lang, cause=title_of(cause, lang), rows=rows))
    touched = [move for move in moved if any(cause in move.parts for cause in causes)]
    if not touched:
        return [*lines, *([""] if lines else []), say("notice.no_mean", lang)]
    touched.sort(key=lambda move: -abs(_part(move, causes) / move.old) if move.old else 0.0)
    lines += [*([""] if lines else []), say("notice.means", lang, count=write_number(len(touched))), ""]
    for move in touched[:_LISTED]:
        lines.append(
            say(
                "notice.mean",
                lang,
                measure=measure_title(move.measure, lang),
                cell=name_key(move.key, lang),
                old=write_number(move.old),
                new=write_number(move.new),
                unit=name_unit({"declared_unit": found.units.get(move.key["product_code"])})[lang],
                share=write_share((move.move or 0.0) / move.old if move.old else None, signed=True),
                parts=", ".join(f"{title_of(cause, lang)} {write_number(move.parts[cause], signed=True)}" for cause in move.parts),
            )
        )
    if len(touched) > _LISTED:
        lines.append(say("notice.more", lang, count=write_number(len(touched) - _LISTED)))
    return lines


def _part(move: Move, causes: Sequence[str]) -> float:
    return sum(move.parts.get(cause, 0.0) for cause in causes)


def draw_notices(settings: Settings, ledger: Ledger, parent: Path | None, made: Build, manifest: Mapping[str, Any]) -> dict[str, str]:
    """The notices of a release that is about to be published, by file name; none for the first release, for very many rows (every mixture
    is evaluated: `tanlian diff --notice` draws it in its own time), and where the release before cannot be evaluated any more.
    """
    version, inputs = manifest["code_version"], manifest["deliveries"]
    if parent is None or sum(entry["row_count"] for entry in inputs) > MOST_ROWS or not keep_build_models(settings, made, version):
        return {}
    clocks = Clocks(made.as_of.isoformat(), made.rule_date)
    second = State(manifest["release_id"], made.warehouse, inputs, ReferenceLists(overlay=settings.reference), clocks, version)
    try:
        found = compare(settings, ledger, read_state(settings, parent), second, version)
    except FileGone as gone:
        log.warning("no notice: %s is not there any more", gone.path)
        return {}
    return {notice_name(lang): write_notice(found, lang) for lang in LANGUAGES}
