"""`tanlian release`, `release rollback`, `release restore` and `releases`: what is in force, and what was."""

# Annotations are evaluated where they stand: the help texts in them depend on the language of this start.

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from warehouse.exit_codes import REFUSED
from warehouse.settings import SettingsError
from warehouse.texts import write_second

if TYPE_CHECKING:
    from warehouse.cli import Session


def add_release_commands(app: typer.Typer, text: Callable[[str], str]) -> None:
    """Register the commands, their help in the language of this start."""
    release_app = typer.Typer(help=text("help.release"), invoke_without_command=True)
    app.add_typer(release_app, name="release")

    @release_app.callback()
    def release(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            _release(context.obj)

    @release_app.command("rollback", help=text("help.rollback"))
    def rollback(context: typer.Context) -> None:
        _roll_back(context.obj)

    @release_app.command("restore", help=text("help.restore_release"))
    def restore(
        context: typer.Context, release_id: Annotated[str, typer.Argument(metavar="RELEASE", help=text("option.withdrawn"))]
    ) -> None:
        _restore(context.obj, release_id)

    @app.command(help=text("help.releases"))
    def releases(context: typer.Context) -> None:
        _list_releases(context.obj)


def _release(session: "Session") -> None:
    from warehouse.cli import open_ledger
    from warehouse.release import ReleaseRefused
    from warehouse.release import release as run_release

    try:
        with session.terminal.working("release") as update:
            outcome = run_release(session.settings, open_ledger(session), session.moment, say=update, rule_date=session.rule_date)
    except ReleaseRefused as refusal:
        session.answer({"status": "refused", "release_id": None, "gates": refusal.gates})
        if not session.as_json:
            session.terminal.gates(refusal.gates)
            session.terminal.tell("release.refused", style="bold red")
        raise typer.Exit(REFUSED) from refusal
    gates = (outcome.manifest or {}).get("gates", [])
    session.answer({"status": outcome.status, "release_id": outcome.release_id, "gates": gates, "withdrawn": outcome.withdrawn})
    if not session.as_json:
        if outcome.status == "published":
            session.terminal.gates(gates)
        session.terminal.tell(f"release.{outcome.status}", style="bold green", release=outcome.release_id)
        if outcome.withdrawn is not None:
            session.terminal.tell("release.withdrawn", release=outcome.withdrawn)


def _roll_back(session: "Session") -> None:
    from warehouse.cli import open_ledger
    from warehouse.release import NothingEarlier, roll_back

    try:
        withdrawn, restored = roll_back(session.settings, open_ledger(session))
    except NothingEarlier as error:
        raise SettingsError(session.terminal.text("release.nothing_earlier")) from error
    session.answer({"status": "rolled_back", "release_id": restored, "withdrawn": withdrawn})
    if not session.as_json:
        session.terminal.tell("release.rolled_back", release=restored)
        session.terminal.tell("release.withdrawn", release=withdrawn)


def _restore(session: "Session", release_id: str) -> None:
    from warehouse.cli import open_ledger
    from warehouse.release import NotRestorable, restore_release

    terminal = session.terminal
    try:
        with terminal.working(release_id):
            restore_release(session.settings, open_ledger(session), release_id)
    except NotRestorable as error:
        told = terminal.text(f"release.{error.code}", release=release_id, names=", ".join(error.names) or "-")
        if error.code == "damaged":
            terminal.remark(told)
            raise typer.Exit(REFUSED) from error
        raise SettingsError(told) from error
    session.answer({"status": "restored", "release_id": release_id})
    if not session.as_json:
        terminal.tell("release.restored", style="green", release=release_id)


def _list_releases(session: "Session") -> None:
    from warehouse.cli import open_ledger
    from warehouse.release import current_release

    listed = open_ledger(session).releases()
    in_force = current_release(session.settings)
    for row in listed:
        row["in_force"] = in_force is not None and row["release_id"] == in_force.name
    session.answer(listed)
    if not session.as_json:
        terminal = session.terminal
        columns = [("table.release", "left"), ("table.published", "left"), ("table.as_of", "left"), ("table.status", "left")]
        rows = [
            [
                row["release_id"],
                *(write_second(row[name]) for name in ("published_at", "as_of")),
                terminal.text("status.in_force" if row["in_force"] else f"status.{row['status']}"),
            ]
            for row in listed
        ]
        terminal.table(terminal.text("table.release"), columns, rows)
