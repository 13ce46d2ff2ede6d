"""`tanlian report`: the report on the release, and the reports for one reader."""

# Annotations are evaluated where they stand: the help texts in them depend on the language of this start.

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from warehouse.settings import SettingsError

if TYPE_CHECKING:
    from warehouse.cli import Session


def add_report_commands(app: typer.Typer, text: Callable[[str], str]) -> None:
    """Register `report`, its help in the language of this start."""

    @app.command(help=text("help.report"))
    def report(
        context: typer.Context,
        kind: Annotated[str | None, typer.Argument(metavar="KIND", help=text("option.report_kind"))] = None,
        member: Annotated[str | None, typer.Option("--for", help=text("option.report_for"))] = None,
        form: Annotated[str | None, typer.Option("--format", help=text("option.report_format"))] = None,
        out: Annotated[Path | None, typer.Option(help=text("option.out"))] = None,
    ) -> None:
        session: Session = context.obj
        path = _write_plain(session, member, form, out) if kind is None else _write_for_reader(session, kind, member, form, out)
        session.answer({"path": path})
        if not session.as_json:
            session.terminal.tell("report.done", path=path)


def _write_plain(session: "Session", member: str | None, form: str | None, out: Path | None) -> Path:
    """The report on the release in force, or on the one of then, one HTML page in both languages."""
    from warehouse.cli import open_ledger
    from warehouse.reading.files import find_release
    from warehouse.summary import write_release_report

    if member is not None or form not in (None, "html"):
        raise SettingsError(session.terminal.text("report.plain"))
    with session.terminal.working("report"):
        return write_release_report(session.settings, find_release(session.settings, open_ledger(session), session.moment), out)


def _write_for_reader(session: "Session", name: str, member: str | None, form: str | None, out: Path | None) -> Path:
    from dashboards.reports.audience_report import FORMATS, KINDS, write_audience_report
    from dashboards.reports.wording import Language
    from warehouse.cli import open_ledger
    from warehouse.reading.files import MINISTRY, find_release, parse_reader, reader_files
    from warehouse.release import read_manifest

    terminal = session.terminal
    kind = KINDS.get(name)
    if kind is None:
        raise SettingsError(terminal.text("report.unknown", kind=name, known=", ".join(KINDS)))
    chosen = form or (out.suffix.lstrip(".") if out is not None and out.suffix.lstrip(".") in FORMATS else "html")
    if chosen not in FORMATS:
        raise SettingsError(terminal.text("report.format", format=chosen, known=", ".join(FORMATS)))
    if (member is None) != (kind.audience == MINISTRY):
        raise SettingsError(terminal.text("report.member", kind=name) if member is None else terminal.text("report.no_member", kind=name))
    folder = find_release(session.settings, open_ledger(session), session.moment)
    reader = parse_reader(MINISTRY if member is None else f"{kind.audience}_{member}")
    language = cast(Language, session.settings.lang)
    place = out or session.settings.data / "reports" / folder.name / f"{name}_{member or MINISTRY}_{language}.{chosen}"
    with terminal.working(name), reader_files(session.settings, folder, reader) as found:
        gates = read_manifest(folder)["gates"] if kind.audience == MINISTRY else ()
        return write_audience_report(kind, member, found, language, chosen, place, gates)
