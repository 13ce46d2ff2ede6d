"""The `tanlian` command: everything the DAGs do, for a person at a terminal. Exit codes: 0 done, 1 broken, 2 usage, 3 data refused."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from dashboards.errors import DashboardError
from ingest.contract import ContractError, read_contracts
from ingest.inert import visible
from ingest.reference import ReferenceError
from warehouse import cli_quarantine
from warehouse.airflow_home import AirflowError
from warehouse.cli_compare import add_compare_commands
from warehouse.cli_custody import add_custody_commands
from warehouse.cli_dashboards import add_dashboard_commands
from warehouse.cli_exchange import add_exchange_commands
from warehouse.cli_explain import add_explain_commands
from warehouse.cli_fetch import add_fetch_commands
from warehouse.cli_help import translate_help
from warehouse.cli_release import add_release_commands
from warehouse.cli_reports import add_report_commands
from warehouse.cli_usage import tell_usage
from warehouse.exit_codes import BROKEN, REFUSED, USAGE
from warehouse.inbox import waiting_files
from warehouse.settings import ROOT, Settings, SettingsError, UnknownSource, parse_instant, parse_rule_date, read_settings, utc_now
from warehouse.terminal import Terminal
from warehouse.texts import say, write_utc

_VALUED = {"--lang": "TANLIAN_LANG", "--as-of": "TANLIAN_AS_OF", "--reference": "TANLIAN_REFERENCE", "--rules": "TANLIAN_RULES"}
_FLAGS = {"--json", "--quiet"}


def hoist_options(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split the options that work anywhere from the rest of a command line."""
    common: list[str] = []
    rest: list[str] = []
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        if argument == "--":
            rest += [argument, *queue]
            break
        name, _, value = argument.partition("=")
        if argument in _FLAGS:
            common.append(argument)
        elif name in _VALUED:
            common += [name, value if "=" in argument else (queue.pop(0) if queue else "")]
        else:
            rest.append(argument)
    return common, rest


def _language_of(arguments: list[str]) -> str:
    common, _ = hoist_options(arguments)
    named = [common[i + 1] for i, item in enumerate(common) if item == "--lang"]
    return named[-1] if named and named[-1] in ("zh", "en") else read_settings().lang


_LANG = _language_of(sys.argv[1:])


def _help(key: str) -> str:
    return say(key, _LANG)


