"""`tanlian receipt` and `tanlian quarantine`: what was refused, why, given back to be put right, or let through by a reviewed waiver."""

from __future__ import annotations

import itertools
import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from ingest.contract import Contract, Message, read_contracts
from ingest.inert import visible
from warehouse.settings import Settings, SettingsError, UnknownSource, china_day, read_settings, utc_now
from warehouse.texts import say, write_utc

_DEFAULT_LIFE_DAYS = 365


def _lang() -> str:
    arguments = sys.argv[1:]
    named = [after for name, after in itertools.pairwise(arguments) if name == "--lang"]
    named += [item.partition("=")[2] for item in arguments if item.startswith("--lang=")]
    return named[-1] if named and named[-1] in ("zh", "en") else read_settings().lang


def _help(key: str) -> str:
    return say(key, _lang())


app = typer.Typer(help=_help("help.quarantine"), no_args_is_help=True)

Source = Annotated[str | None, typer.Option(help=_help("option.source"))]
RuleCode = Annotated[str | None, typer.Option(help=_help("option.rule"))]
File = Annotated[str | None, typer.Option(help=_help("option.of_file"))]
Sender = Annotated[str | None, typer.Option(help=_help("option.sender"))]
State = Annotated[str, typer.Option(help=_help("option.state"))]


def _ledger(settings: Settings) -> Any:
    from warehouse.ledger import Ledger

    settings.data.mkdir(parents=True, exist_ok=True)
    return Ledger(settings.ledger)


def _wanted(contracts: dict[str, Contract], source: str | None, rule: str | None, file: str | None, sender: str | None, state: str) -> Any:
    from warehouse.repair.export import STATES, Filter

    if source is not None and source not in contracts:
        raise UnknownSource(source, contracts)
    if state not in STATES:
        raise SettingsError(f"--state: {', '.join(STATES)}")
    return Filter(source, rule, file, sender, state)


def _rows(session: Any, wanted: Any) -> list[dict[str, Any]]:
    from warehouse.repair.export import list_rows

    return list_rows(session.settings, _ledger(session.settings), read_contracts(), wanted)


@app.command("list", help=_help("help.quarantine_list"))
def list_quarantined(
    context: typer.Context, source: Source = None, rule: RuleCode = None, file: File = None, sender: Sender = None, state: State = "open"
) -> None:
    session = context.obj
    rows = _rows(session, _wanted(read_contracts(), source, rule, file, sender, state))
    session.answer(rows)
    if session.as_json:
        return
    terminal = session.terminal
    if not rows:
        terminal.tell("quarantine.none")
        return
    columns = [
        ("table.delivery", "right"),
        ("receipt.row", "right"),
        ("table.source", "left"),
        ("table.file", "left"),
        ("table.key", "left"),
    ]
    columns += [("receipt.rule", "left"), ("table.state", "left")]
    terminal.table(
        terminal.text("table.quarantine", count=len(rows)),
        columns,
        [
            [
                str(row["sequence"]),
                str(row["row_number"]),
                row["source"],
                row["file"],
                ", ".join(str(value) for value in row["key"].values()),
                ", ".join(sorted({reason["code"] for reason in row["reasons"]})),
                terminal.text(f"state.{row['state']}") + (f" ({row['settled_by']})" if row["settled_by"] else ""),
            ]
            for row in rows
        ],
    )


@app.command("show", help=_help("help.quarantine_show"))
def show_quarantined(
    context: typer.Context,
    sequence: Annotated[int, typer.Argument(help=_help("option.sequence"))],
    row: Annotated[int | None, typer.Argument(help=_help("option.row"))] = None,
) -> None:
    from warehouse.repair.export import Filter

    session = context.obj
    found = [one for one in _rows(session, Filter(state="all", sequence=sequence)) if row in (None, one["row_number"])]
    if not found:
        raise SettingsError(session.terminal.text("quarantine.no_such", sequence=sequence, row=row or "*"))
    session.answer(found)
    if session.as_json:
        return
    lang, terminal = session.settings.lang, session.terminal
    for one in found:
        settled = f" ({one['settled_by']}, {write_utc(one['settled_at'])})" if one["settled_by"] else ""
        state = terminal.text(f"state.{one['state']}") + settled
        terminal.tell(
            "quarantine.row", style="bold", source=one["source"], file=one["file"], sequence=sequence, row=one["row_number"], state=state
        )
        for reason in one["reasons"]:
            words = (
                f"  {reason['code']}  {reason['column_name']} = {reason['value']}  {reason[f'message_{lang}']}  {reason[f'reason_{lang}']}"
            )
            terminal.out.print(visible(words.replace("\n", "\\u000a")), markup=False, soft_wrap=True)
        cells = "  " + json.dumps(one["row"], ensure_ascii=False)
        terminal.out.print(visible(cells), markup=False, soft_wrap=True, style="dim")


