"""A host of the PACT network: PACT Technical Specifications 2.3 and 3.0, as a data recipient.

Authentication (Action Authenticate, with discovery of the token endpoint), Action ListFootprints with filter and pagination, and Action
GetFootprint for what an event announced. Every page is delivered byte for byte as the host sent it; of its content only the footprints'
ids and a fingerprint of each are looked at, so that a page that holds nothing new is not delivered again.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from ingest.connectors.address import origin_of, parts_of
from ingest.connectors.credential import Credential
from ingest.connectors.deadline import Deadline, try_again
from ingest.connectors.declaration import PactConnector
from ingest.connectors.faults import ConnectorFault, broken, refused
from ingest.connectors.memory import Brings
from ingest.connectors.progress import Pull
from ingest.connectors.web import fault_of, is_redirect, join, open_client, read_body, send
from ingest.faults import FileRefused
from ingest.readers import strict_json

# A host whose pages bring no footprint that this pull has not met, so many times in a row, leads in a circle.
MOST_BARREN_PAGES = 50
_LARGEST_TOKEN_ANSWER = 1 << 20
# A token is renewed this long before it ends, so that it does not end on the way.
_TOKEN_MARGIN_S = 30.0
_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")


class PactHost:
    """One host, and the token it gave us."""

    def __init__(self, connector: PactConnector, credential: Credential, client: httpx.Client, deadline: Deadline) -> None:
        self.connector = connector
        self.deadline = deadline
        self._credential = credential
        self._client = client
        self._token = ""
        self._token_ends = 0.0

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._token,) if self._token else ()

    def get(self, url: str) -> tuple[bytes, Any, httpx.Response]:
        """A resource's bytes, the JSON they are, and the answer; tried again with pauses where that may help."""
        return try_again(self.connector, self.deadline, lambda: self._get(url))

    def _get(self, url: str) -> tuple[bytes, Any, httpx.Response]:
        for is_last in (False, True):
            with send(self._client, "GET", url, self.deadline, {"Authorization": f"Bearer {self._current_token()}"}) as response:
                if response.status_code != HTTPStatus.UNAUTHORIZED or is_last:
                    return self._read(response)
            # The token has ended, or the host forgot it: one new token, and no more, for one request.
            self._token = ""
        raise AssertionError("unreachable")

    def _read(self, response: httpx.Response) -> tuple[bytes, Any, httpx.Response]:
        if response.status_code not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            raise self._fault_of(response)
        place, kind = origin_of(str(response.request.url)), response.headers.get("Content-Type", "")
        if not _JSON.fullmatch(kind.strip()):
            raise refused(
                "content_type", f"{place} 的答复不是 application/json。", f"{place} answered with another type than application/json."
            )
        body = read_body(response, self.connector.largest_bytes, self.deadline)
        try:
            return body, strict_json.parse(body), response
        except FileRefused as refusal:
            raise broken(f"{place} 的答复不可读：{refusal.message.zh}", f"{place}: {refusal.message.en}") from refusal

    def _fault_of(self, response: httpx.Response) -> ConnectorFault:
        place = origin_of(str(response.request.url))
        if is_redirect(response):
            return refused(
                "redirect_refused",
                f"{place} 转址；带密钥的请求不跟随转址。",
                f"{place} redirects; a request with a token is not redirected.",
            )
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            return refused("unauthorised", f"{place} 不接受新取的令牌。", f"{place} does not accept a token that it has just given.")
        if response.status_code == HTTPStatus.FORBIDDEN:
            return refused("forbidden", f"{place} 不允许读取。", f"{place} does not allow this to be read.")
        if response.status_code == HTTPStatus.NOT_FOUND:
            return refused("not_there", f"{place} 不存在。", f"{place} is not there.")
        return fault_of(response)

    # Authentication

    def _current_token(self) -> str:
        if not self._token or time.monotonic() > self._token_ends:
            self._authenticate()
        return self._token

    def _authenticate(self) -> None:
        """OAuth 2.0 client credentials with Basic authentication (RFC 6749, 4.4), at the endpoint the host names."""
        endpoint = self._token_endpoint()
        place = origin_of(endpoint)
        # RFC 6749, 2.3.1: identifier and secret are form-encoded before they are joined; plain ones are unchanged by it.
        login, password = (quote(text, safe="-._~") for text in (self._credential.login, self._credential.password))
        headers = {"Authorization": Credential(login, password).basic, "Accept": "application/json"}
        with send(self._client, "POST", endpoint, self.deadline, headers, {"grant_type": "client_credentials"}) as response:
            if response.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise refused("credential_refused", f"{place} 不接受凭据。", f"{place} does not accept the credential.")
            if response.status_code != HTTPStatus.OK:
                raise self._fault_of(response)
            answer = self._object(read_body(response, _LARGEST_TOKEN_ANSWER, self.deadline), place)
        token, kind = answer.get("access_token"), str(answer.get("token_type", "bearer"))
        if not isinstance(token, str) or not _TOKEN.fullmatch(token) or kind.lower() != "bearer":
            raise refused("token_unusable", f"{place} 没有给出可用的令牌。", f"{place} gave no token that can be used.")
        lifetime = str(answer.get("expires_in", ""))
        seconds = float(lifetime) if re.fullmatch(r"\d{1,9}", lifetime) else 3600.0
        self._token, self._token_ends = token, time.monotonic() + max(seconds - _TOKEN_MARGIN_S, seconds / 2)

    def _token_endpoint(self) -> str:
        """The endpoint of the OpenID Provider Configuration Document, where there is a valid one, else `/auth/token`."""
        where = self.connector.auth_url or self.connector.url
        fallback = f"{where}/auth/token"
        with send(
            self._client, "GET", f"{where}/.well-known/openid-configuration", self.deadline, {"Accept": "application/json"}
        ) as response:
            if response.status_code != HTTPStatus.OK:
                fault = fault_of(response)
                # An overloaded host is asked again; one that has no such document is not.
                if fault.retry:
                    raise fault
                return fallback
            try:
                document = self._object(read_body(response, _LARGEST_TOKEN_ANSWER, self.deadline), origin_of(where))
            except ConnectorFault as fault:
                if fault.later:
                    raise
                return fallback
        endpoint = document.get("token_endpoint")
        # OpenID Connect Discovery, 4.3: a document that names another issuer is somebody else's.
        if str(document.get("issuer", "")).rstrip("/") != where or not isinstance(endpoint, str):
            return fallback
        if parts_of(endpoint).scheme != parts_of(where).scheme or not parts_of(endpoint).hostname or "@" in parts_of(endpoint).netloc:
            raise refused(
                "token_endpoint",
                "认证文件中的令牌地址不可用，密钥未发送。",
                "The token endpoint of the host's document cannot be used; no secret was sent.",
            )
        return endpoint

    @staticmethod
    def _object(body: bytes, place: str) -> dict[str, Any]:
        try:
            value = strict_json.parse(body)
        except FileRefused as refusal:
            raise broken(f"{place} 的答复不可读。", f"The answer of {place} cannot be read.") from refusal
        if not isinstance(value, dict):
            raise broken(f"{place} 的答复不是 JSON 对象。", f"The answer of {place} is no JSON object.")
        return value


