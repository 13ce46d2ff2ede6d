"""Attempts of one reader at what is another's: every object of a running Superset by every channel that could show it."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import httpx
import jwt

from dashboards.assets import Reader
from dashboards.client import SupersetClient

# What Superset signs guests' tokens with where nobody set anything else.
DEFAULT_GUEST_SECRET = "test-guest-secret-change-me"
_TOKEN = re.compile(r"[0-9A-Za-z][0-9A-Za-z:_./-]{5,}")
# Columns that name somebody or something of somebody's.
_NAMING = ("_id", "subject_id", "certificate_no", "_tier_disclosure_id")
_INNER = {"product_id"}
Call = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True)
class Target:
    """One object of the server: its number, what leads to it, and the reader whose it is."""

    kind: str
    number: int
    owner: str
    column: str = ""
    slug: str = ""
    table: str = ""
    cache_key: str = ""


@dataclass
class Tally:
    """What the attempts came to. A leak is an answer with a foreign code, an opening a foreign object that answered at all."""

    attempts: int = 0
    by_channel: dict[str, int] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    openings: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def _rows(target: Target, **asked: Any) -> dict[str, Any]:
    query = {"columns": [target.column], "metrics": [], "filters": [], "row_limit": 1000, "extras": {"where": "", "having": ""}}
    extra = {name: asked.pop(name) for name in list(asked) if name in ("result_format", "result_type")}
    return {"datasource": {"id": target.number, "type": "table"}, "force": True, "queries": [query | asked], **extra}


def _data(target: Target, **asked: Any) -> Call:
    return "POST", "/api/v1/chart/data", {"json": _rows(target, **asked)}


def _metric(sql: str) -> list[dict[str, Any]]:
    return [{"expressionType": "SQL", "sqlExpression": sql, "label": "spy"}]


DATASET: dict[str, Callable[[Target], Call]] = {
    "chart data": _data,
    "chart data, export csv": lambda t: _data(t, result_format="csv"),
    "chart data, export xlsx": lambda t: _data(t, result_format="xlsx"),
    "drill to detail": lambda t: _data(t, result_type="drill_detail"),
    "samples": lambda t: ("POST", f"/datasource/samples?datasource_id={t.number}&datasource_type=table&force=true", {"json": {}}),
    "filter values": lambda t: ("GET", f"/api/v1/datasource/table/{t.number}/column/{t.column}/values/", {}),
    "drill info": lambda t: ("GET", f"/api/v1/dataset/{t.number}/drill_info/", {}),
    "dataset metadata": lambda t: ("GET", f"/api/v1/dataset/{t.number}", {}),
    "datasource metadata": lambda t: ("GET", f"/datasource/get/table/{t.number}/", {}),
    "external metadata": lambda t: ("GET", f"/datasource/external_metadata/table/{t.number}/", {}),
    "related objects": lambda t: ("GET", f"/api/v1/dataset/{t.number}/related_objects", {}),
    "dataset export": lambda t: ("GET", f"/api/v1/dataset/export/?q=!({t.number})", {}),
    "error text": lambda t: _data(t, metrics=_metric(f"cast(max({t.column}) as date)")),
    "query text": lambda t: _data(t, result_type="query"),
    "adhoc column": lambda t: _data(t, columns=[{"label": "x", "sqlExpression": f"concat({t.column}, '')", "expressionType": "SQL"}]),
    "adhoc union": lambda t: _data(t, extras={"where": f"1 = 1) union all (select {t.column} from marts.{t.table}", "having": ""}),
    "adhoc or": lambda t: _data(t, extras={"where": "1 = 1 or 1 = 1", "having": ""}),
    "explore page": lambda t: ("GET", f"/explore/?datasource_type=table&datasource_id={t.number}", {}),
    "explore api": lambda t: ("GET", f"/api/v1/explore/?datasource_type=table&datasource_id={t.number}", {}),
    "dataset refresh": lambda t: ("PUT", f"/api/v1/dataset/{t.number}/refresh", {}),
    "dataset rewrite": lambda t: ("PUT", f"/api/v1/dataset/{t.number}", {"json": {"sql": "select 1"}}),
    "dataset copy": lambda t: ("POST", "/api/v1/dataset/duplicate", {"json": {"base_model_id": t.number, "table_name": "copy"}}),
}
CHART: dict[str, Callable[[Target], Call]] = {
    "chart metadata": lambda t: ("GET", f"/api/v1/chart/{t.number}", {}),
    "chart by number": lambda t: ("GET", f"/api/v1/chart/{t.number}/data/", {}),
    "chart export": lambda t: ("GET", f"/api/v1/chart/export/?q=!({t.number})", {}),
    "chart of explore": lambda t: ("GET", f"/api/v1/explore/?slice_id={t.number}", {}),
    "cached result": lambda t: ("GET", f"/api/v1/chart/data/{t.cache_key or 'none'}", {}),
    "chart rewrite": lambda t: ("PUT", f"/api/v1/chart/{t.number}", {"json": {"slice_name": "mine"}}),
}
DASHBOARD: dict[str, Callable[[Target], Call]] = {
    "dashboard": lambda t: ("GET", f"/api/v1/dashboard/{t.slug}", {}),
    "dashboard by number": lambda t: ("GET", f"/api/v1/dashboard/{t.number}", {}),
    "dashboard's charts": lambda t: ("GET", f"/api/v1/dashboard/{t.number}/charts", {}),
    "dashboard's tables": lambda t: ("GET", f"/api/v1/dashboard/{t.number}/datasets", {}),
    "dashboard export": lambda t: ("GET", f"/api/v1/dashboard/export/?q=!({t.number})", {}),
    "dashboard page": lambda t: ("GET", f"/superset/dashboard/{t.slug}/", {}),
    "dashboard rewrite": lambda t: ("PUT", f"/api/v1/dashboard/{t.number}", {"json": {"dashboard_title": "mine"}}),
    "dashboard permalink": lambda t: ("POST", f"/api/v1/dashboard/{t.number}/permalink", {"json": {"dataMask": {}}}),
}
DATABASE: dict[str, Callable[[Target], Call]] = {
    "database": lambda t: ("GET", f"/api/v1/database/{t.number}", {}),
    "schemas": lambda t: ("GET", f"/api/v1/database/{t.number}/schemas/", {}),
    "tables": lambda t: ("GET", f"/api/v1/database/{t.number}/tables/?q=(schema_name:marts)", {}),
    "table columns": lambda t: ("GET", f"/api/v1/database/{t.number}/table_metadata/?name=footprint__products&schema=marts", {}),
    "select star": lambda t: ("GET", f"/api/v1/database/{t.number}/select_star/footprint__products/marts/", {}),
    "sql": lambda t: (
        "POST",
        "/api/v1/sqllab/execute/",
        {"json": {"database_id": t.number, "sql": "select * from marts.footprint__products", "schema": "marts", "runAsync": False}},
    ),
    "sql estimate": lambda t: (
        "POST",
        "/api/v1/sqllab/estimate/",
        {"json": {"database_id": t.number, "sql": "select 1", "schema": "marts"}},
    ),
    "database export": lambda t: ("GET", f"/api/v1/database/export/?q=!({t.number})", {}),
    "database rewrite": lambda t: ("PUT", f"/api/v1/database/{t.number}", {"json": {"allow_dml": True}}),
}
CHANNELS = {"dataset": DATASET, "chart": CHART, "dashboard": DASHBOARD, "database": DATABASE}
# Channels that answer about lists and accounts, whatever the target.
GENERAL: dict[str, Call] = {
    "list of dashboards": ("GET", "/api/v1/dashboard/", {}),
    "list of charts": ("GET", "/api/v1/chart/", {}),
    "list of datasets": ("GET", "/api/v1/dataset/", {}),
    "list of databases": ("GET", "/api/v1/database/", {}),
    "list of users": ("GET", "/api/v1/security/users/", {}),
    "list of roles": ("GET", "/api/v1/security/roles/", {}),
    "list of row rules": ("GET", "/api/v1/rowlevelsecurity/", {}),
    "list of queries": ("GET", "/api/v1/query/", {}),
    "guest token": ("POST", "/api/v1/security/guest_token/", {"json": {"user": {"username": "guest"}, "resources": [], "rls": []}}),
    "everything exported": ("GET", "/api/v1/assets/export/", {}),
    "upload": ("POST", "/api/v1/database/1/upload/", {"data": {"type": "csv"}}),
}


def list_foreign_codes(ministry: Path, own: Path) -> frozenset[str]:
    """Every code of somebody or of somebody's thing that the release knows and the reader's own file does not hold."""
    return frozenset(_list_codes(ministry) - _list_codes(own))


def _list_codes(file: Path) -> set[str]:
    codes: set[str] = set()
    with duckdb.connect(str(file.resolve()), read_only=True) as connection:
        columns = connection.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'marts' and data_type = 'VARCHAR'"
        ).fetchall()
        for table, column in columns:
            if column.endswith(_NAMING) and column not in _INNER and table.split("__")[0] != "release":
                rows = connection.execute(f'select distinct "{column}" from marts."{table}" where "{column}" is not null').fetchall()
                codes |= {part for (value,) in rows for part in str(value).split("|") if len(part) >= 6 and not part.isdigit()}
    # A factor or a methodology is nobody's.
    return {code for code in codes if not code.startswith(("EF-", "CCER-", "CM-"))}


def list_targets(client: SupersetClient, readers: list[Reader], tables: dict[str, list[str]], cache_keys: dict[int, str]) -> list[Target]:
    """Every object of the server with the reader whose it is; `tables` gives a table's columns."""
    numbers = {kind: client.list_ids(kind) for kind in CHANNELS}
    charts = {row["uuid"]: row for row in client._list_all("chart", "columns:!(id,uuid,datasource_id),")}
    slugs = {row["uuid"]: row for row in client._list_all("dashboard", "columns:!(id,uuid,slug),")}
    targets: list[Target] = []
    claimed: set[int] = set()
    for reader in readers:
        targets.append(Target("database", numbers["database"][reader.uuid("database")], reader.name))
        own: set[int] = set()
        for table, columns in tables.items():
            number = numbers["dataset"].get(reader.uuid("dataset", table))
            if number is not None:
                own.add(number)
                targets.append(Target("dataset", number, reader.name, column=columns[0], table=table))
        of_reader = [row for row in charts.values() if row["datasource_id"] in own]
        targets += [Target("chart", row["id"], reader.name, cache_key=cache_keys.get(row["id"], "")) for row in of_reader]
        claimed |= {row["id"] for row in of_reader}
        prefix = "" if reader.name == "ministry" else reader.name.replace("_", "-").lower() + "-"
        others = [other.name.replace("_", "-").lower() + "-" for other in readers if other.name != "ministry"]
        for row in slugs.values():
            is_own = row["slug"].startswith(prefix) if prefix else not row["slug"].startswith(tuple(others))
            if is_own:
                targets.append(Target("dashboard", row["id"], reader.name, slug=row["slug"]))
    if len(claimed) != len(charts):
        raise ValueError(f"{len(charts) - len(claimed)} charts belong to no reader")
    return targets


