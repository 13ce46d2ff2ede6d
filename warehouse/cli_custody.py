"""`tanlian anchor`, `verify`, `evidence`, `backup`, `restore`: what a release commits to, and whether it still stands."""

# Annotations are evaluated where they stand: the help texts in them depend on the language of this start.

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warehouse.exit_codes import REFUSED
from warehouse.settings import SettingsError

if TYPE_CHECKING:
    from warehouse.cli import Session
    from warehouse.custody.backup import Saved
    from warehouse.custody.chain import Anchor
    from warehouse.custody.verification import Verified
    from warehouse.ledger import Ledger

_SHOWN = 20


def add_custody_commands(app: typer.Typer, text: Callable[[str], str]) -> None:
    """Register the commands, their help in the language of this start."""

    @app.command(help=text("help.anchor"))
    def anchor(context: typer.Context) -> None:
        session: Session = context.obj
        found = _anchor_in_force(session, _ledger(session))
        if found is None:
            raise SettingsError(session.terminal.text("custody.no_release"))
        session.answer({"anchor": found.line()} | found.__dict__)
        if not session.as_json:
            session.terminal.tell("custody.anchor", line=found.line())

    @app.command(help=text("help.verify"))
    def verify(
        context: typer.Context,
        targets: Annotated[list[str] | None, typer.Argument(metavar="RELEASE|PATH", help=text("option.targets"))] = None,
        anchor_text: Annotated[str | None, typer.Option("--anchor", help=text("option.anchor"))] = None,
        seal: Annotated[Path | None, typer.Option(help=text("option.seal"))] = None,
    ) -> None:
        session: Session = context.obj
        given = _read_anchor(session, anchor_text)
        found = (
            [result for target in targets for result in _verify_one(session, target, given, seal)]
            if targets
            else _verify_all(session, given)
        )
        _tell(session, found)

    @app.command(help=text("help.evidence"))
    def evidence(
        context: typer.Context,
        out: Annotated[Path, typer.Option(help=text("option.pack"))],
        bank: Annotated[str | None, typer.Option(help=text("option.bank"))] = None,
        audience: Annotated[str | None, typer.Option(help=text("option.audience"))] = None,
        where: Annotated[str | None, typer.Option(help=text("option.where"))] = None,
        mart: Annotated[list[str] | None, typer.Option(help=text("option.mart"))] = None,
        release: Annotated[str | None, typer.Option(help=text("option.release"))] = None,
    ) -> None:
        if (bank is None) == (audience is None):
            raise SettingsError(context.obj.terminal.text("custody.one_audience"))
        _write_evidence(context.obj, out, bank, audience, where, mart, release)

    @app.command(help=text("help.backup"))
    def backup(context: typer.Context, out: Annotated[Path, typer.Argument(help=text("option.backup_folder"))]) -> None:
        from warehouse.custody.backup import back_up

        session: Session = context.obj
        ledger = _ledger(session)
        _save(session, "backup.done", lambda: back_up(session.settings, ledger, out.absolute(), _anchor_in_force(session, ledger)))

    @app.command(help=text("help.restore"))
    def restore(context: typer.Context, folder: Annotated[Path, typer.Argument(help=text("option.backup_folder"))]) -> None:
        from warehouse.custody.backup import restore as bring_back

        session: Session = context.obj
        _save(session, "backup.restored", lambda: bring_back(session.settings, folder.absolute()))


def _ledger(session: "Session") -> "Ledger":
    from warehouse.ledger import Ledger

    if not session.settings.ledger.is_file():
        raise SettingsError(session.terminal.text("custody.no_release"))
    return Ledger(session.settings.ledger)


def _anchor_in_force(session: "Session", ledger: "Ledger") -> "Anchor | None":
    """The anchor of the release in force; None before the first, and for one made before there was a chain."""
    from warehouse.custody.chain import Anchor
    from warehouse.release import current_release, read_manifest

    folder = current_release(session.settings)
    manifest = read_manifest(folder) if folder else {}
    if "custody" not in manifest:
        return None
    head = ledger.audit_head()
    return Anchor(manifest["release_id"], manifest["custody"]["chain"], head["entry_count"], head["head"])


def _read_anchor(session: "Session", text: str | None) -> "Anchor | None":
    from warehouse.custody.chain import read_anchor

    if text is None:
        return None
    is_file = "\n" not in text and len(text) < 4096 and Path(text).is_file()
    found = read_anchor(Path(text).read_text(encoding="utf-8", errors="replace") if is_file else text)
    if found is None:
        raise SettingsError(session.terminal.text("custody.no_anchor", text=text[:200]))
    return found


