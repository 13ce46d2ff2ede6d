"""Audiences: which marts, which of their rows and which of their columns stand in the file that a reader gets.

The policy (`audiences.yaml`) speaks of kinds of readers; who they are is data: the banks of the loans, the regions of the pilot list.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import yaml

POLICY = Path(__file__).parent / "audiences.yaml"
# Every column of every table takes a block at least: in the engine's own size, each of a family's files of a few hundred rows is eight
# megabytes.
FAMILY_BLOCK_SIZE = 16_384
_PLAIN = re.compile(r"[0-9A-Za-z]{1,40}")
_PLACE = re.compile(r"\{(\w+)\}")


class AudienceError(ValueError):
    """A policy that asks for a mart that is not there, or for a name that it does not define."""


@dataclass(frozen=True)
class Choice:
    """What one kind of audience gets of one mart: nothing, or the rows of `where` with the columns of `replace` changed."""

    included: bool
    where: str | None
    replace: dict[str, str]
    reason: dict[str, str]


@dataclass(frozen=True)
class Kind:
    """A kind of audience. A kind with `members` is a family: one audience for each of its rows (member, title_zh, title_en)."""

    name: str
    title: dict[str, str]
    reason: dict[str, str]
    takes_all: bool
    members: str | None
    owners: str | None
    known: str | None


@dataclass(frozen=True)
class Audience:
    """One reader of a release: the file it gets is `<name>.duckdb`."""

    name: str
    kind: str
    member: str | None
    title: dict[str, str]

    @property
    def file_name(self) -> str:
        return f"{self.name}.duckdb"


@dataclass(frozen=True)
class Policy:
    """The declared policy: kinds, what each gets of each mart, and whose every code is."""

    kinds: dict[str, Kind]
    marts: dict[str, dict[str, Choice]]
    codes: dict[str, str]
    sets: dict[str, str] = field(default_factory=dict)

    def choice(self, kind: str, mart: str) -> Choice | None:
        """What a kind gets of a mart; None where it is not decided, which is as good as out."""
        if self.kinds[kind].takes_all:
            return Choice(True, None, {}, self.kinds[kind].reason)
        return self.marts.get(mart, {}).get(kind)

    @cached_property
    def families(self) -> list[Kind]:
        return [kind for kind in self.kinds.values() if kind.members]


def _texts(pair: dict[str, Any]) -> dict[str, str]:
    if set(pair) != {"zh", "en"}:
        raise AudienceError(f"needs zh and en and nothing else: {pair}")
    return {"zh": str(pair["zh"]), "en": str(pair["en"])}


def _choices(mart: str, entries: list[dict[str, Any]]) -> dict[str, Choice]:
    choices: dict[str, Choice] = {}
    for entry in entries:
        for kind in entry["kinds"]:
            if kind in choices:
                raise AudienceError(f"{mart}: decided twice for {kind}")
            choices[kind] = Choice(not entry.get("out", False), entry.get("where"), entry.get("replace") or {}, _texts(entry["reason"]))
    return choices


def read_policy(path: Path = POLICY) -> Policy:
    """The declared policy.

    Raises:
        AudienceError: a mart is decided twice for a kind, or for a kind that there is not.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    kinds = {
        name: Kind(
            name,
            _texts(entry["title"]),
            _texts(entry["reason"]),
            bool(entry.get("takes_all")),
            entry.get("members"),
            entry.get("owners"),
            entry.get("known"),
        )
        for name, entry in document["kinds"].items()
    }
    marts = {mart: _choices(mart, entries) for mart, entries in document["marts"].items()}
    unknown = {kind for choices in marts.values() for kind in choices} - set(kinds)
    if unknown:
        raise AudienceError(f"no such kinds of audience: {', '.join(sorted(unknown))}")
    return Policy(kinds, marts, document["codes"], document.get("sets") or {})


def name_audience(kind: str, member: str | None) -> str:
    """Name of an audience, which is also a file name: a code of letters and digits stands as it is, any other one keeps what is harmless
    of it and a part of its hash, so that two codes never share a name and none leaves the folder.
    """
    if member is None:
        return kind
    if _PLAIN.fullmatch(member):
        return f"{kind}_{member}"
    kept = re.sub(r"[^0-9A-Za-z]+", "-", member).strip("-")[:24]
    return f"{kind}_{kept}-{hashlib.sha256(member.encode()).hexdigest()[:12]}"


def expand_audiences(policy: Policy, con: duckdb.DuckDBPyConnection) -> list[Audience]:
    """Every audience of a build, families after those that stand alone, members in the order of their codes.

    Args:
        con: a connection to the build's file.
    """
    audiences = [
        Audience(name_audience(kind.name, None), kind.name, None, kind.title) for kind in policy.kinds.values() if not kind.members
    ]
    for kind in policy.families:
        rows = con.execute(
            f"select member, min(title_zh), min(title_en) from ({kind.members}) where member is not null group by 1 order by 1"
        )
        audiences += [
            Audience(
                name_audience(kind.name, member),
                kind.name,
                member,
                {"zh": f"{kind.title['zh']} {title_zh}", "en": f"{kind.title['en']} {title_en}"},
            )
            for member, title_zh, title_en in rows.fetchall()
        ]
    return audiences