app = typer.Typer(
    help=_help("app"),
    epilog=_help("epilog"),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
dashboards_app = typer.Typer(help=_help("help.dashboards"), no_args_is_help=True)
app.add_typer(dashboards_app, name="dashboards")
app.add_typer(cli_quarantine.app, name="quarantine")
app.command(help=_help("help.receipt"))(cli_quarantine.receipt)
add_release_commands(app, _help)
add_fetch_commands(app, _help)
add_explain_commands(app, _help)
add_custody_commands(app, _help)
add_dashboard_commands(dashboards_app, _help)
add_report_commands(app, _help)
add_exchange_commands(app, _help)
add_compare_commands(app, _help)


@dataclasses.dataclass
class Session:
    """One command's settings and voice."""

    settings: Settings
    terminal: Terminal
    as_json: bool
    as_of: str | None
    rules: str | None = None

    @property
    def rule_date(self) -> str | None:
        return parse_rule_date(self.rules) if self.rules else None

    @property
    def moment(self) -> Any:
        return parse_instant(self.as_of) if self.as_of else None

    def answer(self, document: Any) -> None:
        """The JSON answer of the command, when JSON was asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1, default=_as_json) + "\n")


def _as_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


@app.callback()
def start(
    context: typer.Context,
    lang: Annotated[str, typer.Option(help=_help("option.lang"))] = _LANG,
    as_json: Annotated[bool, typer.Option("--json", help=_help("option.json"))] = False,
    quiet: Annotated[bool, typer.Option(help=_help("option.quiet"))] = False,
    as_of: Annotated[str | None, typer.Option(help=_help("option.as_of"))] = None,
    reference: Annotated[Path | None, typer.Option(help=_help("option.reference"))] = None,
    rules: Annotated[str | None, typer.Option(metavar="DATE", help=_help("option.rules"))] = None,
) -> None:
    if lang not in ("zh", "en"):
        raise SettingsError(f"--lang：应为 zh 或 en，不是 {lang!r}", f"--lang: zh or en, not {lang!r}")
    settings = dataclasses.replace(read_settings(), lang=lang)
    given = context.get_parameter_source("lang")
    if given is not None and given.name == "COMMANDLINE":
        settings = dataclasses.replace(settings, workbook_lang=lang)
    if reference is not None:
        if not reference.is_dir():
            raise SettingsError(f"--reference：没有这个目录：{reference}", f"--reference: no such folder: {reference}")
        settings = dataclasses.replace(settings, reference=reference.absolute())
        os.environ["TANLIAN_REFERENCE"] = str(reference.absolute())
    os.environ["TANLIAN_LANG"] = lang
    if as_of is not None:
        parse_instant(as_of)
    context.obj = Session(settings, Terminal(lang, quiet or as_json), as_json, as_of, rules)


def open_ledger(session: Session) -> Any:
    from warehouse.ledger import Ledger

    session.settings.data.mkdir(parents=True, exist_ok=True)
    return Ledger(session.settings.ledger)


def _show_receipts(session: Session, receipts: list[dict[str, Any]]) -> None:
    if session.as_json:
        session.answer(receipts)
    else:
        for receipt in receipts:
            session.terminal.receipt(receipt)
    cli_quarantine.remark_waivers(session)
    if any(receipt["verdict"] == "rejected" for receipt in receipts):
        raise typer.Exit(REFUSED)


@app.command(help=_help("help.doctor"))
def doctor(context: typer.Context) -> None:
    from warehouse.doctor import examine

    session: Session = context.obj
    findings = examine(session.settings)
    session.answer(findings)
    if not session.as_json:
        marks = {"ok": "✓", "warning": "!", "broken": "✗"}
        columns = [("table.check", "left"), ("table.result", "left"), ("table.found", "left")]
        rows = [[session.terminal.text(f"doctor.{finding.check}"), marks[finding.state], finding.found] for finding in findings]
        session.terminal.table("tanlian doctor", columns, rows)
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(BROKEN)


@app.command(help=_help("help.demo"))
def demo(
    context: typer.Context,
    enterprises: Annotated[int, typer.Option(help=_help("option.enterprises"))] = 400,
    lines: Annotated[int | None, typer.Option(help=_help("option.lines"))] = None,
    stage: Annotated[str, typer.Option(help=_help("option.stage"))] = "both",
) -> None:
    from warehouse.showcase import make_demonstration, put_stage

    session: Session = context.obj
    stages = {"first": ["first"], "second": ["second"], "both": ["first", "second"]}.get(stage)
    if stages is None:
        raise SettingsError(f"--stage: first, second, both, not {stage!r}")
    with session.terminal.working(session.terminal.text("run.demo")):
        make_demonstration(session.settings, enterprises, lines)
    count = sum(put_stage(session.settings, name) for name in stages)
    place = session.settings.data / "demonstration"
    session.answer({"path": str(place), "files": count})
    if not session.as_json:
        session.terminal.tell("demo.done", path=place, count=count)


@app.command(help=_help("help.deliver"))
def deliver(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help=_help("option.files"))],
    source: Annotated[str, typer.Option(help=_help("option.source"))],
    layout: Annotated[str | None, typer.Option(help=_help("option.layout"))] = None,
    received_at: Annotated[str | None, typer.Option(help=_help("option.received_at"))] = None,
) -> None:
    from warehouse.intake import Intake

    session: Session = context.obj
    for path in files:
        if not path.exists() and not path.is_symlink():
            raise SettingsError(session.terminal.text("deliver.absent", path=path))
    moment = parse_instant(received_at) if received_at else None
    intake = Intake(session.settings, open_ledger(session))
    receipts = []
    with session.terminal.working(", ".join(path.name for path in files)[:80]):
        for path in files:
            got = intake.receive(path, source, moment, layout)
            receipts += [got] if isinstance(got, dict) else intake.land_pending()
    _show_receipts(session, receipts)


@app.command(help=_help("help.land"))
def land(
    context: typer.Context,
    source: Annotated[list[str] | None, typer.Option(help=_help("option.source"))] = None,
    file: Annotated[list[str] | None, typer.Option(help=_help("option.file"))] = None,
    list_only: Annotated[bool, typer.Option("--list", help=_help("option.list"))] = False,
) -> None:
    session: Session = context.obj
    known = read_contracts()
    for name in source or ():
        if name not in known:
            raise UnknownSource(name, known)
    if list_only:
        waiting = [path for name in source or sorted(known) for path in waiting_files(session.settings, name)]
        session.answer([{"file": path.name, "size": path.lstat().st_size} for path in waiting])
        if not session.as_json:
            for path in waiting:
                session.terminal.out.print(visible(f"{path.parent.name}/{path.name}"), markup=False, soft_wrap=True)
        return
    from warehouse.intake import Intake

    with session.terminal.working("inbox") as update:
        receipts = Intake(session.settings, open_ledger(session)).take_inbox(source, file, lambda receipt: update(receipt["file"]))
    if not receipts and not session.as_json:
        session.terminal.tell("land.nothing")
    _show_receipts(session, receipts)


@app.command(help=_help("help.build"))
def build(context: typer.Context) -> None:
    from warehouse.build import BuildRefused
    from warehouse.build import build as run_build

    session: Session = context.obj
    try:
        with session.terminal.working("dbt build") as update:
            made = run_build(session.settings, open_ledger(session), session.moment, update, session.rule_date)
    except BuildRefused as refusal:
        session.answer({"status": "refused", "tests": refusal.tests})
        session.terminal.err.print(visible(str(refusal)), markup=False, soft_wrap=True)
        raise typer.Exit(REFUSED) from refusal
    session.answer({"status": "built", "path": made.warehouse, "seconds": made.seconds})
    if not session.as_json:
        session.terminal.tell("build.done", path=made.warehouse, seconds=round(made.seconds, 1))


@app.command(help=_help("help.status"))
def status(context: typer.Context) -> None:
    from warehouse.reading.files import release_at
    from warehouse.release import current_release
    from warehouse.summary import summarise_sources

    session: Session = context.obj
    ledger = open_ledger(session)
    found = summarise_sources(session.settings, ledger, session.moment)
    in_force = release_at(session.settings, ledger, session.moment)
    known_at = f"{session.moment.isoformat()}Z" if session.moment else None
    session.answer({"release_id": in_force.name if in_force else None, "as_of": known_at, "sources": found})
    if not session.as_json:
        from warehouse.summary import show_sources

        show_sources(session.terminal, found)
        missing = "release.none_then" if current_release(session.settings) else "release.nothing_at_all"
        session.terminal.out.print(
            session.terminal.text("table.release") + ": " + (in_force.name if in_force else session.terminal.text(missing)),
            markup=False,
        )
        if known_at:
            session.terminal.tell("status.as_of", at=write_utc(known_at))


@app.command(help=_help("help.world"))
def world(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=_help("option.world"))],
    out: Annotated[Path, typer.Option(help=_help("option.out"))],
) -> None:
    from warehouse.world import judge_world, read_world

    session: Session = context.obj
    found = read_world(folder)
    with session.terminal.working(str(folder)) as update:
        judged = judge_world(
            found,
            out,
            session.settings,
            session.moment,
            lambda receipt: update(f"{receipt['source']}/{receipt['file']}"),
            update,
            session.rule_date,
        )
    session.answer(
        {
            "release_id": judged.release_id,
            "gates": judged.gates,
            "sources": judged.verdicts["sources"],
            "unsupported": judged.verdicts["unsupported"],
        }
    )
    if not session.as_json:
        from warehouse.summary import show_world

        show_world(session.terminal, judged, out)
    if judged.release_id is None:
        raise typer.Exit(REFUSED)


@app.command(help=_help("help.run"))
def run(context: typer.Context, enterprises: Annotated[int, typer.Option(help=_help("option.enterprises"))] = 400) -> None:
    from warehouse.showcase import run_everything

    session: Session = context.obj
    code = run_everything(session.settings, session.terminal, enterprises)
    if code:
        raise typer.Exit(code)


@app.command(help=_help("help.up"))
def up(context: typer.Context) -> None:
    from warehouse.services import Ports, start_services

    session: Session = context.obj
    settings = session.settings
    settings.data.mkdir(parents=True, exist_ok=True)
    start_services(
        settings.data,
        ROOT / ".venv-superset",
        Ports(settings.airflow_port, settings.superset_port),
        settings.lang,
        lambda text: session.terminal.out.print(text, markup=False, soft_wrap=True),
    )


@app.command(help=_help("help.down"))
def down(context: typer.Context) -> None:
    from warehouse.services import end_services

    session: Session = context.obj
    end_services(session.settings.data, session.settings.lang, lambda text: session.terminal.out.print(text, markup=False, soft_wrap=True))


@app.command(help=_help("help.contracts"))
def contracts(context: typer.Context, check: Annotated[bool, typer.Option("--check", help=_help("option.check"))] = False) -> None:
    from warehouse.generated import generated_files, stale_files, write_files

    session: Session = context.obj
    files = generated_files(read_contracts())
    stale = stale_files(files)
    if not check:
        write_files(files)
    session.answer({"stale": [str(path.relative_to(ROOT)) for path in stale]})
    if check and stale:
        raise SettingsError(session.terminal.text("generated.stale", names=", ".join(str(path.relative_to(ROOT)) for path in stale)))
    if not session.as_json:
        session.terminal.tell("generated.fresh")


def _tell_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Users see a sentence and where the details are; the traceback goes to a file."""
    settings = read_settings()
    folder = settings.data / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"error-{utc_now():%Y%m%dT%H%M%S%f}.log"
    path.write_text(visible("".join(traceback.format_exception(kind, error, trace))), encoding="utf-8")
    sys.stderr.write(
        say("error.title", _LANG, message=visible(f"{kind.__name__}: {str(error)[:600]}"))
        + "\n"
        + say("error.log", _LANG, path=path)
        + "\n"
    )


def main() -> None:
    """Entry point: run a command, turn what went wrong into a sentence and an exit code."""
    sys.excepthook = _tell_error
    common, rest = hoist_options(sys.argv[1:])
    try:
        # Not `app(…)`: Typer would put an exception hook of its own in place of ours, and show users a traceback.
        code = translate_help(typer.main.get_command(app), _LANG).main(common + rest, standalone_mode=False)
    except TyperException as error:
        tell_usage(error, _LANG)
        raise SystemExit(error.exit_code) from None
    except typer.Abort:
        sys.stderr.write(say("usage.aborted", _LANG) + "\n")
        raise SystemExit(BROKEN) from None
    except (SettingsError, ReferenceError, ContractError) as error:
        sys.stderr.write(visible(error.in_language(_LANG) if isinstance(error, SettingsError) else str(error)) + "\n")
        raise SystemExit(USAGE) from None
    except (AirflowError, DashboardError) as error:
        sys.stderr.write(error.text(_LANG) + "\n")
        raise SystemExit(BROKEN) from None
    raise SystemExit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
