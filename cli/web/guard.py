"""Who may come in: this machine's own page, with the token in its address, and nobody else.

Another page in the same browser can send requests here, and a name that its owner points to 127.0.0.1 makes them
look like its own (DNS rebinding). So every request must have the token at the beginning of its path, which no
other page knows, name this host, and, where the browser says whence it comes, come from here.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

__all__ = ["Guard"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

HOSTS = ("127.0.0.1", "localhost", "[::1]")

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """See the module.

    Args:
        app: that is guarded; it sees paths without the token.
        token: that every path begins with.
        port: that the server listens to.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"{host}:{port}" for host in HOSTS}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no websockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refused(scope["path"], headers)
        if refused:
            await _refuse(send, refused)
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message.get("headers", [])}
                more = [
                    (name.encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.encode() not in own
                ]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        prefix = f"/{self._token}"
        inner = {**scope, "path": scope["path"][len(prefix) :], "raw_path": None}
        await self._app(inner, receive, send_with_headers)

    def _refused(self, path: str, headers: dict[str, str]) -> str:
        """Why a request is refused; "" where it is not."""
        first, _, _ = path[1:].partition("/")
        known = secrets.compare_digest(first.encode("utf-8", "replace"), self._token.encode())
        if headers.get("host", "").lower() not in self._hosts:
            return "this server answers to 127.0.0.1 alone"
        if headers.get("origin", "").lower() not in ("", *self._origins):
            return "requests of other pages are refused"
        if not known or not path.startswith(f"/{first}/"):
            return "open the whole address that 'nst web' has printed: its token is missing or another one"
        return ""


async def _refuse(send: Send, why: str) -> None:
    body = (why + "\n").encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
