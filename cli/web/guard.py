"""Who may ask, by what names the server is known, what every answer says about itself, and what a connection may take.

A request is waited for for a while, and few connections may be open without the token.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, TypeAlias

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

LOCAL = ("127.0.0.1", "localhost", "[::1]")
SAFE = ("GET", "HEAD", "OPTIONS")
MOST_STRANGERS = 100
"""Connections that have not shown the token; a further one takes the place of the oldest."""
MOST_KNOWN = 100
"""Those that have: a page has one for its events, and a few for a moment."""
PATIENCE = 15.0
"""Seconds within which a request begins, and for which its sender may be silent."""
SLOWEST = 2048
"""Bytes a second that a request comes with, after the first `PATIENCE` seconds."""

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "font-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Access:
    """Where the server listens and how it is reached, as the options of `nst web`."""

    host: str = LOCAL[0]  # address that it listens to
    # further names, with a port where the browser's address has one, that it is reached by
    names: tuple[str, ...] = ()
    base: str = ""  # path in front of the token; "" or "/studio"
    # whose X-Forwarded-Host and X-Forwarded-Proto are believed
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()


class Guard:
    """Who may ask: this server's own page, with the token in its address, and nobody else.

    Another page in the same browser can send requests here (cross-site request forgery), and a name that its owner
    points to 127.0.0.1 makes them look like its own (DNS rebinding). So a request must

    1. name this machine in `Host` (RFC 9110, section 7.2), or a name that was allowed, which a rebound name is not;
       the port may be another one, of a tunnel or a container;
    2. come from here, if the browser says where it comes from: by `Origin` (RFC 6454, section 7), which is the very
       host, port and scheme that is asked, or an allowed name; and by `Sec-Fetch-Site` (W3C, Fetch Metadata Request
       Headers) for methods that are not safe (RFC 9110, section 9.2.1), as the address itself may be opened from
       elsewhere;
    3. begin its path with the token, which no other page and no other user of the machine knows.

    Programs that are not browsers send neither header of the second rule. The state of a request that comes in says
    "known", for `Connection`.
    """

    def __init__(self, app: App, token: str, access: Access) -> None:
        self._app, self._token, self._access = app, token, access
        self._names = {*LOCAL, *(_name(host) for host in access.names)}
        self._origins = {f"{scheme}://{name}" for name in access.names for scheme in ("http", "https")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no websockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answered.setdefault(name, value)
            await send(message)

        base, path = self._access.base, scope["path"]
        if base and path.startswith(f"{base}/"):  # else the proxy has taken it off
            path = path[len(base) :]
        refused = self._refused(scope, path)
        if refused:
            answer = PlainTextResponse(f"{refused}\n", 403, {"connection": "close"})
            await answer(scope, receive, send_with_headers)
            return
        scope.setdefault("state", {})["known"] = True
        prefix = f"/{self._token}"
        if path == prefix:  # relative, as a proxy may have put something in front
            await RedirectResponse(f"{self._token}/")(scope, receive, send_with_headers)
            return
        await self._app({**scope, "path": path[len(prefix) :], "raw_path": None}, receive, send_with_headers)

    def _refused(self, scope: Scope, path: str) -> str:
        """Why a request is refused; "" where it is not."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host, scheme = self._asked(scope, headers)
        if _name(host) not in self._names:
            return (
                f"this server is not known as {host[:100]!r}: start nst web with --allow-host and that name"
            )
        origin = headers.get("origin", "").lower()
        if origin not in ("", f"{scheme}://{host}", *self._origins):
            name = origin.partition("://")[2][:100]
            return (
                f"requests of other pages are refused; a proxy is made known by nst web --allow-host {name!r}"
            )
        if scope["method"] not in SAFE and headers.get("sec-fetch-site", "none").lower() not in (
            "same-origin",
            "none",
        ):
            return "requests of other pages are refused"
        first, _, _ = path[1:].partition("/")
        if not secrets.compare_digest(first.encode("utf-8", "replace"), self._token.encode()):
            return "open the whole address that 'nst web' has printed: its token is missing or another one"
        return ""

    def _asked(self, scope: Scope, headers: Mapping[str, str]) -> tuple[str, str]:
        """Host and scheme as the browser has them; a proxy that was named says what they were before it."""
        host, scheme = headers.get("host", ""), scope["scheme"]
        client = scope.get("client")
        if self._access.proxies and client and _of(client[0], self._access.proxies):
            host = headers.get("x-forwarded-host", host).split(",")[-1].strip()
            scheme = headers.get("x-forwarded-proto", scheme).split(",")[-1].strip()
        return host.lower(), scheme.lower()


def _name(host: str) -> str:
    """A host without its port; "" for what is none."""
    found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(:\d{1,5})?", host.lower())
    return found[1] if found else ""


def _of(client: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        address = ip_address(client)
    except ValueError:
        return False
    return any(address in network for network in networks)


CLOSING = {**HEADERS, "connection": "close"}
BUSY = PlainTextResponse("too many connections: try again in a while\n", 503, CLOSING)


class Connection(H11Protocol):
    """Uvicorn's HTTP/1.1, which by itself waits for ever for line, headers and body once something has come."""

    made = _began = _heard = 0.0
    _bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for its request, and for no more strangers than may be."""
        super().connection_made(transport)
        self.made = self.loop.time()
        self._expect()
        strangers = [other for other in self.connections if isinstance(other, Connection) and other.stranger]
        if len(strangers) > MOST_STRANGERS:
            min(strangers, key=lambda other: other.made).drop()

    @property
    def stranger(self) -> bool:
        """Whether it is open and its last request had no token (see `Guard`), or there was none."""
        known = self.scope is not None and "known" in self.scope["state"]
        return not known and not self.transport.is_closing()

    def data_received(self, data: bytes) -> None:
        """Count what comes."""
        self._bytes += len(data)
        self._heard = self.loop.time()
        super().data_received(data)

    def handle_events(self) -> None:
        """Uvicorn's; where there are too many, we answer, as its own answer has none of our headers."""
        crowded = len(self.connections) > MOST_STRANGERS + MOST_KNOWN
        self.app = BUSY if crowded else self.config.loaded_app
        super().handle_events()

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's, with our headers, to what is no HTTP."""
        headers = {**CLOSING, "content-type": "text/plain; charset=utf-8"}
        lines = [
            "HTTP/1.1 400 Bad Request",
            *(f"{name}: {value}" for name, value in headers.items()),
            "",
            msg,
        ]
        self.transport.write("\r\n".join(lines).encode())
        self.transport.close()

    def on_response_complete(self) -> None:
        """The next request may come, or what is left of this one."""
        self._expect()
        super().on_response_complete()

    def drop(self) -> None:
        """End it without an answer; who asked is told that it is disconnected."""
        self.transport.abort()

    def check(self) -> None:
        """Drop it if its sender takes too long; called every second or so."""
        request = self.cycle
        here = request is not None and not (request.more_body or request.response_complete)
        if here or self.flow.read_paused:  # it is our turn
            return
        now = self.loop.time()
        if now > min(self._heard, self._began + self._bytes / SLOWEST) + PATIENCE:
            self.drop()

    def _expect(self) -> None:
        """A request is to come."""
        self._began = self._heard = self.loop.time()
        self._bytes = 0
