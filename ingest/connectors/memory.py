"""What was fetched, from where, and what is still to be fetched: one SQLite file beside the ledger.

A file is entered before it gets its name in the inbox and confirmed after; whoever starts next finishes what was between the two, so a
pull may be killed at any point. Everything a file brings to be remembered is entered with it and becomes true with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.sqlite_store import SqliteStore

MOST_ATTEMPTS = 5

_SCHEMA = """
create table if not exists files (
    id integer primary key autoincrement,
    connector text not null,
    source text not null,
    file text not null,
    part text not null,
    sha256 text not null,
    size integer not null,
    layout text,
    place text not null,
    original_name text not null,
    fetched_at text not null,
    is_placed integer not null,
    brings text not null
);
create unique index if not exists files_by_name on files (source, file);
create index if not exists files_by_content on files (connector, sha256);
create table if not exists seen (connector text, key text, stamp text not null, primary key (connector, key)) without rowid;
create table if not exists items (connector text, item text, fingerprint text not null, primary key (connector, item)) without rowid;
create table if not exists pulls (connector text primary key, ended_at text not null, outcome text not null, file_count integer not null);
create table if not exists cuts (connector text, key text, validator text not null, primary key (connector, key)) without rowid;
create table if not exists events (source text, id text, received_at text not null, primary key (source, id)) without rowid;
create table if not exists announced (
    connector text, item text, announced_at text not null, attempts integer not null default 0, primary key (connector, item)
) without rowid;
"""


def now_text() -> str:
    """Now, UTC without zone, as the ledger writes instants."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat()


@dataclass(frozen=True)
class Brings:
    """What becomes true with a file: keys with their stamps, items with their fingerprints, announcements it answers."""

    seen: Mapping[str, str] = field(default_factory=dict)
    items: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[str, ...] = ()


