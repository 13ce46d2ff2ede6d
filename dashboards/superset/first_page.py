"""Where a reader arrives after signing in: the first of the dashboards that are theirs, not Superset's list of what everybody has."""

from __future__ import annotations

import json
from pathlib import Path

from flask import Flask, current_app, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_login import current_user

# Written by the publication (dashboards.publication): role -> language -> slug.
FIRST_PAGES = "first_pages.json"
_WELCOME = "/superset/welcome/"
_ROLES = {"Admin": "tanlian_ministry"}


def lead_readers(app: Flask) -> None:
    """Have the welcome page lead to a reader's own first dashboard, in the language they read Superset in."""

    @app.before_request
    def open_first_page() -> ResponseReturnValue | None:
        if request.path != _WELCOME or not current_user.is_authenticated:
            return None
        slug = find_first_page([role.name for role in current_user.roles], str(get_locale()))
        return redirect(f"/superset/dashboard/{slug}/") if slug else None


def find_first_page(roles: list[str], lang: str) -> str | None:
    """The slug of the first dashboard of these roles; None where nothing was published for them."""
    file = Path(current_app.config["DATA_DIR"]) / FIRST_PAGES
    pages = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    found = [pages[role] for role in (_ROLES.get(name, name) for name in roles) if role in pages]
    return str(found[0]["en" if lang.startswith("en") else "zh"]) if found else None