@app.command("export", help=_help("help.quarantine_export"))
def export_quarantined(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="OUT", help=_help("option.export"))],
    source: Source = None,
    rule: RuleCode = None,
    file: File = None,
    sender: Sender = None,
    state: State = "open",
) -> None:
    from warehouse.repair.export import FORMATS, write_rows

    session = context.obj
    if out.suffix not in FORMATS:
        raise SettingsError(session.terminal.text("quarantine.formats", formats=", ".join(FORMATS)))
    rows = _rows(session, _wanted(read_contracts(), source, rule, file, sender, state))
    lines = write_rows(rows, out, session.settings.lang)
    session.answer({"path": str(out), "rows": len(rows), "lines": lines})
    if not session.as_json:
        session.terminal.tell("quarantine.exported", path=out, rows=len(rows))


@app.command("waive", help=_help("help.quarantine_waive"))
def waive_row(
    context: typer.Context,
    sequence: Annotated[int, typer.Argument(help=_help("option.sequence"))],
    row: Annotated[int, typer.Argument(help=_help("option.row"))],
    rule: Annotated[str, typer.Option(help=_help("option.rule"))],
    reason_zh: Annotated[str, typer.Option(help=_help("option.reason_zh"))],
    reason_en: Annotated[str, typer.Option(help=_help("option.reason_en"))],
    citation: Annotated[str, typer.Option(help=_help("option.citation"))],
    author: Annotated[str, typer.Option(help=_help("option.author"))],
    until: Annotated[str | None, typer.Option(help=_help("option.until"))] = None,
) -> None:
    from ingest.waivers import waivable_rules
    from warehouse.repair.export import Filter
    from warehouse.waivers import draft_waiver

    session = context.obj
    found = [one for one in _rows(session, Filter(state="open", sequence=sequence, rule=rule)) if one["row_number"] == row]
    if not found:
        raise SettingsError(session.terminal.text("quarantine.no_such", sequence=sequence, row=row))
    one = found[0]
    if rule not in waivable_rules(read_contracts()[one["source"]]):
        raise SettingsError(session.terminal.text("waiver.not_waivable", details=rule))
    key = {name: str(value) for name, value in one["key"].items() if value is not None}
    if len(key) != len(read_contracts()[one["source"]].key):
        raise SettingsError(session.terminal.text("waiver.no_key"))
    try:
        day = date.fromisoformat(until) if until else date.fromisoformat(china_day(utc_now())) + timedelta(days=_DEFAULT_LIFE_DAYS)
        folder = session.settings.waivers
        path = draft_waiver(folder, one["source"], key, rule, Message(reason_zh, reason_en), citation, author, day)
    except ValueError as error:
        raise SettingsError(f"--until: {error}") from error
    except FileExistsError as error:
        raise SettingsError(session.terminal.text("waiver.exists", path=error.filename)) from error
    session.answer({"path": str(path), "signed": False})
    if not session.as_json:
        session.terminal.tell("waiver.drafted", path=path)


@app.command("waivers", help=_help("help.quarantine_waivers"))
def list_waivers(context: typer.Context) -> None:
    from warehouse.waivers import describe_waivers

    session = context.obj
    found = describe_waivers(session.settings, _ledger(session.settings), read_contracts())
    session.answer(found)
    if session.as_json:
        return
    terminal = session.terminal
    if not found:
        terminal.tell("waiver.none", folder=session.settings.waivers)
    for entry in found:
        terminal.tell("waiver.line", file=entry["file"], state=terminal.text(entry["state"], details=entry["details"]))


def remark_waivers(session: Any) -> None:
    """Name the waivers that are not in order, wherever files are judged: none is passed over in silence."""
    from warehouse.waivers import read_waivers

    for read in read_waivers(session.settings.waivers, read_contracts(), date.fromisoformat(china_day(utc_now()))):
        if read.fault is not None:
            terminal = session.terminal
            terminal.remark(terminal.text("waiver.remark", file=read.file, state=terminal.text(read.fault, details=read.details)))


def receipt(
    context: typer.Context,
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help=_help("option.delivery"))],
    workbook: Annotated[Path | None, typer.Option(help=_help("option.workbook"))] = None,
) -> None:
    """Show a receipt again, and make its workbook."""
    from ingest.reference import ReferenceLists
    from warehouse.repair.workbook import NoWorkbook, list_proposals, make_workbook

    session = context.obj
    ledger = _ledger(session.settings)
    rows = [row for row in ledger.deliveries() if str(row["sequence"]) == delivery] or ledger.receipts_of(Path(delivery).name)
    if not rows or not rows[-1]["receipt"]:
        raise SettingsError(session.terminal.text("receipt.none", delivery=visible(delivery)))
    row = rows[-1]
    shown = json.loads(row["receipt"])
    if workbook is not None:
        settings = session.settings
        try:
            made = make_workbook(
                settings, ledger, read_contracts(), ReferenceLists(overlay=settings.reference), row, settings.workbook_lang
            )
        except NoWorkbook as none:
            raise SettingsError(session.terminal.text(none.key, **none.values)) from none
        workbook.write_bytes(made.data)
        shown |= {"workbook": str(workbook), "proposals": list_proposals(made.findings)}
    session.answer(shown)
    if not session.as_json:
        session.terminal.receipt(shown)
