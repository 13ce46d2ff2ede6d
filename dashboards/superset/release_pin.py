"""Which release a request reads, in Superset's own process: the one that was in force when the page was opened.

A page asks for its charts one by one. Were each read from what is in force at its moment, a release that arrives between two of them
would leave a mixture on the screen; so a page keeps its release, and the next page (or a reload) takes the next.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, has_request_context, request, session
from flask_caching.backends.simplecache import SimpleCache

CURRENT = "current"
# What a file of a release may be opened with, whatever a connection's own settings say.
LOCKED = {"read_only": True, "config": {"enable_external_access": False, "lock_configuration": True}}
_PAGES = re.compile(r"/superset/dashboard/.+|/api/v1/dashboard/[^/]+/?")
_KEPT = "tanlian_release"


def find_releases() -> Path:
    """Superset's own folder lies beside the releases."""
    return Path(current_app.config["DATA_DIR"]).parent / "releases"


def read_current() -> str:
    return (find_releases() / CURRENT).readlink().name


def find_release() -> str:
    """The release of this request: that of the reader's page, or the one in force for whoever has opened none."""
    if not has_request_context():
        return read_current()
    if _KEPT not in g:
        kept = str(session.get(_KEPT, ""))
        setattr(g, _KEPT, kept if kept and (find_releases() / kept).is_dir() else read_current())
    return str(getattr(g, _KEPT))


def watch_pages(app: Flask) -> None:
    """Take note of the release in force whenever a reader opens a dashboard."""

    @app.before_request
    def keep_release() -> None:
        # Programs that come with a token hold no page: they read what is in force.
        if request.method == "GET" and _PAGES.fullmatch(request.path) and "Authorization" not in request.headers:
            session[_KEPT] = read_current()


def open_release(uri: Any, params: dict[str, Any], username: str | None, security_manager: Any, source: Any) -> tuple[Any, dict[str, Any]]:
    """Superset's hook before every connection: the file of the request's release, read-only and locked, and no other file at all.

    By its own path each release is an instance of its own to DuckDB, which otherwise would hand out the file opened before
    for as long as somebody still reads it.
    """
    folder, _, file = str(uri.database or "").rpartition("/")
    if uri.get_backend_name() != "duckdb" or Path(folder) != find_releases() / CURRENT or not re.fullmatch(r"\w+\.duckdb", file, re.ASCII):
        raise PermissionError("only the files of a release may be opened")
    return uri.set(database=str(find_releases() / find_release() / file)), params | {"connect_args": LOCKED}


def name_reader() -> str:
    """The roles of whoever asks: what one role was answered is never handed to another."""
    user = getattr(g, "user", None) if has_request_context() else None
    return ",".join(sorted(str(role.id) for role in getattr(user, "roles", [])))


class ReleaseCache(SimpleCache):  # type: ignore[misc]
    """Answers by release and role. What was asked of one release is never shown of another, so nothing has to be emptied."""

    @staticmethod
    def _name(key: str) -> str:
        return f"{find_release()}|{name_reader()}|{key}"

    def get(self, key: str) -> Any:
        return super().get(self._name(key))

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        return super().set(self._name(key), value, timeout)

    def add(self, key: str, value: Any, timeout: int | None = None) -> Any:
        return super().add(self._name(key), value, timeout)

    def delete(self, key: str) -> Any:
        return super().delete(self._name(key))

    def has(self, key: str) -> Any:
        return super().has(self._name(key))
