"""Roles, readers and row rules in a running Superset, as code: one role for each audience of the release.

The first lock is the file: a role's tables stand in its audience's own DuckDB file and hold nobody else's rows. The second are row
rules: a query of a role's table runs only in the file of its name, and only over rows of its member where a table says whose they are.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dashboards.assets import MINISTRY, Reader
from dashboards.client import SupersetClient
from dashboards.definitions import ROOM, read_definitions

ROLE_PREFIX = "tanlian_"
PASSWORDS = "readers"
# The column that says whose a row is, by kind of audience; a table under disclosure control is everybody's.
_OWN_COLUMN = {"bank": "bank_id", "region": "province_code"}
_EVERYBODYS = ("footprint__sectors_by_year_public",)


@dataclass(frozen=True)
class ReaderAccount:
    """A reader that can sign in; the password is the content of the file (mode 0600)."""

    reader: Reader
    user: str
    password_file: Path

    @property
    def password(self) -> str:
        return self.password_file.read_text(encoding="ascii").strip()


def provision(client: SupersetClient, readers: list[Reader], home: Path) -> list[ReaderAccount]:
    """Make every reader's role what it should be: its permissions, its row rules, one account. Run again, nothing changes.

    `home` is Superset's own folder; the readers' first passwords are kept below it.
    """
    allowed = yaml.safe_load((ROOM / "access.yaml").read_text(encoding="utf-8"))
    permissions = client.list_permissions()
    datasets = client.list_ids("dataset")
    roles = client.list_named("security/roles", "name")
    rules = client.list_named("rowlevelsecurity", "name")
    users = client.list_named("security/users", "username")
    accounts = []
    for reader in readers:
        role = ROLE_PREFIX + reader.name
        number = roles.get(role) or client.create("security/roles", {"name": role})
        own = {table: datasets[uuid] for table in sorted(_list_tables(reader)) if (uuid := reader.uuid("dataset", table)) in datasets}
        wanted = _choose(permissions, allowed, reader, set(own.values()), client)
        client.set_permissions(number, sorted(wanted))
        _rule(client, rules, reader, own, number)
        accounts.append(_open_account(client, users, reader, number, home))
    return accounts


def _list_tables(reader: Reader) -> set[str]:
    return set(read_definitions().tables) if reader.tables is None else set(reader.tables)


def _choose(
    permissions: dict[tuple[str, str], int], allowed: dict[str, Any], reader: Reader, own: set[int], client: SupersetClient
) -> set[int]:
    """Numbers of the permissions of a role; one that this Superset does not have is not missed."""
    sections = [allowed["reading"], *([allowed["sql"]] if reader.kind == MINISTRY else [])]
    named = {(right, place) for section in sections for right, places in section.items() for place in places}
    found = {permissions[pair] for pair in named if pair in permissions}
    found |= {number for (right, place), number in permissions.items() if right == "datasource_access" and _read_number(place) in own}
    if reader.kind == MINISTRY:
        database = client.list_ids("database")[reader.uuid("database")]
        found |= {
            number for (right, place), number in permissions.items() if right == "database_access" and _read_number(place) == database
        }
    return found


def _read_number(place: str) -> int:
    """The asset's number in a permission's name, as in `[database].[table](id:12)`."""
    head, _, tail = place.rpartition("(id:")
    return int(tail.rstrip(")")) if head else -1


def _rule(client: SupersetClient, rules: dict[str, int], reader: Reader, own: dict[str, int], role: int) -> None:
    columns = read_definitions().tables
    column = _OWN_COLUMN.get(reader.kind)
    marked = {
        table: number
        for table, number in own.items()
        if column and table not in _EVERYBODYS and column in columns.get(table, {"columns": {}})["columns"]
    }
    wanted = [(f"{reader.name}: file", f"current_database() = '{reader.name}'", own)]
    if marked:
        wanted.append((f"{reader.name}: rows", f"{column} = '{reader.member}'", marked))
    for name, clause, tables in wanted:
        body = {
            "name": name,
            "description": "written by tanlian dashboards publish",
            "filter_type": "Regular",
            "group_key": name,
            "clause": clause,
            "tables": sorted(tables.values()),
            "roles": [role],
        }
        if name in rules:
            client.change(f"rowlevelsecurity/{rules[name]}", body)
        else:
            client.create("rowlevelsecurity", body)


def _open_account(client: SupersetClient, users: dict[str, int], reader: Reader, role: int, home: Path) -> ReaderAccount:
    folder = home / PASSWORDS
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / reader.name
    with contextlib.suppress(FileExistsError):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(18))
    account = ReaderAccount(reader, reader.name, file)
    if account.user not in users:
        client.create(
            "security/users",
            {
                "username": account.user,
                "first_name": "Tanlian",
                "last_name": reader.name,
                "email": f"{reader.name}@localhost.invalid",
                "active": True,
                "password": account.password,
                "roles": [role],
            },
        )
    return account
