"""Addresses as they may be shown, and names from elsewhere as they may stand in the inbox."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

from ingest.delivery import IGNORED_SUFFIXES

_LONGEST_NAME_BYTES = 120
_WORD = re.compile(r"[^\w.\-]+")


def parts_of(url: str) -> SplitResult:
    """The parts of an address; empty ones for what is none, so that it matches nothing that is asked of it."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def origin_of(url: str) -> str:
    """An address without user, query and fragment: those may hold secrets."""
    parts = parts_of(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def safe_name(text: str) -> str:
    """A file name that is no path, hidden, temporary, a formula or longer than any filesystem takes; letters of any script stay.

    The remote name itself is kept as text beside the delivery: here it only has to be harmless and to be recognised.
    """
    plain = unicodedata.normalize("NFKC", text).replace("\\", "/").rstrip("/").rpartition("/")[2]
    name = _WORD.sub("_", plain).lstrip("._-")
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > 12:
        stem, dot, ending = name, "", ""
    room = _LONGEST_NAME_BYTES - len((dot + ending).encode())
    name = stem.encode()[:room].decode(errors="ignore") + dot + ending
    if name.lower().endswith(IGNORED_SUFFIXES):
        name = name.replace(".", "_")
    return name.rstrip("._-") or "file"
