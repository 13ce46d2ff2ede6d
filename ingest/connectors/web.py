"""HTTP as a connector may speak it: only to addresses it may reach, every answer bounded, every failure a `ConnectorFault`.

A publisher's server may be somebody else's tomorrow: a redirect or a page's link must not lead it to what only this machine can reach.
"""

from __future__ import annotations

import email.utils
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

import httpx

from ingest.connectors.address import origin_of, parts_of
from ingest.connectors.deadline import Deadline
from ingest.connectors.declaration import FeedConnector, PactConnector
from ingest.connectors.faults import ConnectorFault, refused, too_large, unreachable

MOST_REDIRECTS = 5
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_LATER = {408, 425, 429, 500, 502, 503, 504}
_IPV6_OF_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"), ipaddress.IPv6Network("2002::/16"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def may_reach(address: Address, networks: tuple[str, ...]) -> bool:
    """Whether an address is public or in a network that was named. IPv6 forms that carry an IPv4 address are not public: they hide one."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in ipaddress.ip_network(network) for network in networks):
        return True
    if isinstance(address, ipaddress.IPv6Address) and any(address in network for network in _IPV6_OF_IPV4):
        return False
    return address.is_global and not address.is_multicast


def find_address(host: str, port: int, networks: tuple[str, ...]) -> str:
    """The address to connect to; it is the one connected to, so that a name cannot change its meaning in between.

    Raises:
        ConnectorFault: no such host, or only addresses that may not be reached.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except (OSError, UnicodeError, OverflowError) as error:
        raise unreachable(f"找不到主机 {host}。", f"There is no host {host}.") from error
    addresses = sorted({ipaddress.ip_address(str(item[4][0]).partition("%")[0]) for item in found}, key=lambda one: (one.version, int(one)))
    allowed = [address for address in addresses if may_reach(address, networks)]
    if not allowed:
        raise refused(
            "address_refused",
            f"{host} 是内网或本机地址，未连接；确属贵方网络时，在 networks 中写明。",
            f"{host} is an address of this machine or a private network and was not connected to; name it in networks if it is yours.",
        )
    return str(allowed[0])


class GuardedTransport(httpx.BaseTransport):
    """Connects to the checked address of a host, with the host's own name for TLS and the Host header."""

    def __init__(self, networks: tuple[str, ...], context: ssl.SSLContext) -> None:
        self._networks = networks
        self._context = context
        # One pool per name: a connection made for one name is not used for another that happens to share its address.
        self._pools: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        address = find_address(host, request.url.port or (443 if request.url.scheme == "https" else 80), self._networks)
        if host not in self._pools:
            self._pools[host] = httpx.HTTPTransport(verify=self._context, trust_env=False)
        extensions = {**request.extensions, "sni_hostname": host}
        guarded = httpx.Request(
            request.method, request.url.copy_with(host=address), headers=request.headers, stream=request.stream, extensions=extensions
        )
        return self._pools[host].handle_request(guarded)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()


def open_client(connector: FeedConnector | PactConnector) -> httpx.Client:
    """A client that reaches what the connector may reach. Proxies of the environment are not used: they would be asked in its place."""
    context = ssl.create_default_context(cafile=str(connector.ca_file) if connector.ca_file else None)
    headers = {"User-Agent": "tanlian", "Accept-Encoding": "identity"}
    return httpx.Client(transport=GuardedTransport(connector.networks, context), timeout=_TIMEOUT, headers=headers, follow_redirects=False)


def _pause_asked_for(response: httpx.Response) -> float:
    """Seconds of a Retry-After header: a number or a date (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time()) if text else 0.0
    except (ValueError, TypeError, OverflowError):
        return 0.0


def fault_of(response: httpx.Response) -> ConnectorFault:
    """The fault that an answer with an error status is."""
    place, status = origin_of(str(response.request.url)), response.status_code
    if status in _LATER:
        return unreachable(
            f"{place} 答复 {status}，稍后再试。", f"{place} answered {status}: to be tried later.", _pause_asked_for(response)
        )
    return refused("status", f"{place} 答复 {status}，未给出文件。", f"{place} answered {status} and gave no file.")


@contextmanager
def send(
    client: httpx.Client,
    method: str,
    url: str,
    deadline: Deadline,
    headers: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
) -> Iterator[httpx.Response]:
    """One request without redirects; the answer's body is still to be read. What breaks on the way is `unreachable`."""
    deadline.check()
    place = origin_of(url)
    try:
        with client.stream(method, url, headers=dict(headers or {}), data=dict(data) if data else None) as response:
            yield response
    except (httpx.TransportError, httpx.InvalidURL) as error:
        # The library's own words may repeat the address with its query; its kind says enough.
        raise unreachable(
            f"{place} 连接中断（{type(error).__name__}）。", f"{place}: the connection broke ({type(error).__name__})."
        ) from error


def join(url: str, link: str) -> str:
    """A link of an answer as an address; empty for what is none."""
    try:
        return str(httpx.URL(url).join(link))
    except (httpx.InvalidURL, ValueError):
        return ""


def follow(url: str, response: httpx.Response) -> str:
    """Where a redirect leads, which must be the same scheme.

    Raises:
        ConnectorFault: nowhere, or to another scheme.
    """
    target = join(url, response.headers.get("Location", ""))
    if parts_of(target).scheme != parts_of(url).scheme or not parts_of(target).hostname:
        raise refused(
            "redirect_refused",
            f"{origin_of(url)} 转到另一种协议 {parts_of(target).scheme}://，未跟随。",
            f"{origin_of(url)} redirects to another scheme, {parts_of(target).scheme}://, and was not followed.",
        )
    return target


def is_redirect(response: httpx.Response) -> bool:
    return response.status_code in (301, 302, 303, 307, 308)


@contextmanager
def get(client: httpx.Client, url: str, deadline: Deadline, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    """GET with at most MOST_REDIRECTS redirects, none to another scheme; error statuses are faults, 304 and 416 are answers.

    A redirect to another host is asked without what identifies us.
    """
    first, asked = parts_of(url).netloc, dict(headers)
    for _ in range(MOST_REDIRECTS + 1):
        if parts_of(url).netloc != first:
            asked.pop("Authorization", None)
        with send(client, "GET", url, deadline, asked) as response:
            if not is_redirect(response):
                if response.status_code >= 400 and response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise fault_of(response)
                yield response
                return
            url = follow(url, response)
    raise refused("redirect_loop", f"{origin_of(url)} 转址过多。", f"{origin_of(url)} redirects too often.")


def read_body(response: httpx.Response, largest: int, deadline: Deadline) -> bytes:
    """A body as it came, bounded.

    Raises:
        ConnectorFault: larger than allowed, or not in time.
    """
    parts, size = [], 0
    for chunk in response.iter_raw():
        deadline.check()
        size += len(chunk)
        if size > largest:
            raise too_large(origin_of(str(response.request.url)), largest)
        parts.append(chunk)
    return b"".join(parts)