def pull_pact(connector: PactConnector, credential: Credential, pull: Pull, deadline: Deadline) -> None:
    """What events announced, then every page of the list."""
    with open_client(connector) as client:
        host = PactHost(connector, credential, client, deadline)
        try:
            _fetch_announced(host, pull)
            _fetch_pages(host, pull)
        except ConnectorFault as fault:
            raise fault.without(host.secrets) from None


def first_page(connector: PactConnector) -> str:
    """The address of Action ListFootprints with limit and filter."""
    query: list[tuple[str, str]] = [("limit", str(connector.limit))]
    if isinstance(connector.filter, str):
        query.append(("$filter", connector.filter))
    elif connector.filter is not None:
        for name, values in connector.filter.items():
            query += [(name, value) for value in ([values] if isinstance(values, str) else values)]
    return f"{connector.url}/{connector.version}/footprints?{urlencode(query, quote_via=quote, safe='$')}"


def next_page(here: str, response: httpx.Response) -> str | None:
    """The pagination link of an answer: the same host and scheme, or it is refused."""
    link = response.links.get("next", {}).get("url")
    if not link:
        return None
    target = join(here, link)
    if (parts_of(target).scheme, parts_of(target).netloc) != (parts_of(here).scheme, parts_of(here).netloc):
        elsewhere = f"{parts_of(target).scheme}://{parts_of(target).hostname or ''}"[:120]
        raise refused(
            "other_host",
            f"下一页的链接指向另一主机 {elsewhere}，未跟随。",
            f"The link to the next page leads to another host, {elsewhere}, and was not followed.",
        )
    return target


