"""`tanlian diff` and `tanlian plan`: what changed between two releases and why; what would change if a file were published."""

# Annotations are evaluated where they stand: the help texts in them depend on the language of this start.

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingest.inert import visible
from ingest.reference import ReferenceLists
from warehouse.exit_codes import REFUSED
from warehouse.settings import Settings, SettingsError, parse_rule_date

if TYPE_CHECKING:
    from warehouse.cli import Session
    from warehouse.comparison.compare import Comparison
    from warehouse.comparison.plan import Candidate, Planned


def add_compare_commands(app: typer.Typer, text: Callable[[str], str]) -> None:
    """Register the two commands, their help in the language of this start."""

    @app.command("diff", help=text("help.diff"))
    def diff(
        context: typer.Context,
        first: Annotated[str, typer.Argument(metavar="A", help=text("option.first_release"))] = "previous",
        second: Annotated[str, typer.Argument(metavar="B", help=text("option.second_release"))] = "current",
        limit: Annotated[int, typer.Option(min=1, help=text("option.limit"))] = 10,
        html: Annotated[Path | None, typer.Option(help=text("option.html"))] = None,
        changes: Annotated[Path | None, typer.Option(help=text("option.changes"))] = None,
        notice: Annotated[bool, typer.Option("--notice", help=text("option.notice"))] = False,
    ) -> None:
        _diff(context.obj, first, second, limit, html, changes, notice)

    @app.command("plan", help=text("help.plan"))
    def plan(
        context: typer.Context,
        factor: Annotated[list[Path] | None, typer.Option(help=text("option.factor"))] = None,
        tier_cuts: Annotated[Path | None, typer.Option(help=text("option.tier_cuts"))] = None,
        benchmark: Annotated[Path | None, typer.Option(help=text("option.benchmark"))] = None,
        gwp_set: Annotated[str | None, typer.Option(help=text("option.gwp_set"))] = None,
        limit: Annotated[int, typer.Option(min=1, help=text("option.limit"))] = 10,
        html: Annotated[Path | None, typer.Option(help=text("option.html"))] = None,
        changes: Annotated[Path | None, typer.Option(help=text("option.changes"))] = None,
    ) -> None:
        session: Session = context.obj
        named = {"tier_cut": tier_cuts, "ets_benchmark": benchmark}
        candidate = gather_candidate(session.settings, factor or [], {k: v for k, v in named.items() if v}, session.rules, gwp_set)
        _plan(session, candidate, limit, html, changes)


def gather_candidate(
    settings: Settings, factors: list[Path], lists: dict[str, Path], rules: str | None, gwp_set: str | None = None
) -> "Candidate":
    """What the options name together. `rules` is a day, a list's file (named after the list), or a folder of such files.

    Raises:
        SettingsError: nothing is named, or a file is not there.
    """
    from warehouse.comparison.causes import FACTORS, sources_of
    from warehouse.comparison.plan import Candidate

    rule_date = None
    if rules is not None:
        place = Path(rules)
        if place.exists():
            lists = {path.stem: path for path in (sorted(place.glob("*.csv")) if place.is_dir() else [place])} | lists
        else:
            rule_date = parse_rule_date(rules)
    for path in factors:
        if not path.is_file():
            raise SettingsError(f"没有这个文件：{path}", f"no such file: {path}")
    if not (factors or lists or rule_date or gwp_set):
        known = ", ".join(ReferenceLists(overlay=settings.reference).files)
        raise SettingsError(
            f"请给出 --factor、--tier-cuts、--benchmark、--gwp-set 或 --rules（日期，或以参考表命名的文件：{known}）",
            f"give --factor, --tier-cuts, --benchmark, --gwp-set or --rules (a day, or a file named after a list: {known})",
        )
    return Candidate([(source, path.absolute()) for source in sources_of(FACTORS)[:1] for path in factors], lists, rule_date, gwp_set)


def _diff(session: "Session", first: str, second: str, limit: int, html: Path | None, changes: Path | None, notice: bool) -> None:
    from warehouse.comparison.compare import compare, read_state, release_folder
    from warehouse.comparison.notice import write_notice
    from warehouse.comparison.table import show_comparison
    from warehouse.ledger import Ledger
    from warehouse.release import code_version

    settings, terminal = session.settings, session.terminal
    settings.data.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(settings.ledger)
    folders = [release_folder(settings, ledger, name) for name in (first, second)]
    states = [read_state(settings, folder) for folder in folders]
    with terminal.working("diff"):
        found = compare(settings, ledger, states[0], states[1], code_version(), limit, changes)
    session.answer(as_document(found))
    if notice and not session.as_json:
        terminal.out.print(visible(write_notice(found, terminal.lang)), markup=False, soft_wrap=True)
    elif not session.as_json:
        show_comparison(terminal, found, limit)
    _write_page(session, found, False, html)


def _plan(session: "Session", candidate: "Candidate", limit: int, html: Path | None, changes: Path | None) -> None:
    from warehouse.comparison.plan import plan
    from warehouse.comparison.table import show_comparison, show_effects

    terminal = session.terminal
    with terminal.working("plan") as update:
        planned = plan(session.settings, candidate, session.moment, say=update, limit=limit, changes_to=changes)
    session.answer(_planned_document(planned))
    if not session.as_json:
        if planned.receipts:
            terminal.tell("plan.receipts")
        for receipt in planned.receipts:
            terminal.receipt(receipt)
        if planned.gates:
            terminal.gates(list(planned.gates))
        if planned.comparison is not None:
            show_effects(terminal, planned.comparison)
            show_comparison(terminal, planned.comparison, limit)
            terminal.tell("plan.nothing_written")
        else:
            terminal.tell("plan.refused", style="bold red")
    if planned.comparison is None:
        raise typer.Exit(REFUSED)
    _write_page(session, planned.comparison, True, html)


def _write_page(session: "Session", found: "Comparison", is_plan: bool, out: Path | None) -> None:
    from dashboards.reports.comparison_page import write_comparison_page
    from warehouse.comparison.wording import titles

    if out is not None:
        path = write_comparison_page(
            as_document(found) | {"is_plan": is_plan}, titles(), out, "zh" if session.settings.lang == "zh" else "en"
        )
        session.terminal.remark(session.terminal.text("page.done", path=path))


def _planned_document(planned: "Planned") -> dict[str, Any]:
    return {
        "status": "refused" if planned.comparison is None else "planned",
        "receipts": planned.receipts,
        "gates": planned.gates,
        "comparison": as_document(planned.comparison) if planned.comparison else None,
    }


def as_document(found: "Comparison") -> dict[str, Any]:
    """A comparison as JSON tells it, every part beside the move it belongs to."""
    attribution = found.attribution
    moves = [
        asdict(move) | {"move": move.move, "residual": float(move.residual), "declared_unit": found.units.get(move.key["product_code"])}
        for move in attribution.moves
    ]
    return {
        "first": found.first,
        "second": found.second,
        "is_demonstration": found.is_demonstration,
        "marts": [asdict(mart) for mart in found.marts],
        "largest": found.largest,
        "effects": found.effects,
        "causes": attribution.causes,
        "rows_by_cause": attribution.row_counts,
        "lists_known": attribution.lists_known,
        "evaluations": attribution.evaluations,
        "moves": moves,
    }
