"""Superset's settings; read by the server that `dashboards.server` starts, in its own environment.

The one thing it needs from outside is where its state lives (TANLIAN_SUPERSET_HOME): secrets are files there, so none
can be committed, and none has a default.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from explain_page import blueprint
from first_page import lead_readers
from flask import Flask
from quiet_log import QuietLog
from release_pin import open_release, watch_pages
from secret_strength import find_weakness

_HOME = Path(os.environ["TANLIAN_SUPERSET_HOME"])

APP_NAME = "Tanlian 碳联"
SECRET_KEY = (_HOME / "secret_key").read_text(encoding="ascii").strip()
if weakness := find_weakness(SECRET_KEY):
    raise SystemExit(f"secret_key is too weak ({weakness}): delete the file, and a strong one is made at the next start")
SQLALCHEMY_DATABASE_URI = f"sqlite:///{_HOME / 'metadata.sqlite'}?check_same_thread=false"
DATA_DIR = str(_HOME)

LANGUAGES = {"zh": {"flag": "cn", "name": "中文"}, "en": {"flag": "us", "name": "English"}}
BABEL_DEFAULT_LOCALE = os.environ.get("TANLIAN_LANG", "zh")

# Answers are kept by release and role (release_pin), in this process: a file or a service would outlive who may read them.
CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
DATA_CACHE_CONFIG = {"CACHE_TYPE": "release_pin.ReleaseCache", "CACHE_DEFAULT_TIMEOUT": 86_400, "CACHE_THRESHOLD": 5_000}
# Superset would write a row of its metadata for every chart that anybody looks at: readers would wait for one another's writes.
EVENT_LOGGER = QuietLog()
DB_CONNECTION_MUTATOR = open_release


def FLASK_APP_MUTATOR(app: Flask) -> None:
    watch_pages(app)
    lead_readers(app)


BLUEPRINTS = [blueprint]

# The ministry's file lies on this machine, so the dialect must be allowed; DuckDB is not on Superset's list of unsafe
# dialects, SQLite is, and the metadata file must not become a data source.
PREVENT_UNSAFE_DB_CONNECTIONS = True
WTF_CSRF_ENABLED = True
# Without production's reverse proxy every call of a page load comes from one address.
RATELIMIT_ENABLED = False
# Roles and readers are made by the pipeline through the API.
FAB_ADD_SECURITY_API = True
FAB_API_MAX_PAGE_SIZE = 10_000
# Nobody becomes a reader by asking, and nobody reads without signing in.
AUTH_USER_REGISTRATION = False
PUBLIC_ROLE_LIKE = None
# What failed is logged; a reader is told that it failed.
SHOW_STACKTRACE = False
SESSION_COOKIE_SAMESITE = "Strict"

FEATURE_FLAGS = {
    # A dashboard's roles would open its tables to whoever may see the page: what a role sees follows from its tables alone.
    "DASHBOARD_RBAC": False,
    "EMBEDDED_SUPERSET": False,
    "DRILL_TO_DETAIL": True,
    "DRILL_BY": True,
    # Jinja in SQL reads the user's session and, through macros, other tables: nothing here needs it.
    "ENABLE_TEMPLATE_PROCESSING": False,
}

# Superset's own policy lets the browser load pixels, tiles and fonts from third parties: a page of the ministry asks nobody else.
TALISMAN_ENABLED = True
TALISMAN_CONFIG: dict[str, Any] = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
        "frame-ancestors": ["'none'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}

_SANS = "Inter, 'Noto Sans CJK SC', 'Source Han Sans SC', 'PingFang SC', 'Microsoft YaHei', Helvetica, Arial, sans-serif"
# Its name instead of Superset's picture, which is not this page's.
_LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="124" height="24" viewBox="0 0 124 24">'
    f'<text x="0" y="18" font-family="{_SANS.replace(chr(39), "")}" font-size="17" font-weight="600" fill="#0072B2">碳联 Tanlian</text></svg>'
)
_TOKEN: dict[str, Any] = {
    "brandAppName": APP_NAME,
    "brandLogoAlt": APP_NAME,
    "brandLogoUrl": f"data:image/svg+xml;base64,{base64.b64encode(_LOGO.encode()).decode()}",
    "brandLogoHeight": "24px",
    "brandLogoHref": "/",
    "colorPrimary": "#0072B2",
    "colorLink": "#0072B2",
    "fontUrls": [],
    "fontFamily": _SANS,
}
THEME_DEFAULT: dict[str, Any] = {"token": _TOKEN, "algorithm": "default"}
THEME_DARK = None

# Okabe and Ito (2008), distinguishable with every common colour vision; black is left to text.
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "tanlian",
        "description": "",
        "label": "Tanlian (Okabe-Ito)",
        "isDefault": True,
        "colors": ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#F0E442", "#5A5A5A"],
    }
]

# One hue from light to dark, for maps: order is read from lightness, which every eye sees (after ColorBrewer's Blues).
EXTRA_SEQUENTIAL_COLOR_SCHEMES = [
    {
        "id": "tanlian_blues",
        "description": "",
        "label": "Tanlian blues",
        "isDiverging": False,
        "colors": ["#EFF3FF", "#BDD7E7", "#6BAED6", "#3182BD", "#08519C"],
    }
]
