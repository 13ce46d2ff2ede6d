"""What would change if a file were published: everything is done as for a release, in a room of its own that is gone afterwards.

The room sees what has landed by links; it takes the candidate through the same contract, rules and gates as a delivery, builds with the same
models and is compared with the release in force. Nothing of the data directory is written, not even a lock.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from expectations.gate import Gatekeeper
from ingest.readers import read
from ingest.reference import ReferenceLists
from warehouse.build import Build
from warehouse.comparison.attribution import State
from warehouse.comparison.compare import Comparison, compare, read_state
from warehouse.comparison.mixture import COMPILED, Clocks
from warehouse.intake import Intake
from warehouse.ledger import Ledger
from warehouse.release import CURRENT, ReleaseRefused, built_and_gated, code_version, current_release, listed_inputs
from warehouse.settings import Settings, SettingsError, china_day, utc_now

CANDIDATE = "candidate"
GWP_RULES = "gwp_set_rule"
_LINKED = ("landing", "quarantine", "waiting", "deliveries")
_LEDGER_FILES = ("ledger.sqlite", "ledger.sqlite-wal")
_COPIES = 5  # attempts at a copy of the ledger during which nobody writes


@dataclass(frozen=True)
class Candidate:
    """What might be published: deliveries by source, reference lists by name, the day whose rules would hold, the GWP set that alone would
    count from then on.
    """

    deliveries: Sequence[tuple[str, Path]] = ()
    lists: Mapping[str, Path] = field(default_factory=dict)
    rule_date: str | None = None
    gwp_set: str | None = None


@dataclass(frozen=True)
class Planned:
    """What came of it: receipts of the deliveries, gates, and the comparison unless something was refused."""

    receipts: Sequence[dict[str, Any]]
    gates: Sequence[dict[str, Any]]
    comparison: Comparison | None


def check_list(settings: Settings, name: str, path: Path) -> None:
    """Refuse a list that could not be built with: of no known name, unreadable, or without the columns of the one it replaces.

    Raises:
        SettingsError: says what was expected, and names every column that is missing.
    """
    lists = ReferenceLists(overlay=settings.reference)
    if name not in lists.files:
        raise SettingsError(
            f"没有参考表 {name}，已有：{', '.join(lists.files)}", f"there is no list {name}, known: {', '.join(lists.files)}"
        )
    if not path.is_file():
        raise SettingsError(f"没有这个文件：{path}", f"no such file: {path}")
    lacking = [column for column in lists.table(name).column_names if column not in read(path.read_bytes()).headers]
    if lacking:
        raise SettingsError(f"{path.name}：缺少列 {', '.join(lacking)}", f"{path.name}: columns are missing: {', '.join(lacking)}")


def accept_one_gwp_set(lists: ReferenceLists, accepted: str, day: str) -> str:
    """The list of GWP sets, as CSV, with rows that refuse all but one from a day on.

    Raises:
        SettingsError: the list knows no such set.
    """
    table = lists.table(GWP_RULES)
    known = sorted(set(table["gwp_set"].to_pylist()))
    if accepted not in known:
        raise SettingsError(f"--gwp-set: {', '.join(known)}")
    rows = lists.files[GWP_RULES].read_text(encoding="utf-8").rstrip("\n").splitlines()
    said = "a plan: this set alone"
    cells = [
        {"gwp_set": name, "is_accepted": str(name == accepted).lower(), "valid_from": day, "citation": said, "confidence": "assumed"}
        for name in known
    ]
    return "\n".join([*rows, *(",".join(row.get(name, "") for name in table.column_names) for row in cells)]) + "\n"


def overlaid(settings: Settings, candidate: Candidate, room: Path, day: str) -> Path | None:
    """A folder of lists in which the candidate's stand in place of those in force."""
    if not (candidate.lists or candidate.gwp_set):
        return settings.reference
    folder = room / "lists"
    folder.mkdir()
    for path in sorted(settings.reference.glob("*.csv")) if settings.reference else []:
        shutil.copyfile(path, folder / path.name)
    for name, path in candidate.lists.items():
        check_list(settings, name, path)
        shutil.copyfile(path, folder / f"{name}.csv")
    if candidate.gwp_set:
        rows = accept_one_gwp_set(ReferenceLists(overlay=folder), candidate.gwp_set, day)
        (folder / f"{GWP_RULES}.csv").write_text(rows, encoding="utf-8")
    lists = ReferenceLists(overlay=folder)
    for name in candidate.lists:
        lists.table(name)
    return folder


def _link_files(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)