def quoted(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def fill_places(policy: Policy, text: str, audience: Audience, rule_date: str) -> str:
    """SQL of the policy with its places filled for one audience. `{{` and `}}` stand for braces.

    Raises:
        AudienceError: a place that the policy does not define.
    """

    def fill(match: re.Match[str]) -> str:
        place = match.group(1)
        if place == "member":
            return quoted(audience.member or "")
        if place == "rule_date":
            return f"date {quoted(rule_date)}"
        if place in policy.codes:
            kind, member = quoted(audience.kind), quoted(audience.member or "")
            return f"(select code from held_codes where audience_kind = {kind} and member = {member} and kind = {quoted(place)} and is_own)"
        if place in policy.sets:
            return f"({fill_places(policy, policy.sets[place], audience, rule_date)})"
        raise AudienceError(f"{audience.kind}: nothing is called {place}")

    parts = re.split(r"(\{\{|\}\})", text)
    return "".join({"{{": "{", "}}": "}"}.get(part) or _PLACE.sub(fill, part) for part in parts)


def hold_codes(policy: Policy, con: duckdb.DuckDBPyConnection) -> None:
    """Temporary tables `codes` (kind, code, owner) and `held_codes` (audience_kind, member, kind, code, is_own): whose every code is.

    `is_own` is false for what a member may know of without its rows being its own.
    """
    union = " union all ".join(f"select {quoted(kind)} as kind, code, owner from ({query})" for kind, query in policy.codes.items())
    con.execute(f"create or replace temp table codes as select distinct kind, code, owner from ({union}) where code is not null")
    con.execute(
        "create or replace temp table held_codes (audience_kind varchar, member varchar, kind varchar, code varchar, is_own boolean)"
    )
    for kind in policy.families:
        if kind.owners:
            con.execute(
                f"insert into held_codes select distinct {quoted(kind.name)}, o.member, c.kind, c.code, true"
                f" from ({kind.owners}) o inner join codes c on c.owner = o.owner where o.member is not null"
            )
        if kind.known:
            con.execute(
                f"insert into held_codes select distinct {quoted(kind.name)}, member, kind, code, false"
                f" from ({kind.known}) where member is not null and code is not null"
            )


def _columns(choice: Choice, policy: Policy, audience: Audience, rule_date: str) -> str:
    changed = ", ".join(f'{fill_places(policy, sql, audience, rule_date)} as "{name}"' for name, sql in choice.replace.items())
    return f"* replace ({changed})" if changed else "*"


def select_rows(policy: Policy, audience: Audience, mart: str, relation: str, rule_date: str) -> str | None:
    """The query for what an audience gets of a mart; None where it gets nothing.

    Args:
        relation: what stands for the mart in SQL: a table or a query in brackets.
    """
    choice = policy.choice(audience.kind, mart)
    if choice is None or not choice.included:
        return None
    where = f" where {fill_places(policy, choice.where, audience, rule_date)}" if choice.where else ""
    return f"select {_columns(choice, policy, audience, rule_date)} from {relation}{where}"


def write_audience_file(
    policy: Policy, audience: Audience, con: duckdb.DuckDBPyConnection, own_tables: dict[str, str], rule_date: str, target: Path
) -> None:
    """Write an audience's file: schema `marts`, nothing else.

    Args:
        con: a connection to the build's file, in which `hold_codes` was called.
        own_tables: tables that the release adds, name -> SQL.
        target: a path that does not exist yet.

    Raises:
        AudienceError: a mart of the policy is not in the build.
    """
    names = con.execute(
        "select table_name from duckdb_tables() where schema_name = 'marts' and database_name = current_database() order by 1"
    )
    there = [name for (name,) in names.fetchall()]
    missing = sorted(mart for mart in set(policy.marts) - set(there) if not mart.startswith("release__"))
    if missing:
        raise AudienceError(f"{audience.name}: no such marts {', '.join(missing)}")
    size = f" (block_size {FAMILY_BLOCK_SIZE})" if audience.member is not None else ""
    con.execute(f"attach {quoted(str(target))} as audience_file{size}")
    try:
        con.execute("create schema audience_file.marts")
        for mart in there:
            query = select_rows(policy, audience, mart, f'marts."{mart}"', rule_date)
            if query is not None:
                con.execute(f'create table audience_file.marts."{mart}" as {query} order by all')
        for name, table in own_tables.items():
            query = select_rows(policy, audience, name, f"({table})", rule_date)
            if query is not None:
                con.execute(f'create table audience_file.marts."{name}" as {query}')
        con.execute("checkpoint audience_file")
    finally:
        con.execute("detach audience_file")
