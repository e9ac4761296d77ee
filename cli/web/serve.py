"""The server on its port, and the address with its token."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvicorn

from nst.cli.web.app import make_app
from nst.cli.web.painting import Setup
from nst.cli.web.session import Store
from nst.cli.web.studio import Studio
from nst.errors import NSTError

__all__ = ["serve"]

HOST = "127.0.0.1"


def serve(setup: Setup, folder: Path, port: int, show: bool) -> None:
    """Serve the studio until Ctrl-C, at a port (0 for any that is free); `show` opens the page in a browser.

    Raises:
        NSTError: the folder cannot be written, the port is taken, or backend or network are unknown.
    """
    store = Store(folder)
    token = _token(folder)
    listener = _listener(port)
    port = listener.getsockname()[1]
    address = f"http://{HOST}:{port}/{token}/"
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(store, setup, token, listener, partial(_announce, address, show)))


async def _run(
    store: Store, setup: Setup, token: str, listener: socket.socket, announce: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()

    def call_soon(function: Callable[[Any], None], argument: Any) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(function, argument)

    studio = Studio(store, setup, call_soon)
    config = uvicorn.Config(
        make_app(studio, token, listener.getsockname()[1]),
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        limit_concurrency=200,
        h11_max_incomplete_event_size=2**16,
    )
    server = _Server(config, announce, studio.close_streams)
    failures: list[str] = []

    def give_up(why: str) -> None:
        failures.append(why)
        server.should_exit = True

    studio.give_up = give_up
    await server.serve(sockets=[listener])
    if failures:
        raise NSTError(failures[0])


class _Server(uvicorn.Server):
    """Says when it can be reached, and ends the streams before it waits for them."""

    def __init__(
        self, config: uvicorn.Config, announce: Callable[[], None], close_streams: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._announce, self._close_streams = announce, close_streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._close_streams()
        await super().shutdown(sockets)


def _announce(address: str, show: bool) -> None:
    click.echo(
        f"The studio is at {address}\nThe address is a key to it: keep it to yourself. Ctrl-C ends it."
    )
    if show:
        webbrowser.open(address)


def _token(folder: Path) -> str:
    """Drawn once and kept where nobody else reads it: a page that is open finds its server after a restart."""
    path = folder / "token"
    with suppress(OSError, UnicodeDecodeError):
        token = path.read_text().strip()
        if len(token) >= 32:
            return token
    token = secrets.token_urlsafe(24)
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(token)
    except OSError as error:
        raise NSTError(f"cannot write {path}: {error.strerror}; give another --folder") from error
    return token


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    if os.name != "nt":  # where it would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise NSTError(f"cannot listen to port {port}: {error}; give another --port, or 0 for any") from error
    return listener