class Memory(SqliteStore):
    """The memory of one data directory's connectors. Safe to open from several processes at once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA)

    # Files

    def enter(self, entry: Mapping[str, Any], brings: Brings) -> int:
        """A file that is about to get its name."""
        columns = [*entry, "is_placed", "brings"]
        values = (*entry.values(), 0, json.dumps(asdict(brings), ensure_ascii=False))
        query = f"insert into files ({', '.join(columns)}) values ({', '.join('?' * len(columns))})"
        with self.transaction():
            return int(self._con.execute(query, values).lastrowid or 0)

    def confirm(self, number: int) -> None:
        """The file has its name: what it brings is true from now on."""
        with self.transaction():
            [row] = self._rows("select connector, brings from files where id = ?", (number,))
            self._take_up(row["connector"], Brings(**json.loads(row["brings"])))
            self._con.execute("update files set is_placed = 1, brings = '' where id = ?", (number,))

    def withdraw(self, number: int) -> None:
        """The file never got its name and is gone: it is fetched again."""
        with self.transaction():
            self._con.execute("delete from files where id = ? and is_placed = 0", (number,))

    def remember(self, connector: str, brings: Brings) -> None:
        """What is known without a new file: bytes we have had under another name, or an answer that brought nothing new."""
        with self.transaction():
            self._take_up(connector, brings)

    def _take_up(self, connector: str, brings: Brings) -> None:
        self._con.executemany(
            "insert or replace into seen (connector, key, stamp) values (?, ?, ?)",
            [(connector, key, stamp) for key, stamp in brings.seen.items()],
        )
        self._con.executemany(
            "insert or replace into items (connector, item, fingerprint) values (?, ?, ?)",
            [(connector, item, fingerprint) for item, fingerprint in brings.items.items()],
        )
        self._con.executemany("delete from announced where connector = ? and item = ?", [(connector, item) for item in brings.answers])
        self._con.executemany("delete from cuts where connector = ? and key = ?", [(connector, key) for key in brings.seen])

    def unconfirmed(self, connector: str) -> list[dict[str, Any]]:
        return self._rows("select * from files where connector = ? and is_placed = 0 order by id", (connector,))

    def has_bytes(self, connector: str, sha256: str) -> bool:
        """Whether this connector has already put these bytes into the inbox."""
        return bool(self._rows("select 1 from files where connector = ? and sha256 = ? and is_placed = 1 limit 1", (connector, sha256)))

    def origin(self, source: str, file: str) -> dict[str, Any] | None:
        """Where a file of the inbox was fetched from: connector, place, original_name, layout; None for one that nobody fetched."""
        query = "select connector, place, original_name, layout, fetched_at from files where source = ? and file = ?"
        rows = self._rows(query, (source, file))
        return rows[0] if rows else None

    # What is known

    def stamps(self, connector: str) -> dict[str, str]:
        return {row["key"]: row["stamp"] for row in self._rows("select key, stamp from seen where connector = ?", (connector,))}

    def stamp(self, connector: str, key: str) -> str | None:
        rows = self._rows("select stamp from seen where connector = ? and key = ?", (connector, key))
        return rows[0]["stamp"] if rows else None

    def fingerprints(self, connector: str, items: Iterable[str]) -> dict[str, str]:
        """Those of these items that are known, with their fingerprints."""
        listed = json.dumps(list(items))
        query = "select item, fingerprint from items where connector = ? and item in (select value from json_each(?))"
        return {row["item"]: row["fingerprint"] for row in self._rows(query, (connector, listed))}

    # Downloads that were cut

    def keep_cut(self, connector: str, key: str, validator: str) -> None:
        """By which validator the bytes of an unfinished download can be continued; it belongs to the part file of that key."""
        with self.transaction():
            self._con.execute("insert or replace into cuts (connector, key, validator) values (?, ?, ?)", (connector, key, validator))

    def drop_cut(self, connector: str, key: str) -> None:
        with self.transaction():
            self._con.execute("delete from cuts where connector = ? and key = ?", (connector, key))

    def cut(self, connector: str, key: str) -> str | None:
        rows = self._rows("select validator from cuts where connector = ? and key = ?", (connector, key))
        return rows[0]["validator"] if rows else None

    # Pulls

    def end_pull(self, connector: str, outcome: str, file_count: int) -> None:
        with self.transaction():
            self._con.execute(
                "insert or replace into pulls (connector, ended_at, outcome, file_count) values (?, ?, ?, ?)",
                (connector, now_text(), outcome, file_count),
            )

    def last_pull(self, connector: str) -> dict[str, Any] | None:
        rows = self._rows("select * from pulls where connector = ?", (connector,))
        return rows[0] if rows else None

    def file_count(self, connector: str) -> int:
        return int(self._rows("select count(*) as number from files where connector = ? and is_placed = 1", (connector,))[0]["number"])

    # Announced

    def announce(self, connector: str, event_source: str, event_id: str, items: Iterable[str]) -> bool:
        """Take up what an event announces; False for an event that was taken up before."""
        with self.transaction():
            known = self._rows("select 1 from events where source = ? and id = ?", (f"{connector} {event_source}", event_id))
            if known:
                return False
            at = now_text()
            self._con.execute(
                "insert into events (source, id, received_at) values (?, ?, ?)", (f"{connector} {event_source}", event_id, at)
            )
            # An announcement of what is already waiting begins anew: the owner says that it can be had.
            self._con.executemany(
                "insert or replace into announced (connector, item, announced_at, attempts) values (?, ?, ?, 0)",
                [(connector, item, at) for item in items],
            )
            return True

    def announced(self, connector: str) -> list[str]:
        """What waits to be fetched, in the order in which it was announced; what was tried too often is left alone."""
        query = "select item from announced where connector = ? and attempts < ? order by announced_at, item"
        return [row["item"] for row in self._rows(query, (connector, MOST_ATTEMPTS))]

    def given_up(self, connector: str) -> int:
        """How many announced footprints were tried too often."""
        query = "select count(*) as number from announced where connector = ? and attempts >= ?"
        return int(self._rows(query, (connector, MOST_ATTEMPTS))[0]["number"])

    def note_attempt(self, connector: str, item: str) -> None:
        with self.transaction():
            self._con.execute("update announced set attempts = attempts + 1 where connector = ? and item = ?", (connector, item))
