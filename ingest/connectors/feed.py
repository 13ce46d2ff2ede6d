"""Files at fixed HTTP addresses: asked for only when they changed, continued where they were cut."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import unquote

import httpx

from ingest.connectors.address import origin_of, parts_of
from ingest.connectors.credential import Credential
from ingest.connectors.deadline import Deadline, try_again
from ingest.connectors.declaration import FeedConnector
from ingest.connectors.faults import ConnectorFault, refused, too_large, unreachable
from ingest.connectors.memory import Brings
from ingest.connectors.progress import Pull
from ingest.connectors.web import get, open_client

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


def pull_feed(connector: FeedConnector, credential: Credential | None, pull: Pull, deadline: Deadline) -> None:
    """Fetch every address that has something new. One that fails stops no other.

    Args:
        credential: login and password for Basic authentication, or a password alone, which is a bearer token.
    """
    identity = {}
    if credential is not None:
        identity = {"Authorization": credential.basic if credential.login else f"Bearer {credential.password}"}
    with open_client(connector) as client:
        for url in connector.urls:
            deadline.check()
            try:
                _Download(connector, url, client, identity, pull, deadline).run()
            except ConnectorFault as fault:
                if fault.code == "out_of_time":
                    raise
                pull.fail(fault)


class _Download:
    """One address: its part file survives a cut, with the validator by which the rest may be asked for."""

    def __init__(
        self, connector: FeedConnector, url: str, client: httpx.Client, identity: Mapping[str, str], pull: Pull, deadline: Deadline
    ) -> None:
        self.connector = connector
        self.url = url
        self.client = client
        self.identity = identity
        self.pull = pull
        self.deadline = deadline
        self.name = ""
        self.stamp = ""
        self.offered_size = 0

    def run(self) -> None:
        if self.pull.dry_run:
            if try_again(self.connector, self.deadline, lambda: self._ask(None)):
                self.pull.would_take(self.name, self.offered_size, origin_of(self.url))
            return
        part = self.pull.placer.part(self.url)
        if part.is_symlink():
            part.unlink()
        if not try_again(self.connector, self.deadline, lambda: self._ask(part)):
            return
        self.pull.took(self.pull.placer.place(part, self.name, origin_of(self.url), Brings(seen={self.url: self.stamp})))

    def _ask(self, part: Path | None) -> bool:
        """One request; whether there is something new, which then lies in the part as a whole."""
        headers, begun = self._conditions(part)
        with get(self.client, self.url, self.deadline, {**headers, **self.identity}) as response:
            if response.status_code == HTTPStatus.NOT_MODIFIED:
                return False
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                # What we had is as long as the file or longer: it is asked for again as a whole.
                self._forget_cut(part)
                raise unreachable(f"{origin_of(self.url)} 无法续传。", f"{origin_of(self.url)} cannot be continued.")
            self._check_answer(response)
            self.name = _name_of(response, self.url)
            if part is None:
                self.offered_size = int(response.headers.get("Content-Length", "0") or 0)
                return True
            begun = begun if response.status_code == HTTPStatus.PARTIAL_CONTENT else 0
            if response.status_code == HTTPStatus.PARTIAL_CONTENT:
                self._check_range(part, response, begun)
            else:
                self.stamp = _validators(response)
                self._keep_validator(response)
            with part.open("r+b" if begun else "wb") as out:
                out.seek(begun)
                out.truncate()
                self._read(response, out)
        return True

    def _conditions(self, part: Path | None) -> tuple[dict[str, str], int]:
        """Headers that ask for what is new, or for the rest of what was cut (RFC 9110, 13.1 and 14.2)."""
        validator = self.pull.memory.cut(self.connector.name, self.url)
        if part is not None and validator and part.is_file() and part.stat().st_size:
            begun = part.stat().st_size
            self.stamp = self.stamp or _stamp_of_cut(validator)
            return {"Range": f"bytes={begun}-", "If-Range": validator}, begun
        etag, _, modified = (self.pull.memory.stamp(self.connector.name, self.url) or "").partition("\n")
        headers = {"If-None-Match": etag} if etag else {}
        # A tag says more than a time of whole seconds, so the time is asked about only where there is no tag.
        return headers or ({"If-Modified-Since": modified} if modified else {}), 0

    def _check_answer(self, response: httpx.Response) -> None:
        place = origin_of(self.url)
        if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise refused(
                "status", f"{place} 答复 {response.status_code}，未给出文件。", f"{place} answered {response.status_code} and gave no file."
            )
        if response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise refused(
                "web_page", f"{place} 给出的是网页，可能需要登录。", f"{place} gave a web page, not a file: it may ask for a login."
            )
        if response.headers.get("Content-Encoding", "identity").lower() not in ("identity", "gzip"):
            raise refused("encoding", f"{place} 的传输压缩不受支持。", f"{place} uses a transfer compression that is not supported.")
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > self.connector.largest_bytes:
            raise too_large(place, self.connector.largest_bytes)

    def _check_range(self, part: Path, response: httpx.Response, begun: int) -> None:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        etag = response.headers.get("ETag", "")
        is_another = bool(etag) and etag != self.stamp.partition("\n")[0] and self.stamp.startswith('"')
        if found is None or int(found[1]) != begun or is_another:
            self._forget_cut(part)
            raise unreachable(f"{origin_of(self.url)} 续传的位置不符。", f"{origin_of(self.url)} continued at another place than asked.")

    def _keep_validator(self, response: httpx.Response) -> None:
        """Only a strong tag, or else the time, may continue a download: a weak tag calls different bytes the same."""
        etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        validator = etag if etag and not etag.startswith("W/") else modified
        if validator:
            self.pull.memory.keep_cut(self.connector.name, self.url, validator)
        else:
            self.pull.memory.drop_cut(self.connector.name, self.url)

    def _read(self, response: httpx.Response, out: IO[bytes]) -> None:
        for chunk in response.iter_raw():
            if out.tell() + len(chunk) > self.connector.largest_bytes:
                out.truncate(0)
                raise too_large(origin_of(self.url), self.connector.largest_bytes)
            out.write(chunk)
            self.pull.tell(out.tell())
            self.deadline.check()

    def _forget_cut(self, part: Path | None) -> None:
        self.pull.memory.drop_cut(self.connector.name, self.url)
        self.stamp = ""
        if part is not None:
            part.unlink(missing_ok=True)


def _validators(response: httpx.Response) -> str:
    """Tag and time of an answer, as they are sent back the next time."""
    return f"{response.headers.get('ETag', '')}\n{response.headers.get('Last-Modified', '')}"


def _stamp_of_cut(validator: str) -> str:
    return f"{validator}\n" if validator.startswith('"') else f"\n{validator}"


def _name_of(response: httpx.Response, url: str) -> str:
    """The file's name as the remote says it, whatever that holds; the address's last part where it says none (RFC 6266)."""
    header = response.headers.get("Content-Disposition", "")
    extended = re.search(r"filename\*\s*=\s*([\w-]*)'[^']*'([^;]+)", header, re.IGNORECASE)
    if extended is not None and extended[1].lower() in ("utf-8", "iso-8859-1"):
        return unquote(extended[2].strip(), encoding=extended[1], errors="replace")
    plain = re.search(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', header, re.IGNORECASE)
    if plain is not None:
        return re.sub(r"\\(.)", r"\1", plain[1] or plain[2] or "")
    return unquote(parts_of(url).path.rstrip("/").rpartition("/")[2])