def fingerprints_of(footprints: list[Any]) -> dict[str, str]:
    """Each footprint's id with a hash of all it says; one without a usable id stands under its hash."""
    found: dict[str, str] = {}
    for footprint in footprints:
        digest = hashlib.sha256(strict_json.write(footprint).encode("utf-8", "surrogatepass")).hexdigest()
        name = footprint.get("id") if isinstance(footprint, dict) else None
        key = name if isinstance(name, str) and type(name) is str and 0 < len(name) <= 200 else digest
        # The same id twice with other content: neither may hide the other.
        found[key] = digest if key not in found or found[key] == digest else f"{found[key]}+{digest}"
    return found


def _fetch_pages(host: PactHost, pull: Pull) -> None:
    url: str | None = first_page(host.connector)
    followed: set[str] = set()
    met: set[str] = set()
    barren = 0
    while url is not None:
        if url in followed or barren >= MOST_BARREN_PAGES:
            raise refused(
                "link_loop",
                f"{host.connector.place} 的分页链接循环，已停在第 {len(followed)} 页；此前的页已收下。",
                f"The page links of {host.connector.place} lead in a circle: stopped after {len(followed)} pages, which were taken.",
            )
        followed.add(url)
        body, answer, response = host.get(url)
        footprints = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(footprints, list):
            raise refused(
                "no_data", f"{host.connector.place} 的列表没有 data 数组。", f"The list of {host.connector.place} has no array `data`."
            )
        items = fingerprints_of(footprints)
        barren = barren + 1 if met.issuperset(items) else 0
        met.update(items)
        _keep(host, pull, body, items, f"footprints_{len(followed):05d}.json", url)
        url = next_page(url, response)


def _fetch_announced(host: PactHost, pull: Pull) -> None:
    for item in pull.memory.announced(host.connector.name):
        url = f"{host.connector.url}/{host.connector.version}/footprints/{quote(item, safe='')}"
        try:
            body, answer, _ = host.get(url)
            footprint = answer.get("data") if isinstance(answer, dict) else None
            if not isinstance(footprint, dict):
                raise broken(f"{origin_of(url)} 没有 data。", f"{origin_of(url)} has no `data`.")
        except ConnectorFault as fault:
            if fault.later or fault.code not in ("not_there", "forbidden", "content_type", "broken_answer"):
                raise
            if not pull.dry_run:
                pull.memory.note_attempt(host.connector.name, item)
            pull.fail(fault)
            continue
        _keep(host, pull, body, fingerprints_of([footprint]), f"footprint_{item}.json", url, (item,))


def _keep(host: PactHost, pull: Pull, body: bytes, items: Mapping[str, str], name: str, url: str, answers: tuple[str, ...] = ()) -> None:
    """Deliver an answer's bytes, unless this connector had everything in it before."""
    connector = host.connector.name
    known = pull.memory.fingerprints(connector, items)
    brings = Brings(items=items, answers=answers)
    if all(known.get(item) == fingerprint for item, fingerprint in items.items()):
        pull.same += bool(items)
        if answers and not pull.dry_run:
            pull.memory.remember(connector, brings)
        return
    if pull.dry_run:
        pull.would_take(name, len(body), origin_of(url))
        return
    with pull.placer.fresh(url) as (part, out):
        out.write(body)
        out.close()
        pull.took(pull.placer.place(part, name, origin_of(url), brings))
