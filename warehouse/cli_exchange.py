"""`tanlian export`, `tanlian catalogue`, `tanlian serve` and `tanlian key`: what leaves the warehouse, and by whose key."""

# Annotations are evaluated where they stand: the help texts in them depend on the language of this start.

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warehouse.settings import SettingsError

if TYPE_CHECKING:
    from warehouse.cli import Session


def add_exchange_commands(app: typer.Typer, text: Callable[[str], str]) -> None:
    """Register the commands, their help in the language of this start."""

    @app.command(help=text("help.export"))
    def export(
        context: typer.Context,
        form: Annotated[str, typer.Option("--format", help=text("option.export_format"))],
        reader: Annotated[str, typer.Option("--for", help=text("option.reader"))] = "ministry",
        mart: Annotated[list[str] | None, typer.Option(help=text("option.mart"))] = None,
        out: Annotated[Path | None, typer.Option(help=text("option.out"))] = None,
    ) -> None:
        _export(context.obj, form, reader, mart or [], out)

    @app.command(help=text("help.catalogue"))
    def catalogue(
        context: typer.Context,
        out: Annotated[Path, typer.Option(help=text("option.out"))],
        reader: Annotated[str, typer.Option("--for", help=text("option.reader"))] = "ministry",
    ) -> None:
        _catalogue(context.obj, out, reader)

    @app.command(help=text("help.key"))
    def key(
        context: typer.Context,
        client: Annotated[str, typer.Argument(metavar="CLIENT", help=text("option.client"))],
        reader: Annotated[str, typer.Option("--for", help=text("option.reader"))],
    ) -> None:
        _key(context.obj, client, reader)

    @app.command(help=text("help.serve"))
    def serve(
        context: typer.Context,
        port: Annotated[int, typer.Option(min=0, max=65_535, help=text("option.port"))] = 8091,
        host: Annotated[str, typer.Option(help=text("option.host"))] = "127.0.0.1",
        per_minute: Annotated[int, typer.Option(min=1, help=text("option.per_minute"))] = 600,
    ) -> None:
        _serve(context.obj, host, port, per_minute)


def _export(session: "Session", form: str, reader_name: str, marts: list[str], out: Path | None) -> None:
    from warehouse.cli import open_ledger
    from warehouse.exchange.files import FORMS, write_export
    from warehouse.reading.files import find_release, parse_reader, reader_files

    terminal = session.terminal
    if form not in FORMS:
        raise SettingsError(terminal.text("report.format", format=form, known=", ".join(FORMS)))
    reader = parse_reader(reader_name)
    folder = find_release(session.settings, open_ledger(session), session.moment)
    place = out or session.settings.data / "exports" / folder.name / reader.name / form
    with terminal.working(form), reader_files(session.settings, folder, reader) as (file, _):
        written = write_export(form, file, marts, place, session.settings.lang)
    session.answer({"release_id": folder.name, "reader": reader.name, "files": [str(path) for path in written]})
    if not session.as_json:
        terminal.tell("export.done", count=len(written), path=place)


def _catalogue(session: "Session", out: Path, reader_name: str) -> None:
    from warehouse.cli import open_ledger
    from warehouse.exchange.catalogue import write_catalogue
    from warehouse.lineage.opened import LineageAbsent, open_release
    from warehouse.reading.files import find_release, parse_reader, reader_files

    folder = find_release(session.settings, open_ledger(session), session.moment)
    reader = parse_reader(reader_name)
    with session.terminal.working("catalogue"), reader_files(session.settings, folder, reader) as (file, _):
        try:
            with open_release(session.settings, open_ledger(session), folder.name) as opened:
                page = write_catalogue(file, opened.steps, session.settings.reference, out)
        except LineageAbsent:  # a release made before lineage was kept
            page = write_catalogue(file, None, session.settings.reference, out)
    session.answer({"path": str(page)})
    if not session.as_json:
        session.terminal.tell("catalogue.done", path=page)


def _key(session: "Session", client: str, reader_name: str) -> None:
    from warehouse.interface.keys import add_key
    from warehouse.reading.files import parse_reader, reader_files
    from warehouse.release import current_release

    settings, reader = session.settings, parse_reader(reader_name)
    folder = current_release(settings)
    if folder is not None:
        with reader_files(settings, folder, reader):
            pass  # there is something to read with the key
    made = add_key(settings.api_keys, client, reader)
    session.answer({"client": client, "reader": reader_name, "key": made})
    if not session.as_json:
        session.terminal.out.print(made, markup=False, soft_wrap=True)
        session.terminal.tell("key.made", client=client, path=settings.api_keys)
    if folder is None:
        session.terminal.remark(session.terminal.text("key.unseen", reader=reader_name))


def _serve(session: "Session", host: str, port: int, per_minute: int) -> None:
    import uvicorn

    from warehouse.interface.app import make_app
    from warehouse.interface.keys import Doorkeeper, read_keys

    known = read_keys(session.settings.api_keys)
    if not known:
        raise SettingsError(session.terminal.text("serve.no_keys", path=session.settings.api_keys))
    app = make_app(session.settings, Doorkeeper(session.settings.api_keys), per_minute)
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, server_header=False))
    session.terminal.remark(session.terminal.text("serve.started", host=host, port=port, clients=len(known)))
    server.run()
