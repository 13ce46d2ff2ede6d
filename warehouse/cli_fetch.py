"""`tanlian fetch` and `tanlian listen`: pull from the declared connectors, and take their notices."""

# Annotations are evaluated where they stand: the help texts in them depend on the language of this start.

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingest.contract import read_contracts
from ingest.inert import visible
from warehouse.settings import Settings, SettingsError, UnknownSource, read_connection
from warehouse.terminal import Terminal

if TYPE_CHECKING:
    from ingest.connectors.credential import Credential
    from ingest.connectors.declaration import Connector
    from ingest.connectors.pull import Pulled, Rooms
    from warehouse.cli import Session

BROKEN, REFUSED = 1, 3
SHOWN_FILES = 12


def add_fetch_commands(app: typer.Typer, text: Callable[[str], str]) -> None:
    """Register the two commands, their help in the language of this start."""

    @app.command(help=text("help.fetch"))
    def fetch(
        context: typer.Context,
        connectors: Annotated[list[str] | None, typer.Argument(metavar="CONNECTOR", help=text("option.connectors"))] = None,
        source: Annotated[list[str] | None, typer.Option(help=text("option.source"))] = None,
        list_only: Annotated[bool, typer.Option("--list", help=text("option.list_connectors"))] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help=text("option.dry_run"))] = False,
        due: Annotated[bool, typer.Option("--due", help=text("option.due"))] = False,
    ) -> None:
        session: Session = context.obj
        chosen = _choose(session.settings, session.terminal, connectors or [], source or [])
        if list_only:
            _list(session, chosen)
        else:
            _fetch(session, chosen, dry_run, due)

    @app.command(help=text("help.listen"))
    def listen(
        context: typer.Context,
        port: Annotated[int, typer.Option(min=0, max=65_535, help=text("option.port"))] = 8090,
        host: Annotated[str, typer.Option(help=text("option.host"))] = "127.0.0.1",
    ) -> None:
        _listen(context.obj, host, port)


def _choose(settings: Settings, terminal: Terminal, names: list[str], sources: list[str]) -> "list[Connector]":
    """The connectors asked for, all when none is named; every declaration is read, so that a wrong one is told at once."""
    from ingest.connectors.declaration import DeclarationError, read_connectors

    try:
        declared = read_connectors(settings.connectors)
    except DeclarationError as error:
        raise SettingsError(terminal.text("fetch.declaration", message=error.message.in_language(terminal.lang))) from error
    contracts = read_contracts()
    for name in sources:
        if name not in contracts:
            raise UnknownSource(name, contracts)
    for connector in declared.values():
        if connector.source not in contracts:
            raise UnknownSource(connector.source, contracts)
        layouts = [path.stem for path in contracts[connector.source].layouts]
        if connector.layout is not None and connector.layout not in layouts:
            raise SettingsError(terminal.text("fetch.layout", connector=connector.name, layout=connector.layout, known=", ".join(layouts)))
    for name in names:
        if name not in declared:
            raise SettingsError(terminal.text("fetch.unknown", connector=name, known=", ".join(declared), folder=settings.connectors))
    wanted = [declared[name] for name in dict.fromkeys(names)] if names else list(declared.values())
    return [connector for connector in wanted if not sources or connector.source in sources]


def _rooms(settings: Settings) -> "Rooms":
    from ingest.connectors.pull import Rooms

    return Rooms(settings.inbox, settings.deliveries, settings.fetch)


def _find_credential(name: str) -> "Credential | None":
    from ingest.connectors.credential import parse_credential

    text = read_connection(name)
    return None if text is None else parse_credential(name, text)


def _list(session: "Session", connectors: "list[Connector]") -> None:
    memory = _rooms(session.settings).open_memory()
    try:
        listed = [
            {
                "connector": connector.name,
                "kind": connector.kind,
                "source": connector.source,
                "place": connector.place,
                "credential": connector.credential,
                "every_minutes": connector.every_minutes,
                "files": memory.file_count(connector.name),
                "announced": len(memory.announced(connector.name)),
                "given_up": memory.given_up(connector.name),
                "last": (memory.last_pull(connector.name) or {}).get("ended_at"),
                "outcome": (memory.last_pull(connector.name) or {}).get("outcome"),
            }
            for connector in connectors
        ]
    finally:
        memory.close()
    session.answer(listed)
    if session.as_json:
        return
    if not listed:
        session.terminal.tell("fetch.none", folder=session.settings.connectors)
        return
    names = ("connector", "kind", "source", "place", "files", "last")
    columns = [(f"table.{name}", "right" if name == "files" else "left") for name in names]
    rows = [[row["files"] if name == "files" else str(row[name] or "")[:160] for name in names] for row in listed]
    session.terminal.table(session.terminal.text("table.connectors"), columns, rows)