def _copy_ledger(data: Path, room: Path) -> None:
    """The ledger's files as they are; opening them where they lie would leave marks. Copied again where somebody wrote meanwhile."""
    for _ in range(_COPIES):
        before = _stamps(data)
        for name in _LEDGER_FILES:
            (room / name).unlink(missing_ok=True)
            if (data / name).exists():
                shutil.copyfile(data / name, room / name)
        if before == _stamps(data):
            return
    raise SettingsError("台账正在被写入，请稍后再试", "the ledger is being written to: try again later")


def _stamps(data: Path) -> list[tuple[int, int]]:
    found = [(data / name).stat() for name in _LEDGER_FILES if (data / name).exists()]
    return [(status.st_mtime_ns, status.st_size) for status in found]


@contextmanager
def scratch_room(settings: Settings, candidate: Candidate, day: str) -> Iterator[Settings]:
    """Settings of a room that holds what the data directory holds, and in which anything may be done; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="tanlian-plan-") as name:
        room = Path(name)
        data = room / "data"
        data.mkdir()
        for folder in _LINKED:
            if (settings.data / folder).is_dir():
                _link_files(settings.data / folder, data / folder)
        _link_releases(settings, data)
        _copy_ledger(settings.data, data)
        compiled = settings.builds / COMPILED
        if compiled.exists():
            (data / "builds").mkdir()
            shutil.copyfile(compiled, data / "builds" / COMPILED)
        yield dataclasses.replace(settings, data=data, reference=overlaid(settings, candidate, room, day), waiver_folder=settings.waivers)


def _link_releases(settings: Settings, data: Path) -> None:
    folder = data / "releases"
    folder.mkdir()
    for path in settings.releases.iterdir() if settings.releases.is_dir() else []:
        if path.is_dir() and not path.is_symlink():
            (folder / path.name).symlink_to(path)
    current = current_release(settings)
    if current is not None:
        (folder / CURRENT).symlink_to(current.name)


def plan(
    settings: Settings,
    candidate: Candidate,
    as_of: datetime | None = None,
    gatekeeper: Gatekeeper | None = None,
    say: Callable[[str], None] = lambda _: None,
    limit: int = 20,
    changes_to: Path | None = None,
) -> Planned:
    """Compare the release in force with what it would be, were the candidate published now.

    Args:
        as_of: when the candidate would be received and until when counts what was; default now.

    Raises:
        SettingsError: there is no release to compare with, or a list cannot be used.
    """
    folder = current_release(settings)
    if folder is None:
        raise SettingsError("还没有发布，无可比较", "nothing has been published yet: there is nothing to compare with")
    moment = as_of or utc_now()
    keeper = gatekeeper or Gatekeeper(None)
    with scratch_room(settings, candidate, candidate.rule_date or china_day(moment)) as room:
        ledger = Ledger(room.ledger)
        try:
            receipts = _deliver(room, ledger, candidate, moment, keeper)
            if any(receipt["verdict"] == "rejected" for receipt in receipts):
                return Planned(receipts, [], None)
            try:
                made, gates = built_and_gated(room, ledger, (moment, candidate.rule_date), folder, keeper, say)
            except ReleaseRefused as refusal:
                return Planned(receipts, refusal.gates, None)
            first = read_state(settings, folder)
            say("compare")
            return Planned(receipts, gates, compare(room, ledger, first, _state(room, ledger, made), code_version(), limit, changes_to))
        finally:
            ledger.close()


def _deliver(room: Settings, ledger: Ledger, candidate: Candidate, moment: datetime, keeper: Gatekeeper) -> list[dict[str, Any]]:
    """Receipts of the candidate's files, taken as any delivery is; what had been received and not judged is judged first, as it would be."""
    intake = Intake(room, ledger, keeper)
    intake.land_pending()
    receipts: list[dict[str, Any]] = []
    for source, path in candidate.deliveries:
        got = intake.receive(path, source, moment)
        receipts += [got] if isinstance(got, dict) else intake.land_pending()
    return [as_trial(receipt) for receipt in receipts]


def as_trial(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """A receipt of the room without what a delivery alone leaves behind: what it keeps, returns and settles is gone with the room."""
    told = {name: value for name, value in receipt.items() if name not in ("kept_in", "workbook", "settles")}
    return told | {"would_settle": receipt["settles"]} if receipt.get("settles") else told


def _state(room: Settings, ledger: Ledger, made: Build) -> State:
    clocks = Clocks(made.as_of.isoformat(), made.rule_date or china_day(made.as_of))
    lists = ReferenceLists(overlay=room.reference)
    return State(CANDIDATE, made.warehouse, listed_inputs(ledger, made.as_of), lists, clocks, code_version())