def list_attempts(reader: str, targets: list[Target]) -> Iterator[tuple[str, Target, Call]]:
    """Every channel at every object that is not the reader's."""
    for target in targets:
        if target.owner != reader:
            for channel, call in CHANNELS[target.kind].items():
                yield channel, target, call(target)


def try_all(http: httpx.Client, reader: str, targets: list[Target], foreign: frozenset[str], every: int = 1, guest: bool = False) -> Tally:
    """Make every `every`-th attempt; `guest` adds a forged guest's token to each."""
    tally, started = Tally(), time.perf_counter()
    headers = {"X-GuestToken": forge_guest()} if guest else {}
    # Databases are few: of them more attempts are made, so that each channel is among them.
    few = [target for target in targets if target.kind == "database"]
    many = [target for target in targets if target.kind != "database"]
    chosen = [*islice(list_attempts(reader, few), 0, None, min(every, 4)), *islice(list_attempts(reader, many), 0, None, every)]
    for channel, target, (method, path, sent) in chosen:
        answer = http.request(method, path, headers=headers, **sent)
        what = (
            f"{reader}: {channel} of {target.kind} {target.number} ({target.owner} {target.table or target.slug}) -> {answer.status_code}"
        )
        _judge(tally, channel, what, answer, foreign, is_foreign=True)
    for channel, (method, path, sent) in GENERAL.items():
        answer = http.request(method, path, headers=headers, **sent)
        _judge(tally, channel, f"{reader}: {channel} -> {answer.status_code}", answer, foreign, is_foreign=False)
    tally.seconds = time.perf_counter() - started
    return tally