def _fetch(session: "Session", connectors: "list[Connector]", dry_run: bool, due: bool) -> None:
    from ingest.connectors.pull import Pulled, is_due, pull

    terminal, rooms = session.terminal, _rooms(session.settings)
    results: list[Pulled] = []
    for connector in connectors:
        if due:
            memory = rooms.open_memory()
            is_wanted = is_due(connector, memory)
            memory.close()
            if not is_wanted:
                results.append(Pulled(connector, "not_due"))
                continue
        with terminal.working(connector.name) as update:

            def tell(files: int, size: int, update: Callable[[str], None] = update) -> None:
                update(terminal.text("fetch.progress", files=files, megabytes=f"{size / 1e6:.1f}"))

            results.append(pull(connector, _find_credential, rooms, tell, dry_run))
    session.answer([_describe(result, dry_run) for result in results])
    if not session.as_json:
        if not connectors:
            terminal.tell("fetch.none", folder=session.settings.connectors)
        for result in results:
            _show(terminal, result, dry_run)
    for result in results:
        for fault in result.faults if session.as_json else ():
            terminal_text = f"{result.connector.name}: {fault.message.in_language(terminal.lang)}"
            typer.echo(visible(terminal_text), err=True)
    if any(result.may_succeed_later for result in results):
        raise typer.Exit(BROKEN)
    if any(result.faults for result in results):
        raise typer.Exit(REFUSED)


def _describe(result: "Pulled", dry_run: bool) -> dict[str, Any]:
    return {
        "connector": result.connector.name,
        "source": result.connector.source,
        "outcome": result.outcome,
        "dry_run": dry_run,
        "files": [
            {"file": file.file, "size": file.size, "sha256": file.sha256, "from": file.place, "original_name": file.original_name}
            for file in result.files
        ],
        "same": result.same,
        "unsettled": result.unsettled,
        "faults": [
            {"code": fault.code, "message_zh": fault.message.zh, "message_en": fault.message.en, "later": fault.later}
            for fault in result.faults
        ],
    }


def _show(terminal: Terminal, result: "Pulled", dry_run: bool) -> None:
    colours = {"fetched": "green", "failed": "red"}
    key = "fetch.would" if dry_run and result.files else f"outcome.{result.outcome}"
    outcome = terminal.text(key, count=len(result.files)) if key == "fetch.would" else terminal.text(key)
    size = f"{sum(file.size for file in result.files) / 1e6:.1f}"
    line = terminal.text("fetch.line", connector=result.connector.name, source=result.connector.source, outcome=outcome)
    terminal.out.print(visible(line), style=f"bold {colours.get(result.outcome, '')}".strip(), markup=False, soft_wrap=True)
    if result.files and not dry_run:
        terminal.out.print("  " + terminal.text("fetch.files", count=len(result.files), megabytes=size), markup=False, soft_wrap=True)
    for file in result.files[:SHOWN_FILES]:
        shown = f"  {file.file or file.original_name}  ←  {file.place}".replace("\n", "\\u000a")
        terminal.out.print(visible(shown), markup=False, soft_wrap=True)
    if len(result.files) > SHOWN_FILES:
        terminal.out.print("  " + terminal.text("fetch.more", count=len(result.files) - SHOWN_FILES), markup=False, soft_wrap=True)
    if result.unsettled:
        terminal.out.print("  " + terminal.text("fetch.unsettled", count=result.unsettled), markup=False, soft_wrap=True)
    for fault in result.faults:
        shown = f"  {fault.code}: {fault.message.in_language(terminal.lang)}".replace("\n", "\\u000a")
        terminal.out.print(visible(shown), markup=False, soft_wrap=True)


def _listen(session: "Session", host: str, port: int) -> None:
    import uvicorn

    from ingest.connectors.declaration import PactConnector
    from ingest.connectors.events import Doorkeeper, make_app

    terminal = session.terminal
    found = _choose(session.settings, terminal, [], [])
    hosts = {connector.name: connector for connector in found if isinstance(connector, PactConnector) and connector.event_credential}
    credentials = {}
    for name, connector in hosts.items():
        credential = _find_credential(connector.event_credential or "")
        if credential is None or not credential.password:
            raise SettingsError(terminal.text("listen.credential", connector=name, credential=connector.event_credential))
        credentials[name] = credential
    if not hosts:
        raise SettingsError(terminal.text("listen.nobody", folder=session.settings.connectors))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    app = make_app(hosts, Doorkeeper(credentials), Path(session.settings.fetch / "memory.sqlite"))
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, server_header=False))
    terminal.remark(terminal.text("listen.started", host=host, port=port, connectors=", ".join(hosts)))
    server.run()
