"""`tanlian dashboards publish` and `pull`: the dashboards into the running Superset, and edits made there back into files."""

# Annotations are evaluated where they stand: the help texts in them depend on the language of this start.

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from warehouse.settings import SettingsError

if TYPE_CHECKING:
    from dashboards.server import Server
    from warehouse.cli import Session


def add_dashboard_commands(app: typer.Typer, text: Callable[[str], str]) -> None:
    """Register the commands, their help in the language of this start."""

    @app.command("publish", help=text("help.publish"))
    def publish(context: typer.Context) -> None:
        import dashboards.publication

        session: Session = context.obj
        server = _find_server(session)
        published = dashboards.publication.publish(server.url, server.user, server.password, session.settings.data)
        session.answer(published)
        if not session.as_json:
            session.terminal.tell("dashboards.done", url=published.urls[session.settings.lang])

    @app.command("pull", help=text("help.pull"))
    def pull(context: typer.Context) -> None:
        from dashboards.client import SupersetClient
        from dashboards.pull import pull as pull_edits

        session: Session = context.obj
        server = _find_server(session)
        with SupersetClient(server.url, server.user, server.password) as client:
            pulled = pull_edits(client)
        session.answer(pulled)
        if session.as_json:
            return
        for line in (*pulled.texts, *pulled.settings):
            session.terminal.out.print(f"  {line}", markup=False)
        session.terminal.tell("dashboards.pulled", texts=len(pulled.texts), settings=len(pulled.settings))


def _find_server(session: "Session") -> "Server":
    import dashboards.server

    server = dashboards.server.find(session.settings.data)
    if server is None:
        raise SettingsError(session.terminal.text("dashboards.not_running"))
    return server
