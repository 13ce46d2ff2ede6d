"""Talk to a running Superset: import assets, make roles and readers, ask a chart for its figures.

Our own because the published clients are unmaintained or cannot be installed beside Airflow.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from dashboards.errors import DashboardError

_TIMEOUT_S = 300.0
_PAGE = 500


class SupersetClient:
    """One signed-in conversation with a Superset; use it in a `with`."""

    def __init__(self, base_url: str, user: str, password: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._user = user
        self._password = password
        # No proxy of the environment may see a loopback password.
        self._http = httpx.Client(base_url=self._base_url, timeout=_TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        try:
            self._sign_in()
        except BaseException:
            self._http.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def import_assets(self, files: dict[str, str]) -> None:
        """Send a bundle; Superset replaces what carries the same identifiers, in one transaction."""
        bundle = io.BytesIO()
        with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bundle/metadata.yaml", "version: 1.0.0\ntype: assets\n")
            for path, text in files.items():
                archive.writestr(f"bundle/{path}", text)
        self._ask(
            "POST",
            "/api/v1/assets/import/",
            files={"bundle": ("bundle.zip", bundle.getvalue(), "application/zip")},
            data={"passwords": "{}"},
        )

    def export_assets(self) -> dict[str, Any]:
        """Relative path -> content of everything the server holds, without the instant of the export."""
        answer = self._ask("GET", "/api/v1/assets/export/")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("metadata.yaml")]
            return {name.split("/", 1)[1]: yaml.safe_load(archive.read(name)) for name in names}

    def list_ids(self, kind: str) -> dict[str, int]:
        """uuid -> the server's own number of every `chart`, `dashboard`, `dataset` or `database`."""
        return {row["uuid"]: row["id"] for row in self._list_all(kind, "columns:!(id,uuid),")}

    def list_named(self, kind: str, column: str) -> dict[str, int]:
        """name -> the server's own number of every role, user or row rule."""
        return {row[column]: row["id"] for row in self._list_all(kind)}

    def list_permissions(self) -> dict[tuple[str, str], int]:
        """(right, place) -> number of every permission that can be given."""
        rows = self._list_all("security/permissions-resources")
        return {(row["permission"]["name"], row["view_menu"]["name"]): row["id"] for row in rows}

    def _list_all(self, kind: str, columns: str = "") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            query = f"({columns}page:{len(rows) // _PAGE},page_size:{_PAGE})"
            answer = self._ask("GET", f"/api/v1/{kind}/", params={"q": query}).json()
            rows += answer["result"]
            if len(answer["result"]) < _PAGE:
                return rows

    def create(self, kind: str, body: dict[str, Any]) -> int:
        """Make a role, user or row rule; gives its number."""
        return int(self._ask("POST", f"/api/v1/{kind}/", json=body).json()["id"])

    def change(self, place: str, body: dict[str, Any]) -> None:
        self._ask("PUT", f"/api/v1/{place}", json=body)

    def set_permissions(self, role: int, permissions: list[int]) -> None:
        """Give a role exactly these."""
        self._ask("POST", f"/api/v1/security/roles/{role}/permissions", json={"permission_view_menu_ids": permissions})

    def find_dashboard(self, lang: str, slug: str = "national-overview") -> str:
        """Address of the dashboard in that language."""
        self._ask("GET", f"/api/v1/dashboard/{slug}-{lang}")
        return f"{self._base_url}/superset/dashboard/{slug}-{lang}/"

    def chart_data(
        self, chart: int | str, filters: dict[str, str | int] | None = None, force: bool = True, part: int = 0
    ) -> list[dict[str, Any]]:
        """Rows of a chart, by its number or uuid, as a reader with these filters (column -> value) sees them.

        `part` is the query of a chart that has several. `force` asks the release and not a cache.
        """
        number = chart if isinstance(chart, int) else self._find_chart(chart)
        held = self._ask("GET", f"/api/v1/chart/{number}").json()["result"]["query_context"]
        context = json.loads(held)
        context["force"] = force
        for query in context["queries"]:
            query["filters"] += [{"col": column, "op": "==", "val": value} for column, value in (filters or {}).items()]
        answer = self._ask("POST", "/api/v1/chart/data", json=context).json()
        rows: list[dict[str, Any]] = answer["result"][part]["data"]
        return rows

    def run_sql(self, sql: str, database_id: int, schema: str = "marts") -> list[dict[str, Any]]:
        """Rows of a statement in SQL Lab, as an analyst would type it."""
        asked = {"database_id": database_id, "sql": sql, "schema": schema, "runAsync": False, "queryLimit": 1000}
        rows: list[dict[str, Any]] = self._ask("POST", "/api/v1/sqllab/execute/", json=asked).json()["data"]
        return rows

    def _find_chart(self, uuid: str) -> int:
        numbers = self.list_ids("chart")
        if uuid not in numbers:
            raise DashboardError(
                f"Superset 上没有图表 {uuid}。请运行 tanlian dashboards publish。",
                f"Superset has no chart {uuid}. Run tanlian dashboards publish.",
            )
        return numbers[uuid]

    def _sign_in(self) -> None:
        body = {"username": self._user, "password": self._password, "provider": "db", "refresh": False}
        with self._reach("/api/v1/security/login"):
            answer = self._http.post("/api/v1/security/login", json=body)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise DashboardError(
                f"Superset 不接受用户 {self._user} 的密码（{self._base_url}）。",
                f"Superset at {self._base_url} does not accept the password of user {self._user}.",
            )
        self._refuse_failure(answer)
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        token = self._ask("GET", "/api/v1/security/csrf_token/").json()["result"]
        # Flask-WTF compares the referrer as well when a token is checked.
        self._http.headers.update({"X-CSRFToken": token, "Referer": self._base_url})

    def _ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        with self._reach(path):
            answer = self._http.request(method, path, **sent)
        self._refuse_failure(answer)
        return answer

    @contextmanager
    def _reach(self, path: str) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as fault:
            raise DashboardError(
                f"连不上 Superset {self._base_url}{path}（{fault}）。请先运行 tanlian up。",
                f"Superset cannot be reached at {self._base_url}{path} ({fault}). Run tanlian up first.",
            ) from fault

    def _refuse_failure(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        where = f"{answer.request.method} {answer.request.url.path}"
        said = f"{answer.status_code} {_read_complaint(answer)}"
        raise DashboardError(f"Superset 拒绝了 {where}：{said}", f"Superset refused {where}: {said}")


def _read_complaint(answer: httpx.Response) -> str:
    """What Superset complains of, every fault of it: its answers are JSON in two shapes, a crash is a page of HTML."""
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return answer.text[:500]
    body = answer.json()
    faults = body.get("errors") or [{"message": body.get("message", body)}]
    lines = []
    for fault in faults:
        places = {place: why for place, why in (fault.get("extra") or {}).items() if place not in ("issue_codes", "engine_name")}
        lines.append(f"{fault['message']}{' ' + json.dumps(places, ensure_ascii=False) if places else ''}")
    return "\n".join(lines)
