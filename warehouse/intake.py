"""Intake: receive files, judge them in received order, let the gate decide, and list what landed.

Safe to kill at any point: bytes are stored before they are entered, files are in place before the ledger lists them, and readers only
see what the ledger lists. The next run takes up what is entered and not yet judged. One process at a time judges; others wait.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from expectations.gate import Candidate, Gatekeeper, GateResult
from expectations.observed import speak_observed
from ingest.contract import Contract, Message, in_reference_order, read_contracts
from ingest.delivery import describe_name, is_stable, receive_bytes, sync_folder
from ingest.faults import FileRefused
from ingest.inert import visible_line
from ingest.landing import Delivery, Prepared, clear, prepare, settle_waiting, too_many_bad_rows
from ingest.reference import ReferenceLists
from ingest.waivers import Waiver
from warehouse.fetched import origin_of
from warehouse.inbox import waiting_files
from warehouse.ledger import Closure, Ledger
from warehouse.quarantine import Arrival, find_settled, places_of, reasons_after_waiting, refused_rows_named, waived_of
from warehouse.repair.mark import returned_for
from warehouse.repair.workbook import NoWorkbook, keep_workbook, make_workbook
from warehouse.settings import Settings, UnknownSource, china_day, utc_now
from warehouse.waivers import in_force, read_waivers

log = logging.getLogger(__name__)

Receipt = dict[str, Any]


# A delivery that ends the program whenever it is judged is refused after so many starts, so that it does not hold up the others for ever.
MOST_ATTEMPTS = 5
# Larger files get their workbook when it is asked for: landing them is not held up by it.
MOST_WORKBOOK_ROWS, MOST_WORKBOOK_BYTES = 20_000, 16 << 20
_LONGEST_KEPT_NAME = 200  # bytes; a name may have 255, and the moment is put before it


def _unprocessable() -> FileRefused:
    return FileRefused(
        "unprocessable",
        Message(
            f"处理本文件时程序已中断 {MOST_ATTEMPTS} 次，已搁置；原始字节仍保存。请将回执交给维护者。",
            f"The program ended {MOST_ATTEMPTS} times while judging this file: it is put aside, its bytes are kept. Show the receipt to the maintainers.",
        ),
    )


def _counted(kept_in: str | None, path: Path | None) -> tuple[str, int] | None:
    return (kept_in, pq.read_metadata(path).num_rows) if kept_in and path is not None else None


class Intake:
    """Takes deliveries into one data directory."""

    def __init__(self, settings: Settings, ledger: Ledger, gatekeeper: Gatekeeper | None = None) -> None:
        self.settings = settings
        self.ledger = ledger
        self.contracts = read_contracts()
        self.reference = ReferenceLists(overlay=settings.reference)
        self._gatekeeper = gatekeeper or Gatekeeper(settings.gates)
        self._lock = FileLock(settings.data / "intake.lock")

    def contract(self, source: str) -> Contract:
        if source not in self.contracts:
            raise UnknownSource(source, self.contracts)
        return self.contracts[source]

    def stored(self, source: str) -> Sequence[Path]:
        """Landing files of a source, as listed now."""
        return [self.settings.data / row["path"] for row in self.ledger.landing_files(source)]

    # Receiving

    def receive(
        self, path: Path, source: str, received_at: datetime | None = None, layout: str | None = None, keep: bool = True
    ) -> int | Receipt:
        """Take one file; gives its sequence, or the receipt of a refusal before any byte was kept.

        Args:
            keep: leave the file where it is; a file of the inbox is removed once its bytes are safe.
        """
        self.contract(source)
        moment = received_at or utc_now()
        try:
            got = receive_bytes(path, self.settings.deliveries, self.settings.largest_file_bytes)
        except FileRefused as refusal:
            sequence = self.ledger.receive("", source, describe_name(path), 0, moment, layout)
            receipt = self._reject(self.ledger.delivery(sequence), refusal, None)
            self._set_aside(path, keep)
            return receipt
        # A file of the inbox that is entered already was interrupted before it was removed: it is the same delivery still.
        entered = None if keep else self.ledger.find_pending(source, got.delivery_id, describe_name(path))
        sequence = entered or self.ledger.receive(got.delivery_id, source, describe_name(path), got.size, moment, layout)
        if not keep:
            path.unlink()
        return sequence

    def _set_aside(self, path: Path, keep: bool) -> None:
        """Move what cannot be taken out of the inbox, as it is, so that it is neither lost nor met again."""
        if keep:
            return
        refused = self.settings.data / "refused"
        refused.mkdir(exist_ok=True)
        name = os.fsdecode(os.fsencode(path.name)[-_LONGEST_KEPT_NAME:])
        path.rename(refused / f"{utc_now():%Y%m%dT%H%M%S%f}_{name}")

    # Judging

    def land_pending(self, on_receipt: Callable[[Receipt], None] | None = None) -> list[Receipt]:
        """Judge everything that was received and is not judged yet, in received order."""
        receipts = []
        with self._lock:
            self._finish_settling()
            self._land_waived()
            for row in self.ledger.pending():
                receipt = self._judge(row)
                receipts.append(receipt)
                if on_receipt is not None:
                    on_receipt(receipt)
        return receipts

    def take_inbox(
        self, sources: Iterable[str] | None = None, files: Iterable[str] | None = None, on_receipt: Callable[[Receipt], None] | None = None
    ) -> list[Receipt]:
        """Receive the waiting files of the inbox (of some sources in their order, or some files by name) and judge them."""
        receipts: list[Receipt] = []
        wanted = set(files) if files else None
        # Locked from the first look on: two that take one inbox at once would both list a file that only one of them gets.
        with self._lock:
            for source in sources or in_reference_order(self.contracts):
                self.contract(source)
                for path in waiting_files(self.settings, source):
                    if (wanted is None or path.name in wanted) and is_stable(path):
                        layout = origin_of(self.settings, source, path.name).get("layout")
                        got = self.receive(path, source, layout=layout, keep=False)
                        if isinstance(got, dict):
                            receipts.append(got)
                            if on_receipt is not None:
                                on_receipt(got)
            return receipts + self.land_pending(on_receipt)

    def _judge(self, row: dict[str, Any]) -> Receipt:
        if not row["delivery_id"]:
            # Refused before a byte was kept, and interrupted before the refusal was written down.
            return self._reject(
                row,
                FileRefused("unsafe", Message("文件不可接收，未保留任何字节。", "The file could not be taken; no byte of it was kept.")),
                None,
            )
        earlier = self.ledger.earlier_landing(row["source"], row["delivery_id"], row["sequence"])
        if earlier is not None and earlier["quarantined"] == 0:
            return self._repeat(row, earlier)
        contract = self.contract(row["source"])
        delivery = Delivery(
            row["delivery_id"], row["source"], row["file"], row["sequence"], datetime.fromisoformat(row["received_at"]), row["layout"]
        )
        work = self.settings.data / "work" / f"{row['sequence']:08d}"
        clear(work)
        prepared: Prepared | None = None
        try:
            if self.ledger.count_attempt(row["sequence"]) > MOST_ATTEMPTS:
                raise _unprocessable()
            data = (self.settings.deliveries / row["delivery_id"][:2] / row["delivery_id"]).read_bytes()
            prepared = prepare(
                data,
                delivery,
                contract,
                self.contracts,
                self.reference,
                self.stored,
                work,
                self._waivers(),
                keep_repeats=bool(self.ledger.quarantine_files(row["source"], only_open=True)),
            )
            gate = self._pass_gate(prepared.contract or contract, delivery, prepared)
        except FileRefused as refusal:
            receipt = self._reject(row, refusal, prepared)
        else:
            receipt = self._commit(row, contract, prepared, gate, returned_for(data))
        receipt |= self._return_workbook(receipt, prepared)
        shutil.rmtree(work, ignore_errors=True)
        return receipt

    def _return_workbook(self, receipt: Receipt, prepared: Prepared | None) -> Receipt:
        """Make the workbook that goes back to the sender. The verdict stands already: should this be interrupted, `tanlian receipt` makes it."""
        refused = receipt["verdict"] == "rejected" or receipt["counts"]["quarantined"] > receipt["counts"]["waiting"]
        if not refused or not receipt["delivery_id"]:
            return {}
        row = self.ledger.delivery(receipt["sequence"])
        if row["size"] > MOST_WORKBOOK_BYTES or (prepared is not None and prepared.file_rows > MOST_WORKBOOK_ROWS):
            return {}
        beside = [prepared.landing] if prepared is not None and prepared.landing.exists() else []
        try:
            made = make_workbook(self.settings, self.ledger, self.contracts, self.reference, row, self.settings.workbook_lang, beside)
        except NoWorkbook as none:
            log.info("%s: %s", visible_line(row["file"]), visible_line(none))
            return {}
        told = keep_workbook(self.settings, row, made)
        self.ledger.complete_receipt(row["sequence"], told)
        return told

    def _pass_gate(self, contract: Contract, delivery: Delivery, prepared: Prepared) -> GateResult:
        """Let the gate decide. A failed critical check refuses the whole file."""
        earlier = self.ledger.landing_files(contract.source)
        result = self._gatekeeper.judge_delivery(
            Candidate(
                contract=contract,
                delivery_id=delivery.delivery_id,
                file=delivery.file,
                landing=prepared.landing,
                verdicts=prepared.verdicts,
                counts=prepared.counts,
                previous=self.settings.data / earlier[-1]["path"] if earlier else None,
            )
        )
        self.ledger.record_gate(f"delivery:{delivery.sequence}", result.as_dict())
        if not result.success:
            critical = [failure for failure in result.failures if failure.severity == "critical"]
            if any(failure.check == "too_many_bad_rows" for failure in critical):
                bad = prepared.counts["quarantined"] - prepared.counts["waiting"]
                raise too_many_bad_rows(contract, bad, prepared.counts["received"])
            told = (
                "；".join(f"{failure.check}: {failure.message.zh}（{speak_observed(failure.observed, 'zh')}）" for failure in critical)
                or "没有检查任何行"
            )
            said = (
                "; ".join(f"{failure.check}: {failure.message.en} ({failure.observed})" for failure in critical) or "nothing was examined"
            )
            raise FileRefused("gate", Message(f"入库闸门未通过：{told}", f"The landing gate did not pass: {said}"))
        return result

    def _kept(self, row: dict[str, Any], folder: str, suffix: str = "") -> Path:
        """Where a file of a delivery is kept, below the data directory."""
        kept: Path = Path(folder) / row["source"] / f"{row['sequence']:08d}_{row['delivery_id'][:12]}{suffix}.parquet"
        return kept

    def _put(self, made: Path, kept: Path) -> None:
        target = self.settings.data / kept
        target.parent.mkdir(parents=True, exist_ok=True)
        with made.open("rb") as stream:
            os.fsync(stream.fileno())
        made.replace(target)
        sync_folder(target.parent)

    def _waivers(self) -> list[Waiver]:
        """Waivers in force today. Read anew each time: a signature counts from the next row on."""
        return in_force(read_waivers(self.settings.waivers, self.contracts, self._today()))

    def _today(self) -> date:
        return date.fromisoformat(china_day(utc_now()))

    def _commit(
        self, row: dict[str, Any], contract: Contract, prepared: Prepared, gate: GateResult, returned: str | None = None
    ) -> Receipt:
        counts = prepared.counts
        landed = []
        if counts["accepted"]:
            path = self._kept(row, "landing")
            self._put(prepared.landing, path)
            landed = [(path, counts["accepted"])]
        kept_in = self._keep_refused(row, prepared)
        if prepared.waiting is not None:
            self._put(prepared.waiting, self._waiting_file(row, counts["waiting"]))
        verdict = "accepted"
        if counts["quarantined"]:
            verdict = "waiting" if counts["quarantined"] == counts["waiting"] else "partly_quarantined"
        elif not counts["accepted"]:
            verdict = "duplicate"
        receipt = self._receipt(row, verdict, counts, prepared) | {
            "kept_in": kept_in,
            "warnings": [
                {
                    "check": failure.check,
                    "severity": failure.severity,
                    "zh": failure.message.zh,
                    "en": failure.message.en,
                    "observed": failure.observed,
                }
                for failure in gate.failures
            ],
        }
        files = [self.settings.data / path for path, _ in landed] + ([prepared.repeats] if prepared.repeats else [])
        refused = self.settings.data / kept_in if kept_in else None
        arrival = Arrival(row["sequence"], row["file"], files, refused, returned)
        closed = find_settled(self.settings, self.ledger, contract, arrival, besides=row["sequence"])
        receipt["settles"] = {state: sum(closure.state == state for closure in closed) for state in sorted({c.state for c in closed})}
        self.ledger.settle(row["sequence"], "landed", verdict, counts, receipt, landed, _counted(kept_in, refused), closed)
        if prepared.waived:
            self._settle_one(self.ledger.delivery(row["sequence"]), contract, row["sequence"])
        if counts["accepted"]:
            self._settle_followers(contract, row["sequence"])
        return receipt

    def _keep_refused(self, row: dict[str, Any], prepared: Prepared | None) -> str | None:
        if prepared is None or prepared.quarantine is None or not prepared.quarantine.exists():
            return None
        path = self._kept(row, "quarantine")
        self._put(prepared.quarantine, path)
        return str(path)

    def _repeat(self, row: dict[str, Any], earlier: dict[str, Any]) -> Receipt:
        """The same bytes again: every row is a duplicate, and nothing is read a second time."""
        counts = {"received": earlier["received"], "accepted": 0, "duplicate": earlier["received"], "quarantined": 0, "waiting": 0}
        receipt = self._receipt(row, "duplicate", counts, None) | {"same_bytes_as": earlier["file"]}
        self.ledger.settle(row["sequence"], "landed", "duplicate", counts, receipt, [])
        return receipt

    def _reject(self, row: dict[str, Any], refusal: FileRefused, prepared: Prepared | None) -> Receipt:
        none = dict.fromkeys(("received", "accepted", "duplicate", "quarantined", "waiting"), 0)
        receipt = self._receipt(row, "rejected", none, prepared) | {
            "reasons": [{"code": refusal.code, "message_zh": refusal.message.zh, "message_en": refusal.message.en}],
            "kept_in": self._keep_refused(row, prepared),
            "rows_in_file": prepared.file_rows if prepared else None,
        }
        kept_in = receipt["kept_in"]
        kept = _counted(kept_in, self.settings.data / kept_in if kept_in else None)
        self.ledger.settle(row["sequence"], "rejected", "rejected", none, receipt, [], kept)
        return receipt

    def _receipt(self, row: dict[str, Any], verdict: str, counts: dict[str, int], prepared: Prepared | None) -> Receipt:
        return {
            "source": row["source"],
            "file": row["file"],
            "delivery_id": row["delivery_id"],
            "sequence": row["sequence"],
            "received_at": row["received_at"],
            "verdict": verdict,
            "reasons": [],
            "counts": counts,
            "layout": prepared.layout if prepared else None,
            "not_data": prepared.not_data if prepared else [],
            "normalised": prepared.normalised if prepared else {},
            "fault_counts": prepared.fault_counts if prepared else {},
            "faults": prepared.faults if prepared else [],
            "unknown_columns": prepared.unknown_columns if prepared else [],
            "notes": prepared.notes if prepared else {},
            "waived": list(prepared.waived) if prepared else [],
        } | ({"fetched_from": origin} if (origin := origin_of(self.settings, row["source"], row["file"])) else {})

    # Rows that wait

    def _settle_followers(self, landed: Contract, by_sequence: int) -> None:
        """Judge again the rows that waited for what has just landed, then those that waited for these."""
        news = [landed.source]
        while news:
            source = news.pop()
            for contract in self.contracts.values():
                if source in contract.references():
                    waiting = self.ledger.waiting_deliveries(contract.source)
                    if any([self._settle_one(row, contract, by_sequence) for row in waiting]):
                        news.append(contract.source)

    def _finish_settling(self) -> None:
        """After an interruption: rows may have stopped waiting without anybody having looked."""
        for source in in_reference_order(self.contracts):
            for row in self.ledger.waiting_deliveries(source):
                self._settle_one(row, self.contracts[source], row["sequence"])

    def _settle_one(self, row: dict[str, Any], contract: Contract, by_sequence: int) -> bool:
        """Judge the waiting rows of one delivery again; gives whether any of them landed."""
        waiting = self.settings.data / self._waiting_file(row, row["waiting"])
        received_at = datetime.fromisoformat(row["received_at"])
        waivers = self._waivers()
        settled = settle_waiting(waiting, contract, self.contracts, self.reference, self.stored, received_at, waivers)
        rows, outcome = settled.rows, settled.verdicts["verdict"]
        still = pc.equal(outcome, "waiting")
        if pc.all(still).as_py():
            return False
        types = list(contract.landing_types())
        accepted = rows.filter(pc.equal(outcome, "accepted")).select(types)
        duplicate = int(pc.sum(pc.equal(outcome, "duplicate")).as_py() or 0)
        refused = int(pc.sum(pc.equal(outcome, "quarantined")).as_py() or 0)
        landed = []
        if accepted.num_rows:
            # Named by how many rows still waited, so that a repeated run after an interruption writes the same file again.
            path = self._kept(row, "landing", f"_waited_{row['waiting']:08d}")
            self._put(self._make(accepted, "settled"), path)
            landed = [(path, accepted.num_rows)]
        self._mark_settled(row, rows, outcome)
        if refused:
            told = reasons_after_waiting(contract, settled, self.settings.data / self._kept(row, "quarantine"))
            self._put(self._make(told, "refused"), self._kept(row, "quarantine", f".refused_{row['waiting']:08d}"))
        rest = rows.filter(still)
        if rest.num_rows:
            self._put(self._make(rest, "waiting"), self._waiting_file(row, rest.num_rows))
        gone = rows.filter(pc.is_in(outcome, pa.array(["accepted", "duplicate"])))
        closed, waived = self._close(row, contract, gone.select(types), by_sequence, waived_of(settled, waivers, outcome))
        known_at = max(received_at, self.ledger.last_landed_at(contract.references()) or received_at)
        self.ledger.settle_waiting(row["sequence"], accepted.num_rows, duplicate, refused, landed, closed, waived, known_at)
        waiting.unlink()
        return bool(landed)

    def _make(self, table: pa.Table, name: str) -> Path:
        work = self.settings.data / "work"
        work.mkdir(exist_ok=True)
        made = work / f"{name}.parquet"
        pq.write_table(table, made, compression="zstd")
        return made

    def _close(
        self, row: dict[str, Any], contract: Contract, gone: pa.Table, by_sequence: int, waived: dict[int, list[dict[str, Any]]]
    ) -> tuple[list[Closure], list[dict[str, Any]]]:
        """The quarantined rows that rows which have gone from waiting or quarantine settle, and the waivers used, by record.

        Args:
            waived: row number -> rules lifted for it.
        """
        if not gone.num_rows:
            return [], []
        arrival = Arrival(by_sequence, row["file"], [self._make(gone, "gone")], None)
        found = find_settled(self.settings, self.ledger, contract, arrival)
        places = places_of(self.settings, self.ledger, contract, row["sequence"])
        closed, used = [], []
        for closure in found:
            number = places.get(closure.record) if closure.sequence == row["sequence"] else None
            rules = waived.get(number, []) if number is not None else []
            used += [{"record": closure.record, "row_number": number} | rule for rule in rules]
            closed.append(dataclasses.replace(closure, state="waived") if rules else closure)
        return closed, used

    def _land_waived(self) -> None:
        """Land what a waiver lets through that was signed after the row had been refused."""
        waivers = self._waivers()
        for source in sorted({waiver.source for waiver in waivers}):
            contract = self.contracts[source]
            for row, rows in refused_rows_named(self.settings, self.ledger, contract, waivers):
                self._land_waived_rows(row, contract, rows, waivers)

    def _land_waived_rows(self, row: dict[str, Any], contract: Contract, rows: pa.Table, waivers: list[Waiver]) -> None:
        now = utc_now()
        settled = settle_waiting(rows, contract, self.contracts, self.reference, self.stored, now, waivers)
        outcome = settled.verdicts["verdict"]
        accepted, repeated = pc.equal(outcome, "accepted"), pc.equal(outcome, "duplicate")
        counts = {"accepted": int(pc.sum(accepted).as_py() or 0), "duplicate": int(pc.sum(repeated).as_py() or 0)}
        if not any(counts.values()):
            return
        types = list(contract.landing_types())
        landed = []
        # Known from now on: what the warehouse said of an earlier day stays as it was.
        known = pa.repeat(pa.scalar(now, pa.timestamp("us")), rows.num_rows)
        rows = rows.set_column(rows.schema.get_field_index("_received_at"), "_received_at", known)
        if counts["accepted"]:
            # Named by how many rows are still refused, so that a repeated run after an interruption writes the same file again.
            path = self._kept(row, "landing", f"_waived_{row['quarantined']:08d}")
            self._put(self._make(rows.filter(accepted).select(types), "settled"), path)
            landed = [(path, counts["accepted"])]
        gone = rows.filter(pc.or_(accepted, repeated)).select(types)
        closed, used = self._close(row, contract, gone, row["sequence"], waived_of(settled, waivers, outcome))
        self.ledger.settle_waived(row["sequence"], counts, landed, closed, used, now)

    def _waiting_file(self, row: dict[str, Any], count: int) -> Path:
        """The rows of a delivery that wait. Their number, which the ledger keeps, is in the name: what the ledger says and what the file
        holds change in one step, and rows that have landed are never judged a second time.
        """
        return self._kept(row, "waiting", f"_{count:08d}")

    def _mark_settled(self, row: dict[str, Any], rows: pa.Table, outcome: pa.ChunkedArray) -> None:
        """Beside the quarantine file, which never changes: which of its rows have since gone where."""
        done = pc.is_in(outcome, pa.array(["accepted", "duplicate"]))
        if not pc.any(done).as_py():
            return
        settled = pa.table({"_row_number": rows["_row_number"].filter(done), "verdict": outcome.filter(done)})
        self._put(self._make(settled, "mark"), self._kept(row, "quarantine", f".settled_{row['waiting']:08d}"))
