"""The ledger: what was received, what became of it, which files landed, what the gates said, and which release is which.

One SQLite file. Every change is one transaction, and everything that matters is also an entry of a hash-chained audit log that only grows.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest.sqlite_store import SqliteStore
from warehouse.settings import utc_now

_SCHEMA = """
create table if not exists deliveries (
    sequence integer primary key autoincrement,
    delivery_id text not null,
    source text not null,
    file text not null,
    size integer not null,
    received_at text not null,
    layout text,
    status text not null check (status in ('received', 'landed', 'rejected')),
    verdict text,
    received integer not null default 0,
    accepted integer not null default 0,
    duplicate integer not null default 0,
    quarantined integer not null default 0,
    waiting integer not null default 0,
    attempts integer not null default 0,
    receipt text,
    check (received = accepted + duplicate + quarantined)
);
create index if not exists deliveries_by_content on deliveries (source, delivery_id);
create table if not exists landing_files (
    path text primary key,
    source text not null,
    sequence integer not null references deliveries (sequence),
    delivery_id text not null,
    row_count integer not null,
    received_at text not null
);
create table if not exists gate_results (
    id integer primary key autoincrement,
    at text not null,
    subject text not null,
    suite text not null,
    success integer not null,
    checks_run integer not null,
    rows_examined integer not null,
    result text not null
);
create table if not exists releases (
    release_id text primary key,
    parent_release_id text,
    published_at text not null,
    as_of text not null,
    input_hash text not null,
    manifest_hash text not null,
    status text not null check (status in ('published', 'rolled_back', 'removed'))
);
create table if not exists quarantine_files (
    sequence integer primary key references deliveries (sequence),
    source text not null,
    path text not null,
    row_count integer not null,
    open_count integer not null check (open_count >= 0)
);
create index if not exists quarantine_files_open on quarantine_files (source) where open_count > 0;
create table if not exists closures (
    sequence integer not null references deliveries (sequence),
    record integer not null,
    state text not null check (state in ('closed', 'waived', 'superseded')),
    by_sequence integer references deliveries (sequence),
    at text not null,
    primary key (sequence, record)
);
create table if not exists waived_rows (
    sequence integer not null references deliveries (sequence),
    record integer not null,
    rule text not null,
    source text not null,
    file text not null,
    row_number integer not null,
    landed_at text not null,
    waiver text not null,
    primary key (sequence, record, rule)
);
create table if not exists audit (
    id integer primary key autoincrement,
    at text not null,
    event text not null,
    subject text not null,
    payload text not null,
    previous_hash text not null,
    hash text not null
);
create trigger if not exists audit_is_not_changed before update on audit begin select raise(abort, 'the audit log only grows'); end;
create trigger if not exists audit_is_not_deleted before delete on audit begin select raise(abort, 'the audit log only grows'); end;
"""


def _entry_hash(at: str, event: str, subject: str, payload: str, previous: str) -> str:
    return hashlib.sha256("\x1f".join((at, event, subject, payload, previous)).encode()).hexdigest()


@dataclass(frozen=True)
class Closure:
    """What settled one quarantined row (delivery and record): a later delivery put it right or refused it anew, or a waiver let it through."""

    sequence: int
    record: int
    state: str
    by_sequence: int | None


class Ledger(SqliteStore):
    """The ledger of one data directory. Safe to open from several processes at once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA)

    def note(self, event: str, subject: str, payload: dict[str, Any]) -> None:
        """Add an entry to the audit chain; call it inside the transaction of what it tells."""
        at = utc_now().isoformat()
        text = json.dumps(payload, ensure_ascii=False, sort_keys=True, default=str)
        last = self._con.execute("select hash from audit order by id desc limit 1").fetchone()
        previous = last["hash"] if last else ""
        self._con.execute(
            "insert into audit (at, event, subject, payload, previous_hash, hash) values (?, ?, ?, ?, ?, ?)",
            (at, event, subject, text, previous, _entry_hash(at, event, subject, text, previous)),
        )

    def audit_head(self) -> dict[str, Any]:
        """How long the audit chain is, and the hash it ends in: who keeps both can tell later whether anything before was changed."""
        last = self._con.execute("select id, hash from audit order by id desc limit 1").fetchone()
        return {"entry_count": int(last["id"]), "head": last["hash"]} if last else {"entry_count": 0, "head": ""}

    def audit_hash(self, number: int) -> str | None:
        """Hash of the entry of that number."""
        found = self._con.execute("select hash from audit where id = ?", (number,)).fetchone()
        return str(found["hash"]) if found else None

    def told_otherwise(self) -> list[str]:
        """Deliveries and releases that the audit chain tells of otherwise than their own rows do, or not at all."""
        deliveries = (
            "with told as (select json_extract(payload, '$.sequence') as sequence, json_extract(payload, '$.delivery_id') as delivery_id,"
            " json_extract(payload, '$.size') as size, subject from audit where event = 'received')"
            " select 'delivery ' || d.sequence as place from deliveries d left join told t on t.sequence = d.sequence"
            " where t.delivery_id is not d.delivery_id or t.size is not d.size or t.subject is not d.source || '/' || d.file"
        )
        releases = (
            "with told as (select subject, json_extract(payload, '$.manifest_hash') as manifest_hash from audit where event = 'published')"
            " select 'release ' || r.release_id as place from releases r where not exists"
            " (select 1 from told t where t.subject = r.release_id and t.manifest_hash = r.manifest_hash)"
        )
        return [str(row["place"]) for query in (deliveries, releases) for row in self._rows(query)]

    def audit_faults(self) -> list[int]:
        """Numbers of audit entries that do not fit the chain; empty when it is whole."""
        previous, faults, expected = "", [], 1
        for entry in self._rows("select * from audit order by id"):
            fits = entry["previous_hash"] == previous and entry["id"] == expected
            if not fits or entry["hash"] != _entry_hash(entry["at"], entry["event"], entry["subject"], entry["payload"], previous):
                faults.append(entry["id"])
            previous, expected = entry["hash"], entry["id"] + 1
        return faults or list(range(expected, expected + self._missing_entries(expected - 1)))

    def _missing_entries(self, last: int) -> int:
        """How many entries were cut from the end. What is left of a cut chain fits, so its length is known from elsewhere: SQLite's own
        counter, and the deliveries and releases, each of which was entered together with an entry.
        """
        counted, entered, told = self._con.execute(
            "select (select coalesce(max(seq), 0) from sqlite_sequence where name = 'audit'),"
            " (select count(*) from deliveries) + (select count(*) from releases),"
            " (select count(*) from audit where event in ('received', 'published'))"
        ).fetchone()
        return max(int(counted) - last, int(entered) - int(told), 0)

    # Deliveries

    def receive(self, delivery_id: str, source: str, file: str, size: int, received_at: datetime, layout: str | None) -> int:
        """Enter a received file; gives its sequence, the place in the received order."""
        with self.transaction():
            cursor = self._con.execute(
                "insert into deliveries (delivery_id, source, file, size, received_at, layout, status) values (?, ?, ?, ?, ?, ?, 'received')",
                (delivery_id, source, file, size, received_at.isoformat(), layout),
            )
            sequence = int(cursor.lastrowid or 0)
            self.note("received", f"{source}/{file}", {"sequence": sequence, "delivery_id": delivery_id, "size": size})
        return sequence

    def pending(self) -> list[dict[str, Any]]:
        """Deliveries received and not yet judged, in received order: what an interrupted run left, too."""
        return self._rows("select * from deliveries where status = 'received' order by received_at, sequence")

    def find_pending(self, source: str, delivery_id: str, file: str) -> int | None:
        """The delivery of these bytes under this name that is entered and not judged yet."""
        found = self._rows(
            "select sequence from deliveries where source = ? and delivery_id = ? and file = ? and status = 'received' order by sequence limit 1",
            (source, delivery_id, file),
        )
        return int(found[0]["sequence"]) if found else None

    def count_attempt(self, sequence: int) -> int:
        """Note that a delivery is about to be judged; gives how often that has begun, ends that nobody saw included."""
        with self.transaction():
            self._con.execute("update deliveries set attempts = attempts + 1 where sequence = ?", (sequence,))
        return int(self.delivery(sequence)["attempts"])

    def earlier_landing(self, source: str, delivery_id: str, sequence: int) -> dict[str, Any] | None:
        """The last judged delivery of the same bytes to the same source, unless it was refused."""
        found = self._rows(
            "select * from deliveries where source = ? and delivery_id = ? and sequence <> ? and status = 'landed' order by sequence desc limit 1",
            (source, delivery_id, sequence),
        )
        return found[0] if found else None

    def settle(
        self,
        sequence: int,
        status: str,
        verdict: str,
        counts: dict[str, int],
        receipt: dict[str, Any],
        landed: list[tuple[Path, int]],
        kept: tuple[str, int] | None = None,
        closed: Sequence[Closure] = (),
    ) -> None:
        """Record what became of a delivery, and list its landing files: from here on readers see them.

        Args:
            kept: the delivery's quarantine file and its row count.
            closed: rows of earlier deliveries that this one settles.
        """
        with self.transaction():
            row = self._rows("select * from deliveries where sequence = ?", (sequence,))[0]
            self._con.execute(
                "update deliveries set status = ?, verdict = ?, received = ?, accepted = ?, duplicate = ?, quarantined = ?, waiting = ?, receipt = ? where sequence = ?",
                (
                    status,
                    verdict,
                    *(counts.get(name, 0) for name in ("received", "accepted", "duplicate", "quarantined", "waiting")),
                    json.dumps(receipt, ensure_ascii=False, default=str),
                    sequence,
                ),
            )
            self._list_files(row, landed)
            if kept is not None:
                self._con.execute(
                    "insert or replace into quarantine_files (sequence, source, path, row_count, open_count) values (?, ?, ?, ?, ?)",
                    (sequence, row["source"], kept[0], kept[1], kept[1]),
                )
            self.note(status, f"{row['source']}/{row['file']}", {"sequence": sequence, "verdict": verdict, "counts": counts})
            self._close(row["source"], closed)

    def _list_files(self, row: dict[str, Any], landed: list[tuple[Path, int]], known_at: str | None = None) -> None:
        for path, count in landed:
            self._con.execute(
                "insert or replace into landing_files (path, source, sequence, delivery_id, row_count, received_at) values (?, ?, ?, ?, ?, ?)",
                (str(path), row["source"], row["sequence"], row["delivery_id"], count, known_at or row["received_at"]),
            )

    # Quarantined rows: open until a later delivery or a waiver settles them

    def _close(self, source: str, closed: Sequence[Closure]) -> None:
        """Within a transaction: mark quarantined rows as settled, once each, and say so in the audit chain."""
        if not closed:
            return
        at = utc_now().isoformat()
        self._con.executemany(
            "insert or ignore into closures (sequence, record, state, by_sequence, at) values (?, ?, ?, ?, ?)",
            [(closure.sequence, closure.record, closure.state, closure.by_sequence, at) for closure in closed],
        )
        touched = sorted({closure.sequence for closure in closed})
        for sequence in touched:
            self._con.execute(
                "update quarantine_files set open_count = row_count - (select count(*) from closures c where c.sequence = ?) where sequence = ?",
                (sequence, sequence),
            )
        listed = json.dumps(sorted(dataclasses.astuple(closure) for closure in closed), ensure_ascii=False)
        counted = {state: sum(closure.state == state for closure in closed) for state in sorted({closure.state for closure in closed})}
        digest = hashlib.sha256(listed.encode()).hexdigest()
        self.note("closed", source, {"deliveries": touched, "states": counted, "rows_sha256": digest})

    def quarantine_files(self, source: str | None = None, only_open: bool = False) -> list[dict[str, Any]]:
        """Files of quarantined rows with their delivery, in received order."""
        return self._rows(
            "select q.*, d.file, d.delivery_id, d.received_at, d.status, d.layout from quarantine_files q join deliveries d using (sequence) "
            "where (? is null or q.source = ?) and (? = 0 or q.open_count > 0) order by d.received_at, q.sequence",
            (source, source, int(only_open)),
        )

    def closures(self) -> list[dict[str, Any]]:
        return self._rows("select * from closures order by sequence, record")

    def settle_waived(
        self,
        sequence: int,
        counts: dict[str, int],
        landed: list[tuple[Path, int]],
        closed: Sequence[Closure],
        waived: Sequence[dict[str, Any]],
        known_at: datetime,
    ) -> None:
        """Move rows that a waiver let through from quarantine to where they went; the sum stays. They are known from `known_at` on."""
        moved = counts["accepted"] + counts["duplicate"]
        with self.transaction():
            row = self._rows("select * from deliveries where sequence = ?", (sequence,))[0]
            self._con.execute(
                "update deliveries set accepted = accepted + ?, duplicate = duplicate + ?, quarantined = quarantined - ? where sequence = ?",
                (counts["accepted"], counts["duplicate"], moved, sequence),
            )
            self._list_files(row, landed, known_at.isoformat())
            self._enter_waived(row, waived, known_at)
            self.note("waived", f"{row['source']}/{row['file']}", {"sequence": sequence, "counts": counts, "waivers": list(waived)})
            self._close(row["source"], closed)

    def _enter_waived(self, row: dict[str, Any], waived: Sequence[dict[str, Any]], landed_at: datetime) -> None:
        for entry in waived:
            self._con.execute(
                "insert or ignore into waived_rows (sequence, record, rule, source, file, row_number, landed_at, waiver) values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    row["sequence"],
                    entry["record"],
                    entry["rule"],
                    row["source"],
                    row["file"],
                    entry["row_number"],
                    landed_at.isoformat(),
                    json.dumps(entry["waiver"], ensure_ascii=False, sort_keys=True),
                ),
            )

    def waived_rows(self, as_of: datetime | None = None) -> list[dict[str, Any]]:
        """Rows that landed through a waiver up to an instant, each with the waiver as it was then."""
        until = (as_of or datetime(9999, 1, 1)).isoformat()
        rows = self._rows("select * from waived_rows where landed_at <= ? order by source, sequence, record, rule", (until,))
        return [row | {"waiver": json.loads(row["waiver"])} for row in rows]

    def settle_waiting(
        self,
        sequence: int,
        accepted: int,
        duplicate: int,
        refused: int,
        landed: list[tuple[Path, int]],
        closed: Sequence[Closure] = (),
        waived: Sequence[dict[str, Any]] = (),
        known_at: datetime | None = None,
    ) -> None:
        """Move rows that waited to where they went; the sum stays. They are known from `known_at` on, when what they waited for came:
        what the warehouse said of an earlier day stays as it was.
        """
        moved = accepted + duplicate
        with self.transaction():
            row = self._rows("select * from deliveries where sequence = ?", (sequence,))[0]
            self._con.execute(
                "update deliveries set accepted = accepted + ?, duplicate = duplicate + ?, quarantined = quarantined - ?, waiting = waiting - ? where sequence = ?",
                (accepted, duplicate, moved, moved + refused, sequence),
            )
            self._list_files(row, landed, known_at.isoformat() if known_at else None)
            told: dict[str, Any] = {"accepted": accepted, "duplicate": duplicate, "refused": refused}
            self._enter_waived(row, waived, datetime.fromisoformat(row["received_at"]))
            self.note("settled", f"{row['source']}/{row['file']}", told | ({"waivers": list(waived)} if waived else {}))
            self._close(row["source"], closed)

    def deliveries(self, source: str | None = None) -> list[dict[str, Any]]:
        if source is None:
            return self._rows("select * from deliveries order by received_at, sequence")
        return self._rows("select * from deliveries where source = ? order by received_at, sequence", (source,))

    def delivery(self, sequence: int) -> dict[str, Any]:
        return self._rows("select * from deliveries where sequence = ?", (sequence,))[0]

    def waiting_deliveries(self, source: str) -> list[dict[str, Any]]:
        return self._rows("select * from deliveries where source = ? and waiting > 0 order by received_at, sequence", (source,))

    def complete_receipt(self, sequence: int, added: dict[str, Any]) -> None:
        """Tell in a receipt what was made of it after the verdict; the verdict itself stays."""
        with self.transaction():
            receipt = json.loads(self.delivery(sequence)["receipt"]) | added
            text = json.dumps(receipt, ensure_ascii=False, default=str)
            self._con.execute("update deliveries set receipt = ? where sequence = ?", (text, sequence))

    def receipts_of(self, file: str) -> list[dict[str, Any]]:
        """Judged deliveries of a file name, oldest first."""
        return self._rows("select * from deliveries where file = ? and receipt is not null order by sequence", (file,))

    def last_landed_at(self, sources: Iterable[str]) -> datetime | None:
        """When the newest rows of any of these sources became known."""
        names = sorted(sources)
        marks = ", ".join("?" * len(names))
        found = self._rows(f"select max(received_at) as last from landing_files where source in ({marks})", tuple(names))
        return datetime.fromisoformat(found[0]["last"]) if found[0]["last"] else None

    def landing_files(self, source: str, as_of: datetime | None = None) -> list[dict[str, Any]]:
        """Landing files of a source in received order, up to an instant."""
        until = (as_of or datetime(9999, 1, 1)).isoformat()
        return self._rows(
            "select * from landing_files where source = ? and received_at <= ? order by received_at, sequence, path", (source, until)
        )

    # Gates

    def record_gate(self, subject: str, result: dict[str, Any]) -> None:
        with self.transaction():
            self._con.execute(
                "insert into gate_results (at, subject, suite, success, checks_run, rows_examined, result) values (?, ?, ?, ?, ?, ?, ?)",
                (
                    utc_now().isoformat(),
                    subject,
                    result["suite"],
                    int(result["success"]),
                    result["checks_run"],
                    result["rows_examined"],
                    text := json.dumps(result, ensure_ascii=False, default=str),
                ),
            )
            told = {name: result[name] for name in ("suite", "success", "checks_run", "rows_examined")}
            self.note("gate", subject, told | {"sha256": hashlib.sha256(text.encode()).hexdigest()})

    def gates(self, subject: str) -> list[dict[str, Any]]:
        return self._rows("select * from gate_results where subject = ? order by id", (subject,))

    # Releases

    def record_release(self, release: dict[str, Any]) -> None:
        names = ("release_id", "parent_release_id", "published_at", "as_of", "input_hash", "manifest_hash")
        with self.transaction():
            self._con.execute(
                f"insert or replace into releases ({', '.join(names)}, status) values (?, ?, ?, ?, ?, ?, 'published')",
                tuple(release[name] for name in names),
            )
            self.note("published", release["release_id"], {name: release[name] for name in names})

    def mark_release(self, release_id: str, status: str, event: str) -> None:
        with self.transaction():
            self._con.execute("update releases set status = ? where release_id = ?", (status, release_id))
            self.note(event, release_id, {"status": status})

    def releases(self) -> list[dict[str, Any]]:
        return self._rows("select * from releases order by published_at, release_id")
