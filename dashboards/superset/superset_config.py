"""Superset's settings; read by the server that `dashboards.server` starts, in its own environment.

The one thing it needs from outside is where its state lives (TANLIAN_SUPERSET_HOME): secrets are files there, so none
can be committed, and none has a default.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_HOME = Path(os.environ["TANLIAN_SUPERSET_HOME"])

APP_NAME = "Tanlian 碳联"
SECRET_KEY = (_HOME / "secret_key").read_text(encoding="ascii").strip()
SQLALCHEMY_DATABASE_URI = f"sqlite:///{_HOME / 'metadata.sqlite'}?check_same_thread=false"
DATA_DIR = str(_HOME)

LANGUAGES = {"zh": {"flag": "cn", "name": "中文"}, "en": {"flag": "us", "name": "English"}}
BABEL_DEFAULT_LOCALE = os.environ.get("TANLIAN_LANG", "zh")

# A cached answer would outlive the release it came from; DuckDB answers these marts in milliseconds.
CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}

# The ministry's file lies on this machine, so the dialect must be allowed; DuckDB is not on Superset's list of unsafe
# dialects, SQLite is, and the metadata file must not become a data source.
PREVENT_UNSAFE_DB_CONNECTIONS = True
WTF_CSRF_ENABLED = True
# Without production's reverse proxy every call of a page load comes from one address.
RATELIMIT_ENABLED = False
SESSION_COOKIE_SAMESITE = "Strict"

FEATURE_FLAGS = {
    "DASHBOARD_RBAC": True,
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
_TOKEN: dict[str, Any] = {
    "brandAppName": APP_NAME,
    "brandLogoAlt": APP_NAME,
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
