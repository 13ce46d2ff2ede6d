"""`tanlian explain`: from a published figure to the rows it is made of, and from a row to the published figures that it moves."""

# Annotations are evaluated where they stand: the help texts in them depend on the language of this start.

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from warehouse.settings import SettingsError

if TYPE_CHECKING:
    from warehouse.cli import Session


def add_explain_commands(app: typer.Typer, text: Callable[[str], str]) -> None:
    """Register the command, its help in the language of this start."""

    @app.command(help=text("help.explain"))
    def explain(
        context: typer.Context,
        mart: Annotated[str | None, typer.Argument(help=text("option.figure_mart"))] = None,
        where: Annotated[str | None, typer.Option(help=text("option.figure_where"))] = None,
        column: Annotated[str | None, typer.Option(help=text("option.column"))] = None,
        release: Annotated[str | None, typer.Option(help=text("option.figure_release"))] = None,
        html: Annotated[Path | None, typer.Option(help=text("option.html"))] = None,
        reverse: Annotated[str | None, typer.Option(metavar="FILE:ROW", help=text("option.reverse"))] = None,
        cells: Annotated[list[str] | None, typer.Option("--set", metavar="COLUMN=VALUE", help=text("option.set"))] = None,
    ) -> None:
        session: Session = context.obj
        if reverse is not None and (mart, where, column, html) == (None,) * 4:
            _list_moved(session, reverse, cells or [], release)
        elif mart is None or where is None or column is None or reverse is not None or cells:
            raise SettingsError(session.terminal.text("explain.usage"))
        else:
            _explain_figure(session, mart, where, column, release, html)


def _explain_figure(session: "Session", mart: str, where: str, column: str, release: str | None, html: Path | None) -> None:
    from warehouse.lineage.explanation import explain
    from warehouse.lineage.page import write_page
    from warehouse.lineage.tree import show_explanation
    from warehouse.lineage.verdicts import Verdicts

    terminal = session.terminal
    document = _ask(
        session,
        release,
        f"{mart}.{column}",
        lambda opened, ledger: explain(opened, Verdicts(session.settings, ledger), mart, where, column),
    )
    if html is not None:
        write_page(document, terminal.lang, html)
        terminal.remark(terminal.text("explain.page", path=html))
    session.answer(document)
    if not session.as_json and html is None:
        show_explanation(terminal, document)


def _list_moved(session: "Session", place: str, cells: list[str], release: str | None) -> None:
    from warehouse.lineage.moved import list_moved
    from warehouse.lineage.tree import show_moved

    terminal = session.terminal
    file, _, number = place.rpartition(":")
    changes = dict(cell.partition("=")[::2] for cell in cells)
    if not file or not number.isdecimal() or len(number) > 9 or any("=" not in cell for cell in cells):
        raise SettingsError(terminal.text("explain.usage"))
    document = _ask(session, release, place, lambda opened, ledger: list_moved(opened, ledger, file, int(number), changes))
    session.answer(document)
    if not session.as_json:
        show_moved(terminal, document)


def _ask(session: "Session", release: str | None, subject: str, question: Callable[[Any, Any], Any]) -> Any:
    """Put a question to a kept release; what cannot be answered is told in the reader's language."""
    from warehouse.ledger import Ledger
    from warehouse.lineage.condition import ConditionError
    from warehouse.lineage.explanation import FigureNotReproduced, FigureUnclear
    from warehouse.lineage.opened import open_release
    from warehouse.lineage.reverse import RowUnclear

    terminal = session.terminal
    try:
        with terminal.working(terminal.text("explain.working", subject=subject)):
            ledger = Ledger(session.settings.ledger)
            with open_release(session.settings, ledger, release) as opened:
                return question(opened, ledger)
    except (FigureUnclear, RowUnclear) as error:
        raise SettingsError(terminal.text(error.key, **error.values)) from error
    except ConditionError as error:
        raise SettingsError(terminal.text("explain.condition", message=error)) from error
    except FigureNotReproduced as error:
        raise SettingsError(terminal.text("explain.differs", message=error)) from error
