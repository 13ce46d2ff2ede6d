"""The page behind the links of the ministry's tables: what `tanlian explain` says of a figure, asked of the pipeline in a process of its own.

Superset's environment holds none of the pipeline, and what stands in an address is a stranger's: it reaches the command as arguments,
never a shell, and the command takes comparisons of a mart's own columns and nothing else.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from flask import Blueprint, Response, abort, g, redirect, request
from flask.typing import ResponseReturnValue
from markupsafe import escape
from release_pin import ReleaseCache, find_release

LOG = logging.getLogger(__name__)

READERS = {"Admin", "tanlian_ministry"}
LONGEST = 2_000
TIMEOUT_S = 100
# Who waits for a turn keeps one of the server's threads from the dashboards.
WAIT_S = 5
USAGE = 2
# An explanation takes a core for seconds: more at once would keep the dashboards waiting.
_AT_ONCE = threading.BoundedSemaphore(2)
_KEPT = ReleaseCache(threshold=200, default_timeout=86_400)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_TEXTS = {
    "zh": {"busy": "正在生成的来历页太多，请稍后重试。", "broken": "来历页没有生成，原因见服务器日志。"},
    "en": {
        "busy": "Too many explanations are being made; try again in a moment.",
        "broken": "The explanation was not made; the server's log says why.",
    },
}

blueprint = Blueprint("tanlian_explain", __name__)


@blueprint.get("/tanlian/explain")
def explain() -> ResponseReturnValue:
    """One figure of the release that the reader's page shows; for the ministry only."""
    user = getattr(g, "user", None)
    if user is None or not user.is_authenticated:
        return redirect("/login/")
    if not READERS & {role.name for role in user.roles}:
        abort(403)
    asked = request.args
    lang = "en" if asked.get("lang") == "en" else "zh"
    if not (_is_name(asked.get("mart", "")) and _is_name(asked.get("column", "")) and _is_plain(asked.get("where", ""))):
        abort(400)
    key = "|".join([lang, asked["mart"], asked["column"], asked["where"]])
    page = _KEPT.get(key)
    if page is None:
        if not _AT_ONCE.acquire(timeout=WAIT_S):
            return _answer(_say(_TEXTS[lang]["busy"]), 503)
        try:
            status, page = _make_page(asked, lang)
        finally:
            _AT_ONCE.release()
        if status != 200:
            return _answer(page, status)
        _KEPT.set(key, page)
    return _answer(page, 200)


def _is_name(text: str) -> bool:
    return re.fullmatch(r"\w{1,100}", text, re.ASCII) is not None


def _is_plain(where: str) -> bool:
    return 0 < len(where) <= LONGEST and "\0" not in where


def _make_page(asked: Mapping[str, str], lang: str) -> tuple[int, str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        # With "=", so that no value is taken for an option.
        values = [f"--column={asked['column']}", f"--where={asked['where']}", f"--release={find_release()}", f"--html={file}"]
        command = [os.environ["TANLIAN_COMMAND"], f"--lang={lang}", "--quiet", "explain", *values, "--", asked["mart"]]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return 503, _say(_TEXTS[lang]["busy"])
        if done.returncode == 0:
            return 200, file.read_text(encoding="utf-8")
    LOG.warning("tanlian explain ended with %d: %r", done.returncode, done.stderr[-2_000:])
    # What the question lacks is told; what broke is the server's to know.
    return (400, _say(done.stderr)) if done.returncode == USAGE else (502, _say(_TEXTS[lang]["broken"]))


def _say(text: str) -> str:
    return f'<!doctype html><meta charset="utf-8"><title>Tanlian 碳联</title><pre style="white-space: pre-wrap">{escape(text)}</pre>'


def _answer(page: str, status: int) -> Response:
    return Response(page, status, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _POLICY})
