"""The server on its port, and the address with its token."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click
import uvicorn
from filelock import FileLock, Timeout

from nst.cli.web.app import make_app
from nst.cli.web.guard import Access, Connection
from nst.cli.web.painting import Setup
from nst.cli.web.session import Store
from nst.cli.web.studio import Studio
from nst.cli.web.uploads import Intake
from nst.errors import NSTError

ADDRESS = "address"
"""Name of the file in the folder that says where the server is."""

BACKLOG = 32
"""Connections that are taken at a time; well below `MOST_STRANGERS`, so that none is dropped before it could speak."""


def serve(setup: Setup, folder: Path, port: int, show: bool, access: Access) -> None:
    """Serve the studio until Ctrl-C, at a port (0 for any that is free); `show` opens the page in a browser.

    NSTError: the folder cannot be written or another server has it, the port is taken, or backend or network are
    unknown.
    """
    with _lock(folder), _listener(access.host, port) as listener, suppress(KeyboardInterrupt):
        host, port = listener.getsockname()[:2]
        if ip_address(host).is_unspecified:  # every address of this machine
            host = "::1" if ":" in host else "127.0.0.1"
        host = f"[{host}]" if ":" in host else host
        access = replace(access, names=(*access.names, f"{host}:{port}"))
        token = secrets.token_urlsafe(24)
        address = f"http://{host}:{port}{access.base}/{token}/"
        announce = partial(_announce, address, access, show)
        with _noted(address, folder / ADDRESS):
            asyncio.run(_run(Store(folder), setup, token, access, listener, announce))


async def _run(
    store: Store,
    setup: Setup,
    token: str,
    access: Access,
    listener: socket.socket,
    announce: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()

    def call_soon(function: Callable[[Any], None], argument: Any) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(function, argument)

    studio = Studio(store, setup, call_soon)
    config = uvicorn.Config(
        make_app(studio, Intake(), token, access),
        http=Connection,
        ws="none",
        proxy_headers=False,  # `Access` says whose are believed
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        backlog=BACKLOG,
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

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # once a second
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.check()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._close_streams()
        logging.getLogger("uvicorn.error").setLevel(
            logging.CRITICAL
        )  # what is under way ends without a traceback
        await super().shutdown(sockets)


def _announce(address: str, access: Access, show: bool) -> None:
    click.echo(
        f"The studio is at {address}\nThe address is a key to it: keep it to yourself. Ctrl-C ends it."
    )
    if not ip_address(access.host).is_loopback:
        click.echo(
            f"Other machines reach it (--host {access.host}): the token in the address is all that keeps them out, and "
            "what is sent can be read on the way unless a proxy speaks HTTPS."
        )
    if show:
        webbrowser.open(address)


def _lock(folder: Path) -> AbstractContextManager[Any]:
    """The folder is made, and ours."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(folder / ".lock").acquire(timeout=0)
    except Timeout:
        running = f"in {folder}"
        with suppress(OSError, UnicodeDecodeError):
            running = f"at {(folder / ADDRESS).read_text().strip()}"
        raise NSTError(
            f"the studio is running already {running}: open that, or give another --folder"
        ) from None
    except OSError as error:
        raise _unwritable(folder, error) from error


@contextmanager
def _noted(address: str, path: Path) -> Iterator[None]:
    """Where we are, for one who starts another; readable to the owner alone."""
    try:
        for before in (path, path.with_name("token")):  # of a server that was killed, and of older ones
            before.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(address)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> NSTError:
    return NSTError(f"cannot write into {folder}: {error.strerror or error}; give another --folder")


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if os.name != "nt":  # where it would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise NSTError(
            f"cannot listen to port {port} of {host}: {error}; give another --port (0 for any) or --host"
        ) from error
    return listener
