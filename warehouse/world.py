"""`tanlian world`: run a whole world of deliveries, ours or a stranger's, in a scratch data directory and report every verdict."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from expectations.gate import Gatekeeper
from warehouse.intake import Intake, Receipt
from warehouse.ledger import Ledger
from warehouse.quarantine import judged_again
from warehouse.release import ReleaseRefused, current_release, release
from warehouse.settings import Settings, SettingsError, parse_instant

COUNTS = ("received", "accepted", "duplicate", "quarantined")


class WorldError(SettingsError):
    """A world folder without what a world needs; says what is missing."""


@dataclass
class World:
    """A world's folder: `inbox/<source>/…`, `manifest.csv`, and `seeds/*.csv` where it brings its own reference lists."""

    folder: Path
    entries: list[dict[str, str]] = field(default_factory=list)

    @property
    def seeds(self) -> Path | None:
        return self.folder / "seeds" if (self.folder / "seeds").is_dir() else None

    @property
    def as_of(self) -> datetime | None:
        """The world's own clock, where `truth.json` gives one."""
        truth = self.folder / "truth.json"
        text = json.loads(truth.read_text(encoding="utf-8")).get("as_of") if truth.exists() else None
        return parse_instant(text) if text else None


def read_world(folder: Path) -> World:
    """Read a world's manifest, in received order.

    Raises:
        WorldError: the manifest or a file it names is not there, or a file lies outside the inbox.
    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise WorldError(f"缺少 {manifest} / {manifest} is missing")
    with manifest.open(encoding="utf-8-sig", newline="") as stream:
        entries = sorted(csv.DictReader(stream), key=lambda entry: int(entry["sequence"]))
    inbox = (folder / "inbox").resolve()
    for entry in entries:
        path = inbox / entry["source"] / entry["file"]
        if inbox not in path.resolve().parents and not path.is_symlink():
            raise WorldError(f"清单中的文件不在收件箱内 / a file of the manifest lies outside the inbox: {entry['file']}")
    return World(folder, entries)


def _instants(entries: list[dict[str, str]]) -> list[datetime]:
    """A received instant for each entry, on its day in China, in the manifest's order: from 09:00 on, a fraction of a second apart."""
    last: datetime | None = None
    instants = []
    for entry in entries:
        moment = parse_instant(entry["received_on"] if "T" in entry["received_on"] else entry["received_on"] + "T09:00:00")
        if last is not None and moment <= last:
            moment = last + timedelta(milliseconds=10)
        instants.append(moment)
        last = moment
    return instants


def _verdict_rows(settings: Settings, deliveries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Quarantined rows with all their reasons, less those that have landed since."""
    rows = []
    for delivery in deliveries:
        if delivery["status"] != "landed" or not delivery["quarantined"]:
            continue
        stem = f"{delivery['sequence']:08d}_{delivery['delivery_id'][:12]}"
        folder = settings.quarantine / delivery["source"]
        settled = {number for path in folder.glob(f"{stem}.settled_*.parquet") for number in pq.read_table(path)["_row_number"].to_pylist()}
        kept = folder / f"{stem}.parquet"
        later = {row["_record"]: row["reasons"] for path in judged_again(kept) for row in pq.read_table(path).to_pylist()}
        for row in pq.read_table(kept, columns=["_row_number", "_record", "reasons"]).to_pylist():
            if row["_row_number"] not in settled:
                reasons = later.get(row["_record"], row["reasons"])
                codes = sorted({f"{delivery['source']}.{reason['code']}" for reason in reasons})
                rows.append({"source": delivery["source"], "file": delivery["file"], "row_number": row["_row_number"], "rules": codes})
    return rows


def _file_entry(delivery: dict[str, Any]) -> dict[str, Any]:
    receipt = json.loads(delivery["receipt"])
    return {
        "source": delivery["source"],
        "file": delivery["file"],
        "verdict": delivery["verdict"],
        "reasons": [reason["code"] for reason in receipt["reasons"]],
        **{name: delivery[name] for name in COUNTS},
        "normalised": receipt["normalised"],
    }


def collect_verdicts(settings: Settings, ledger: Ledger, unsupported: list[dict[str, str]]) -> dict[str, Any]:
    """What became of every file and row, as `verdicts.json` holds it."""
    deliveries = ledger.deliveries()
    sources = {
        source: {name: sum(row[name] for row in deliveries if row["source"] == source) for name in COUNTS}
        | {"rejected_files": sum(row["source"] == source and row["status"] == "rejected" for row in deliveries)}
        for source in sorted({row["source"] for row in deliveries})
    }
    none = dict.fromkeys(COUNTS, 0)
    files = [_file_entry(row) for row in deliveries]
    files += [
        {
            "source": entry["source"],
            "file": entry["file"],
            "verdict": "unsupported",
            "reasons": ["source_unsupported"],
            **none,
            "normalised": {},
        }
        for entry in unsupported
    ]
    return {
        "sources": sources,
        "files": files,
        "rows": _verdict_rows(settings, deliveries),
        "unsupported": sorted({entry["source"] for entry in unsupported}),
    }


@dataclass(frozen=True)
class Judged:
    """What a world came to: its verdicts, and the release or the gates that stopped it."""

    verdicts: dict[str, Any]
    release_id: str | None
    gates: list[dict[str, Any]]


def judge_world(
    world: World,
    out: Path,
    settings: Settings,
    as_of: datetime | None = None,
    on_receipt: Callable[[Receipt], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    rule_date: str | None = None,
) -> Judged:
    """Deliver a world in its received order, build, gate, and leave `OUT/release.duckdb` and `OUT/verdicts.json`.

    Args:
        settings: language and limits; the data directory is a scratch folder in `out`, the reference lists are the world's.
        as_of: defaults to the world's own clock, else now.
        rule_date: the day whose rules hold; defaults to the local day of `as_of`.
    """
    scratch = out / "data"
    shutil.rmtree(scratch, ignore_errors=True)
    for name in ("release.duckdb", "verdicts.json"):
        (out / name).unlink(missing_ok=True)
    scratch.mkdir(parents=True)
    own = Settings(
        **(settings.__dict__ | {"data": scratch.absolute(), "reference": world.seeds.absolute() if world.seeds else settings.reference})
    )
    ledger = Ledger(own.ledger)
    keeper = Gatekeeper(None)
    intake = Intake(own, ledger, keeper)
    unsupported = []
    for entry, moment in zip(world.entries, _instants(world.entries), strict=True):
        if entry["source"] not in intake.contracts:
            unsupported.append(entry)
            continue
        got = intake.receive(world.folder / "inbox" / entry["source"] / entry["file"], entry["source"], moment)
        for receipt in [got] if isinstance(got, dict) else intake.land_pending():
            on_receipt(receipt)
    released: str | None = None
    gates: list[dict[str, Any]] = []
    try:
        outcome = release(own, ledger, as_of or world.as_of, keeper, say, rule_date)
        released, gates = outcome.release_id, (outcome.manifest or {}).get("gates", [])
        folder = current_release(own)
        if folder is not None:
            shutil.copyfile(folder / "ministry.duckdb", out / "release.duckdb")
    except ReleaseRefused as refusal:
        gates = refusal.gates
    verdicts = collect_verdicts(own, ledger, unsupported)
    (out / "verdicts.json").write_text(json.dumps(verdicts, ensure_ascii=False, indent=1), encoding="utf-8")
    ledger.close()
    return Judged(verdicts, released, gates)
