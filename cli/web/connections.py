"""What a connection may take: how long a request is waited for, and how many may be open without the token."""

from __future__ import annotations

import asyncio

from starlette.responses import PlainTextResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from nst.cli.web.guard import HEADERS

MOST_STRANGERS = 100
"""Connections that have not shown the token; a further one takes the place of the oldest."""

MOST_KNOWN = 100
"""Those that have: a page has one for its events, and a few for a moment."""

PATIENCE = 15.0
"""Seconds within which a request begins, and for which its sender may be silent."""

SLOWEST = 2048
"""Bytes a second that a request comes with, after the first `PATIENCE` seconds."""


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