def forge_guest() -> str:
    now = int(time.time())
    claims = {"user": {"username": "admin"}, "resources": [], "rls_rules": [], "iat": now, "exp": now + 600, "aud": "", "type": "guest"}
    return jwt.encode(claims, DEFAULT_GUEST_SECRET, algorithm="HS256")


def _judge(tally: Tally, channel: str, what: str, answer: httpx.Response, foreign: frozenset[str], is_foreign: bool) -> None:
    tally.attempts += 1
    tally.by_channel[channel] = tally.by_channel.get(channel, 0) + 1
    text = read_text(answer)
    seen = foreign.intersection(_TOKEN.findall(text))
    if seen:
        tally.leaks.append(f"{what}: {sorted(seen)[:3]}")
    if answer.status_code >= 500:
        tally.crashes.append(what)
    if is_foreign and answer.is_success and not _says_nothing(channel, answer):
        tally.openings.append(f"{what}: {text[:200]}")


def _says_nothing(channel: str, answer: httpx.Response) -> bool:
    """A page without the object: the frame that a browser fills by the calls that are refused here."""
    return channel in ("explore page", "dashboard page") and answer.headers.get("content-type", "").startswith("text/html")


def read_text(answer: httpx.Response) -> str:
    """What an answer says, also where it is packed."""
    if answer.content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            return "\n".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
    if answer.headers.get("content-type", "").startswith("application/json"):
        return json.dumps(answer.json(), ensure_ascii=False)
    return answer.text