def _verify_all(session: "Session", anchor: "Anchor | None") -> "list[Verified]":
    """The ledger and every release that is kept, newest first."""
    from warehouse.custody.verification import verify_ledger, verify_release

    releases, ledger = session.settings.releases, _ledger(session)
    kept = [releases / row["release_id"] for row in reversed(ledger.releases()) if (releases / row["release_id"]).is_dir()]
    anchored = {folder.name: anchor for folder in kept if anchor and folder.name == anchor.release_id}
    return [verify_ledger(ledger, releases, anchor), *(verify_release(folder, anchored.get(folder.name)) for folder in kept)]


def _verify_one(session: "Session", target: str, anchor: "Anchor | None", seal: Path | None) -> "list[Verified]":
    from warehouse.custody.evidence.check import EVIDENCE, check_pack
    from warehouse.custody.verification import Fault, Verified, verify_file, verify_release

    releases = session.settings.releases
    path = Path(target)
    if not path.exists() and (releases / target).is_dir():
        path = releases / target
    if not path.exists():
        raise SettingsError(session.terminal.text("custody.no_target", target=target))
    if path.suffix == ".zip" or (path / EVIDENCE).is_file():
        checked = check_pack(path, anchor)
        faults = [Fault(*(f"{fault} ".split(" ", 1))) for fault in checked.faults]
        is_anchored = None if anchor is None else "anchor" not in {fault.code for fault in faults}
        return [Verified(path.name, faults, checked.row_count, 0, is_anchored)]
    if path.is_dir():
        return [verify_release(path.resolve(), anchor)]
    return [verify_file(path, seal, anchor)]


def _tell(session: "Session", found: "list[Verified]") -> None:
    session.answer([result.as_dict() for result in found])
    if not session.as_json:
        for result in found:
            for fault in result.faults[:_SHOWN]:
                session.terminal.tell(f"fault.{fault.code}", style="red", subject=result.subject, place=fault.place.strip())
            key = "custody.bad" if result.faults else ("custody.anchored" if result.is_anchored else "custody.good")
            style = "bold red" if result.faults else "green"
            counts = {"files": result.file_count, "parents": result.parent_count, "faults": len(result.faults)}
            session.terminal.tell(key, style=style, subject=result.subject, **counts)
    if any(result.faults for result in found):
        raise typer.Exit(REFUSED)


def _write_evidence(
    session: "Session", out: Path, bank: str | None, audience: str | None, where: str | None, marts: list[str] | None, release: str | None
) -> None:
    from warehouse.audience import name_audience, read_policy
    from warehouse.custody.chain import MANIFEST
    from warehouse.custody.evidence.pack import EvidenceError, build_pack, collect_evidence, write_pack
    from warehouse.release import current_release

    folder = session.settings.releases / release if release else current_release(session.settings)
    anchor = _anchor_in_force(session, _ledger(session))
    if folder is None or anchor is None:
        raise SettingsError(session.terminal.text("custody.no_release"))
    if not (folder / MANIFEST).is_file():
        raise SettingsError(session.terminal.text("custody.no_target", target=release))
    name = audience or name_audience("bank", bank)
    try:
        found = collect_evidence(folder, read_policy(), name, where, marts)
    except EvidenceError as error:
        raise SettingsError(session.terminal.text(error.key, **error.values)) from error
    path = write_pack(build_pack(found, anchor), out)
    rows = sum(len(entry["rows"]) for entry in found["marts"])
    session.answer({"path": str(path), "release_id": folder.name, "rows": rows, "marts": [entry["mart"] for entry in found["marts"]]})
    if not session.as_json:
        session.terminal.tell("evidence.done", style="green", path=path, rows=rows, release=folder.name, line=anchor.line())


def _save(session: "Session", key: str, act: "Callable[[], Saved]") -> None:
    from warehouse.custody.backup import BackupError

    try:
        saved = act()
    except BackupError as error:
        told = session.terminal.text(f"backup.{error.code}", places=", ".join(error.places[:_SHOWN]))
        if error.code == "changed":
            session.terminal.remark(told)
            raise typer.Exit(REFUSED) from error
        raise SettingsError(told) from error
    line = saved.anchor.line() if saved.anchor else "-"
    session.answer({"folder": str(saved.folder), "file_count": saved.file_count, "byte_count": saved.byte_count, "anchor": line})
    if not session.as_json:
        session.terminal.tell(key, style="green", folder=saved.folder, files=saved.file_count, line=line)
