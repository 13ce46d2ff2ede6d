"""Pull one connector: one at a time, what was interrupted finished first, every ending told and remembered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from ingest.connectors.credential import Credential
from ingest.connectors.deadline import Deadline
from ingest.connectors.declaration import Connector, FeedConnector, FolderConnector, PactConnector
from ingest.connectors.faults import ConnectorFault, refused
from ingest.connectors.feed import pull_feed
from ingest.connectors.listed import FolderStore, pull_listed
from ingest.connectors.memory import Memory
from ingest.connectors.pact import pull_pact
from ingest.connectors.placing import Placed, Placer
from ingest.connectors.progress import Progress, Pull

log = logging.getLogger(__name__)

Outcome = Literal["fetched", "nothing_new", "failed", "not_due", "busy"]


@dataclass(frozen=True)
class Pulled:
    """What became of one pull.

    Attributes:
        files: what was put into the inbox, or would be in a dry run.
        same: answers that held nothing this connector had not delivered before.
        unsettled: files still being written, left for the next time.
    """

    connector: Connector
    outcome: Outcome
    files: tuple[Placed, ...] = ()
    same: int = 0
    unsettled: int = 0
    faults: tuple[ConnectorFault, ...] = ()

    @property
    def may_succeed_later(self) -> bool:
        """Whether any of its faults is one that another try may mend."""
        return any(fault.later for fault in self.faults)


@dataclass(frozen=True)
class Rooms:
    """Where a pull reads and writes: the inbox, the store of received bytes, and the connectors' own memory."""

    inbox: Path
    deliveries: Path
    fetch: Path

    def open_memory(self) -> Memory:
        return Memory(self.fetch / "memory.sqlite")


def is_due(connector: Connector, memory: Memory) -> bool:
    """Whether its last pull is longer ago than it stays fresh. One that failed in passing is due at once."""
    last = memory.last_pull(connector.name)
    if last is None or last["outcome"] == "failed":
        return True
    age = datetime.now(UTC).replace(tzinfo=None) - datetime.fromisoformat(last["ended_at"])
    return not timedelta(0) <= age < timedelta(minutes=connector.every_minutes)


def pull(
    connector: Connector, find_credential: Callable[[str], Credential | None], rooms: Rooms, progress: Progress, dry_run: bool = False
) -> Pulled:
    """Fetch what is new into the inbox. Faults are part of the answer; what was fetched before one stays.

    Args:
        find_credential: the credential of a name, or None where nobody gave one.
        dry_run: only look; nothing is written but the memory file itself.
    """
    rooms.fetch.mkdir(parents=True, exist_ok=True)
    lock = FileLock(rooms.fetch / f"{connector.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return Pulled(connector, "busy")
    memory = rooms.open_memory()
    try:
        placer = Placer(connector, rooms.inbox, memory)
        going = Pull(memory, placer, progress, dry_run)
        secrets: tuple[str, ...] = ()
        try:
            if not dry_run:
                placer.finish_interrupted(rooms.deliveries)
            credential = _credential_of(connector, find_credential)
            secrets = credential.secrets if credential else ()
            deadline = Deadline(connector.time_limit_seconds)
            with deadline.alarmed():
                _run(connector, credential, going, deadline)
        except ConnectorFault as fault:
            going.fail(fault)
        faults = tuple(fault.without(secrets) for fault in going.faults)
        outcome: Outcome = "failed" if faults else "fetched" if going.files else "nothing_new"
        if not dry_run:
            memory.end_pull(connector.name, outcome, len(going.files))
        return Pulled(connector, outcome, tuple(going.files), going.same, going.unsettled, faults)
    finally:
        memory.close()
        lock.release()


def _credential_of(connector: Connector, find_credential: Callable[[str], Credential | None]) -> Credential | None:
    if connector.credential is None:
        return None
    found = find_credential(connector.credential)
    if found is None:
        raise refused(
            "credential_missing",
            f"没有凭据 {connector.credential}：在 Airflow 中建立同名连接，或设置环境变量 AIRFLOW_CONN_{connector.credential.upper()}。",
            f"There is no credential {connector.credential}: make an Airflow connection of that name, "
            f"or set AIRFLOW_CONN_{connector.credential.upper()}.",
        )
    return found


def _run(connector: Connector, credential: Credential | None, going: Pull, deadline: Deadline) -> None:
    if isinstance(connector, FolderConnector):
        pull_listed(connector, FolderStore(connector), going, deadline)
    elif isinstance(connector, FeedConnector):
        pull_feed(connector, credential, going, deadline)
    elif isinstance(connector, PactConnector):
        pull_pact(connector, credential or Credential(), going, deadline)
    else:
        # Loaded only here: the clients of object stores and SSH take a second to import.
        from ingest.connectors.remote import FilesystemStore, SftpStore

        with ExitStack() as stack:
            is_sftp = connector.protocol in ("sftp", "ssh")
            store = SftpStore(connector, credential, stack) if is_sftp else FilesystemStore(connector, credential)
            pull_listed(connector, store, going, deadline)
